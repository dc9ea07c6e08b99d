package import KubernetesModel
import YAML

/// Writes status ConfigMaps, each only when it says something new.
package actor StatusWriter {
    private let api: any ClusterAPI
    private var written: [ObjectKey: Value] = [:]

    package init(api: any ClusterAPI) { self.api = api }

    /// Whether there was something to write.
    @discardableResult
    package func write(_ manifest: Manifest) async throws -> Bool {
        guard written[manifest.key] != manifest.value else { return false }
        // Until the answer comes, and for good where none does, nobody knows what is there.
        written[manifest.key] = nil
        let options = ApplyOptions(fieldManager: "homelab-status")
        do {
            _ = try await api.apply(manifest, options: options)
        } catch let error as ClusterError where error.kind == .notFound {
            try await HomelabNamespace.ensure(api)
            _ = try await api.apply(manifest, options: options)
        }
        written[manifest.key] = manifest.value
        return true
    }

    /// The cluster was set back to an earlier state: what was written since is not there any more.
    package func noteSetBack() { written = [:] }

    /// What the agents last said of the nodes; nil when none has said anything yet.
    package func lastNodes() async throws -> NodesReport? {
        let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")
        return try await api.get(kind, namespace: HomelabNamespace.name, name: NodesReport.configMapName).flatMap { NodesReport(of: $0) }
    }

    /// What the ConfigMap said last, by this agent or the one before it.
    package func last(unit: String) async throws -> StatusReport? {
        let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")
        let found = try await api.get(kind, namespace: HomelabNamespace.name, name: StatusReport.configMapName(of: unit))
        return found.flatMap { StatusReport(of: $0) }
    }
}
