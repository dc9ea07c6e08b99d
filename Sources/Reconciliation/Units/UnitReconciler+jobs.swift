import KubernetesModel
import SyncPlanning

/// Jobs are steps: one that ran to its end is not run again when it is cleared away (`ttlSecondsAfterFinished`), only when it says
/// something else.
extension UnitReconciler {
    /// Where the record keeps which Jobs ran to their end, and what they ran.
    static let completedJobs = "homelab.dev/completed-jobs"

    /// The Jobs of a tree that ran to their end, with the digests of what they ran.
    func completedJobs(of tree: DesiredTree) async -> [ObjectKey: String] {
        let jobs = tree.objects.filter(\.runsOnce).map(\.key)
        guard !jobs.isEmpty else { return [:] }
        let seen = await live.completedJobs(of: jobs)
        let known = await store.annotation(Self.completedJobs).flatMap { ResourceInventory(text: $0) }
        var result: [ObjectKey: String] = [:]
        for key in jobs { result[key] = seen[key] ?? known?[key]?.digest }
        return result
    }

    /// The Jobs that ran to their end, with the digests of what they ran, as the record of a unit has them.
    /// - Parameters:
    ///   - unit: the Kustomization.
    ///   - home: the cluster that has it.
    static func recordedJobs(of unit: Manifest, _ home: any ClusterAPI) async throws -> [ObjectKey: String] {
        var text = unit.annotation(completedJobs)
        // The agents' own units are recorded in ConfigMaps.
        if text == nil, let own = try await StatusReport.all(home).first(where: { $0.owner == unit.key.unit }) {
            let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")
            let store = InventoryStore.configMapName(of: own.unit)
            text = try await home.get(kind, namespace: HomelabNamespace.name, name: store)?.annotation(completedJobs)
        }
        return (text.flatMap { ResourceInventory(text: $0) }?.entries ?? [:]).mapValues(\.digest)
    }

    /// Writes down the Jobs that have come to their end since.
    func noteCompletedJobs(of tree: DesiredTree) async throws {
        let record = ResourceInventory(
            await completedJobs(of: tree).mapValues { ResourceInventory.Entry(version: "v1", digest: $0) })
        let text = record.isEmpty ? nil : record.text
        if text != (await store.annotation(Self.completedJobs)) { try await store.annotate(Self.completedJobs, text) }
    }
}
