package import KubernetesModel
import YAML

/// The agents' public keys, where everybody with a kubeconfig finds them: ConfigMap `homelab-system/homelab-agents`, one entry per server.
package enum AgentKeys {
    private static let configMap = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")
    private static let name = "homelab-agents"

    /// Every published key, sorted by node, as lines for authorized_keys.
    package static func published(in api: any ClusterAPI) async throws -> [String] {
        let found = try await api.get(configMap, namespace: HomelabNamespace.name, name: name)
        return (found?.value["data"]?.object?.members ?? []).sorted { $0.key < $1.key }.compactMap(\.value.string)
    }

    /// Makes this server's key known. Each agent owns its own entry (server-side apply), so that they do not take each other's away.
    package static func publish(_ key: String, of node: String, in api: any ClusterAPI) async throws {
        let manifest = Manifest([
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": ["name": .string(name), "namespace": .string(HomelabNamespace.name)],
            "data": .object(Object([Object.Member(key: node, value: .string(key))])),
        ])
        _ = try await api.apply(manifest, options: ApplyOptions(fieldManager: "homelab-agent-\(node)"))
    }
}
