package import Diagnostics
package import KubernetesModel
package import Kustomize
package import SyncPlanning

/// What a unit would do if the repository were as these files are: the very plan that the agent would execute.
package struct UnitPreview: Sendable {
    private let clusters: UnitClusters
    private let remotes: RemoteCommits?
    private let others: OtherUnits?
    private let unit: Manifest
    private let spec: UnitSpec

    /// - Parameters:
    ///   - remotes: fetches what the files name by URL; nil refuses it.
    ///   - others: without them nothing passes to another unit.
    package init(of unit: Manifest, clusters: UnitClusters, remotes: RemoteCommits? = nil, others: OtherUnits? = nil) {
        self.unit = unit
        self.clusters = clusters
        self.remotes = remotes
        self.others = others
        spec = UnitSpec(of: unit)
    }

    package func plan(_ files: some FileTree) async throws -> SyncPlan {
        let api = try await clusters.api(of: unit)
        let tree = try await tree(files, api)
        let record = KustomizationStatus(of: unit).inventory
        var request = SyncRequest(unit: spec.owner, revision: "", desired: tree, applied: record, live: [:], prune: spec.prune)
        request.reportsDrift = spec.reportsDrift
        request.completed = try await UnitReconciler.recordedJobs(of: unit, clusters.home)
        request.live = try await observations(tree, record, api)
        let leaving = record.subtracting(tree.inventory).keys
        for key in leaving { request.claimed[key] = others?.heir(to: key) }
        for key in tree.inventory.keys { request.rivals[key] = others?.rival(for: key, of: request.live[key]?.present?.owner) }
        request.companions = try await departures(of: leaving, request, api)
        return SyncPlanner.plan(request)
    }

    /// As `UnitReconciler.departures(of:_:)`.
    private func departures(
        of leaving: [ObjectKey], _ request: SyncRequest, _ api: any ClusterAPI
    ) async throws -> [ObjectKey: Int] {
        let units = leaving.filter {
            $0.unit != nil && request.claimed[$0] == nil && request.live[$0]?.present?.owner == spec.owner
        }
        guard spec.prune.isEnabled, !units.isEmpty else { return [:] }
        let departures = UnitDepartures(api: api, flux: try await FluxSettings.inForce(clusters.home)) {
            [others, wanted = request.desired.inventory] unit, objects in
            guard unit.kubeconfig == nil else { return [] }
            return Set(objects.filter { others?.heir(to: $0) != nil || wanted.contains($0) })
        }
        return try await departures.counts(of: units)
    }

    /// The place in the files that makes an object; nil when they make no such object.
    package func place(of object: ObjectKey, in files: some FileTree) async throws -> SourceLocation? {
        let tree = try await tree(files, try await clusters.api(of: unit))
        return tree.objects.first { $0.key == object }?.origin
    }

    private func tree(_ files: some FileTree, _ api: any ClusterAPI) async throws -> DesiredTree {
        var spec = spec
        spec.flux = try await FluxSettings.inForce(clusters.home)
        guard !spec.isImpossible else {
            throw Diagnostics(
                spec.hindrances.map {
                    Diagnostic(
                        .error, "the unit applies nothing", subject: unit.key.description, cause: $0, remedy: "correct its Kustomization")
                })
        }
        // The Kustomization in the cluster of the agent's own unit is what the agent made; the one in the files says how.
        let isRoot = try await StatusReport.all(clusters.home).contains { $0.owner == spec.owner }
        if isRoot, let own = try? FluxComponents.own(in: files, at: spec.path) { spec.take(own: own, otherwise: spec) }
        let materials = try await BuildMaterials.read(spec, clusters.home)
        var options = BuildOptions(generatesMissingKustomization: true)
        options.loadRestriction = .none
        options.overlay = spec.overlay
        let decryption = try materials.decryption
        options.remotePermission = "add --allow-remote"
        let clear = DecryptingFileTree(files, decryption)
        let build = KustomizeBuild(files: clear, options: options)
        let opened: [Manifest]
        do throws(Diagnostics) {
            let result: BuildResult
            if let remotes { result = try await build.result(spec.path, from: remotes) } else { result = try build.result(spec.path) }
            opened = try decryption.opened(result.manifests)
        } catch {
            throw clear.secrecy.masked(error)
        }
        let ours = try await spec.kubeconfig == nil ? components(opened, spec, isRoot: isRoot).manifests : opened
        let manifests = try materials.put(into: ours, always: spec.variables.always, secrecy: clear.secrecy)
        var scopes: [GroupKind: Bool] = [:]
        for kind in Set(manifests.map(\.groupVersionKind)) {
            scopes[kind.groupKind] = try await api.resource(for: kind)?.isNamespaced
        }
        return try DesiredTree(
            manifests.map { PackedManifest($0) }, owner: spec.owner, scopes: scopes, ignored: try IgnoredFields(spec.ignoreRules).pointers,
            secrecy: clear.secrecy.adding(materials.secrets))
    }

    private func components(_ manifests: [Manifest], _ spec: UnitSpec, isRoot: Bool) async throws -> FluxComponents {
        guard !isRoot else { return FluxComponents(manifests, path: spec.path) }
        guard let source = spec.source, source.kind == FluxKinds.gitRepository.kind else {
            return FluxComponents(manifests, of: spec, from: nil)
        }
        let repository = try await clusters.home.get(FluxKinds.gitRepository, namespace: source.namespace, name: source.name)
        return FluxComponents(manifests, of: spec, from: repository.map { FollowedRepository(GitRepositorySpec(of: $0)) })
    }

    private func observations(
        _ tree: DesiredTree, _ record: ResourceInventory, _ api: any ClusterAPI
    ) async throws -> [ObjectKey: Observation] {
        let desired = Dictionary(tree.objects.map { ($0.key, $0) }) { $1 }
        var result: [ObjectKey: Observation] = [:]
        for key in Set(desired.keys).union(record.keys) {
            guard let kind = desired[key]?.kind ?? record.groupVersionKind(of: key) else { continue }
            do {
                let live = try await api.get(kind, namespace: key.namespace, name: key.name)
                result[key] = if let live { Observation.present(await present(live, desired[key], api)) } else { Observation.absent }
            } catch let error as ClusterError where error.kind == .unknownKind {
                // What was applied in a version that the server has no more is there in another.
                guard desired[key] == nil, let served = try await api.resource(for: key.groupKind)?.kind else {
                    result[key] = .kindUnknown
                    continue
                }
                let live = try await api.get(served, namespace: key.namespace, name: key.name)
                result[key] = live.map { .present(PresentObject(of: $0, desired: nil)) } ?? .absent
            }
        }
        return result
    }

    /// An object as the agent knows it: what the server has left different from a manifest that was applied is how it writes it. The agent
    /// has seen that when it applied it; here a dry run tells. What was added by hand goes, as the agent takes it away.
    private func present(_ live: Manifest, _ desired: DesiredObject?, _ api: any ClusterAPI) async -> PresentObject {
        var found = PresentObject(of: live, desired: desired)
        guard let desired, found.digest == desired.digest, found.owner == spec.owner else { return found }
        let options = ApplyOptions(dryRun: true, user: spec.user)
        if !found.differences.isEmpty, let answer = try? await api.apply(desired.manifest, options: options) {
            found = PresentObject(of: live, desired: desired, settled: PresentObject(of: answer, desired: desired).differences)
        }
        found.differences += desired.additions(in: live)
        return found
    }
}
