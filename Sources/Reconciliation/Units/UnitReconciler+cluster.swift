import KubernetesClient
import KubernetesModel

extension UnitReconciler {
    /// A kubeconfig as it was read last.
    struct KnownKubeconfig {
        var secret: KubeconfigSecret
        var version: String
    }

    var kubeconfig: KubeconfigSecret? { spec.kubeconfig.map { KubeconfigSecret($0, namespace: spec.owner.namespace) } }

    /// Finds the cluster of the unit's objects. The kubeconfig is followed, and read anew when it changes.
    /// - Returns: Whether it is another cluster than before: then the pass ends, as its turn is that cluster's no longer.
    /// - Throws: `Diagnostic` or `ClusterError` while there is no way to that cluster: then nothing may be planned or applied.
    func reachCluster() async throws -> Bool {
        guard let secret = kubeconfig else {
            await context.namespaces.follow([:], for: spec.owner, .kubeconfig, bell)
            await context.clusters.leave(spec.owner)
            knownKubeconfig = nil
            return await aim(at: context.home)
        }
        await context.namespaces.follow([secret.key: KubeconfigSecret.kind], for: spec.owner, .kubeconfig, bell)
        let versions = await context.namespaces.versions(of: [secret.key: KubeconfigSecret.kind])
        if let known = knownKubeconfig, known.secret == secret, versions.map({ $0[secret.key] == known.version }) ?? true { return false }
        let (connection, version) = try await secret.connection(context.api)
        server = connection.server
        let hasMoved = await aim(at: try await context.clusters.cluster(at: connection, for: spec.owner))
        knownKubeconfig = KnownKubeconfig(secret: secret, version: version)
        register()
        return hasMoved
    }

    /// From now on the unit's objects are there; what was seen elsewhere says nothing of them.
    private func aim(at cluster: TargetCluster) async -> Bool {
        guard cluster.identity != target.identity else { return false }
        let isFirst = knownKubeconfig == nil && enforced?.tree == nil
        if target.identity == context.home.identity {
            await context.live.setDesired([], of: spec.owner)
            try? await context.live.setHealthExpressions([:], of: spec.owner)
            for purpose in [NamespaceFollowers.Purpose.healthChecks, .users] {
                await context.namespaces.follow([:], for: spec.owner, purpose, bell)
            }
        } else {
            await leaveTarget()
        }
        target = cluster
        await target.live.attach(spec.owner, bell)
        (heededInterests, heededExpressions) = (nil, [:])
        enforced?.tree = nil
        enforced?.unknownKinds = []
        (failures, guards, pruneFailures, deleting) = ([:], [:], [:], [:])
        (unsettled, yielded, seenLosses, lastPlan) = ([], [], 0, nil)
        // After a restart it is the cluster that it always was.
        if !isFirst { applied = nil }
        register()
        bell.ring()
        return true
    }

    /// The watches of another cluster are told that this unit needs nothing any more.
    func leaveTarget() async {
        guard target.identity != context.home.identity else { return }
        await target.live.detach(spec.owner)
        await target.namespaces.leave(spec.owner)
    }
}
