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
}
