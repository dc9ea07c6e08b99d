package import KubernetesModel
import YAML

/// The namespace that holds the agent's own objects: its Lease, its records and its statuses.
package enum HomelabNamespace {
    package static let name = "homelab-system"

    package static func ensure(_ api: any ClusterAPI) async throws {
        let namespace = Manifest([
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": ["name": .string(name), "labels": ["app.kubernetes.io/managed-by": "homelab"]],
        ])
        _ = try await api.apply(namespace, options: ApplyOptions(fieldManager: "homelab-agent"))
    }

    /// One that is there already is somebody else's.
    static func ensure(_ other: String, _ api: any ClusterAPI) async throws {
        guard other != name else { return try await ensure(api) }
        let kind = GroupVersionKind(group: "", version: "v1", kind: "Namespace")
        guard try await api.get(kind, namespace: "", name: other) == nil else { return }
        _ = try await api.create(Manifest(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(other)]]))
    }
}
