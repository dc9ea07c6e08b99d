package import Git
package import KubernetesModel
import YAML

/// The commit whose inventory the agents carry out, kept in the cluster for whichever of them acts next: ConfigMap
/// `homelab-system/homelab-applied-inventory`.
package struct AppliedInventory: Sendable {
    package static let name = "homelab-applied-inventory"
    private static let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")

    package var commit: ObjectID?
    /// The commit at which a person accepts that the branch was moved there on purpose.
    package var acceptedHistory: String?

    package init(in api: any ClusterAPI) async throws {
        let found = try await api.get(Self.kind, namespace: HomelabNamespace.name, name: Self.name)
        commit = found?.value[path: "data", "commit"]?.string.flatMap { ObjectID($0) }
        acceptedHistory = found?.annotation(InventoryStore.acceptHistory)
    }

    /// - Parameter signer: who vouched for it; empty where nothing has to be signed.
    package static func record(_ commit: ObjectID, signer: String, in api: any ClusterAPI) async throws {
        let manifest = Manifest([
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": ["namespace": .string(HomelabNamespace.name), "name": .string(Self.name)],
            "data": ["commit": .string(commit.hex), "signer": .string(signer)],
        ])
        let options = ApplyOptions(fieldManager: "homelab-agent")
        do {
            _ = try await api.apply(manifest, options: options)
        } catch let error as ClusterError where error.kind == .notFound {
            try await HomelabNamespace.ensure(api)
            _ = try await api.apply(manifest, options: options)
        }
    }
}
