import KubernetesClient
import KubernetesModel

extension UnitReconciler {
    /// A kubeconfig as it was read last.
    struct KnownKubeconfig {
        var object: KubeconfigObject
        var version: String
    }

    var kubeconfig: KubeconfigObject? { spec.kubeconfig.map { KubeconfigObject($0, namespace: spec.owner.namespace) } }

    /// Finds the cluster of the unit's objects. The kubeconfig is followed, and read anew when it changes.
    /// - Returns: Whether it is another cluster than before: then the pass ends, as its turn is that cluster's no longer.
    /// - Throws: `Diagnostic` or `ClusterError` while there is no way to that cluster: then nothing may be planned or applied.
    func reachCluster() async throws -> Bool {
        guard let way = kubeconfig else {
            await context.namespaces.follow([:], for: spec.owner, .kubeconfig, bell)
            await context.clusters.leave(spec.owner)
            (knownKubeconfig, knownAccount) = (nil, nil)
            let hasMoved = await aim(at: context.home)
            hasLeftHome = false
            let notes = [await object?.annotation(Self.whereabouts), await object?.annotation(Self.leftBehindAnnotation), leftBehind]
            if notes.contains(where: { $0 != nil }) {
                try await context.home.identify()
                try await noteWhereabouts(nil, wasHome: false)
            }
            return hasMoved
        }
        let wasHome = target.identity == context.home.identity && enforced?.tree != nil
        await follow(way)
        let versions = await context.namespaces.versions(of: [way.key: way.kind])
        if let known = knownKubeconfig, known.object == way, versions.map({ $0[way.key] == known.version }) ?? true { return false }
        let (connection, version) = try await way.connection(context.api)
        server = connection.server
        if case .serviceAccount(let credential) = connection.credentials { knownAccount = credential.account } else { knownAccount = nil }
        await follow(way)
        let cluster = try await context.clusters.cluster(at: connection, for: spec.owner)
        // What it is asked may get no answer for long, and has to take no other cluster's turn.
        if await aim(at: cluster) {
            if wasHome { hasLeftHome = true }
            knownKubeconfig = nil
            return true
        }
        if !cluster.mark.isAsked || !context.home.mark.isAsked {
            try await context.home.identify()
            try await cluster.identify()
            board.clustersAreKnown()
        }
        try await noteWhereabouts(cluster.mark.uid.map { "\($0) \(connection.server)" }, wasHome: hasLeftHome)
        hasLeftHome = false
        knownKubeconfig = KnownKubeconfig(object: way, version: version)
        register()
        return false
    }

    /// With the ServiceAccount that it names, which may come after it.
    private func follow(_ way: KubeconfigObject) async {
        var objects = [way.key: way.kind]
        if let knownAccount { objects[knownAccount] = WorkloadIdentity.accountKind }
        await context.namespaces.follow(objects, for: spec.owner, .kubeconfig, bell)
    }

    /// From now on the unit's objects are there; what was seen elsewhere says nothing of them.
    private func aim(at cluster: TargetCluster) async -> Bool {
        guard cluster.identity != target.identity else { return false }
        let isFirst = knownKubeconfig == nil && enforced?.tree == nil
        if target.identity == context.home.identity {
            await context.live.setDesired([], of: spec.owner)
            try? await context.live.setHealthExpressions(HealthRules(), of: spec.owner)
            for purpose in [NamespaceFollowers.Purpose.healthChecks, .unlabelled, .users] {
                await context.namespaces.follow([:], for: spec.owner, purpose, bell)
            }
        } else {
            await leaveTarget()
        }
        target = cluster
        await target.live.attach(spec.owner, bell)
        (heededInterests, heededExpressions) = (nil, HealthRules())
        enforced?.tree = nil
        enforced?.unknownKinds = []
        (failures, guards, pruneFailures, deleting) = ([:], [:], [:], [:])
        (unsettled, yielded, seenLosses, lastPlan) = ([], [], 0, nil)
        // After a restart it is the cluster that it always was.
        if !isFirst { (applied, reconciled) = (nil, nil) }
        register()
        bell.ring()
        return true
    }

    // MARK: What is left where the unit was

    /// On a Kustomization: the UID and the address of the cluster that its objects were applied to last, where that is not its own.
    static let whereabouts = "homelab.dev/cluster"
    /// And of one before that, with what is left there.
    static let leftBehindAnnotation = "homelab.dev/left-behind"

    /// Notices that the unit is pointed to another cluster than before, whatever happened in between. What it applied there stays, since
    /// all of it would go at once and nobody has said that the new place has taken over: it is told, with how to delete it.
    /// - Parameters:
    ///   - here: nil for the cluster of the Kustomization itself.
    ///   - wasHome: whether the objects were in that one until now.
    private func noteWhereabouts(_ here: String?, wasHome: Bool) async throws {
        guard let object else { return }
        let before = await object.annotation(Self.whereabouts)
        let uid = here.map(Self.uid) ?? context.home.mark.uid
        if before != here, here != nil || kubeconfig == nil {
            let home = context.home.mark.uid.map { "\($0) the cluster of the Kustomization" }
            if let old = before ?? (wasHome ? home : nil), let uid, Self.uid(old) != uid { try await noteLeft(on: old, object) }
            try await object.annotate(Self.whereabouts, here)
        }
        let left = await object.annotation(Self.leftBehindAnnotation)
        // It is there again.
        if let left, Self.uid(left) == uid { try await object.annotate(Self.leftBehindAnnotation, nil) }
        leftBehind = left.flatMap { Self.uid($0) == uid ? nil : String($0.drop { $0 != " " }.dropFirst()) }
    }

    private static func uid(_ text: String) -> String { String(text.prefix { $0 != " " }) }

    private func noteLeft(on place: String, _ object: KustomizationObject) async throws {
        let record = await object.inventory
        guard !record.isEmpty else { return }
        let kinds = Set(record.keys.map { ($0.kind + ($0.group.isEmpty ? "" : "." + $0.group)).lowercased() }).sorted()
        let address = place.drop { $0 != " " }.dropFirst()
        let text =
            "\(record.count) objects are left on \(address), which nobody keeps any more: \(Self.list(record.keys)); to delete them there: "
            + "kubectl delete \(kinds.joined(separator: ",")) --all-namespaces -l \(spec.owner.labelSelector); "
            + "when that is settled: kubectl annotate \(object.place) \(Self.leftBehindAnnotation)-"
        try await object.annotate(Self.leftBehindAnnotation, "\(Self.uid(place)) \(text)")
        events.record(unitEvent("LeftBehind", text, isWarning: true))
    }

    /// The watches of another cluster are told that this unit needs nothing any more.
    func leaveTarget() async {
        guard target.identity != context.home.identity else { return }
        await target.live.detach(spec.owner)
        await target.namespaces.leave(spec.owner)
    }
}
