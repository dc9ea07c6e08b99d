package import KubernetesModel

extension StatusReport {
    /// Of all units that agents of a cluster report on: their own.
    package static func all(_ api: any ClusterAPI) async throws -> [StatusReport] {
        let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")
        return try await api.list(kind, namespace: HomelabNamespace.name, labelSelector: label).items.compactMap { StatusReport(of: $0) }
    }
}
