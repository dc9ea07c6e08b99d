package import KubernetesModel
import YAML

/// Operators' approvals of node plans, in the ConfigMap `homelab-system/homelab-approvals`: an entry per hash, taken away when it is used.
package struct NodeApprovals: Sendable {
    package static let name = "homelab-approvals"
    private static let label = "homelab.dev/approvals"
    private static let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")

    private let api: any ClusterAPI
    private let clock: any AgentClock
    /// The hashes that are there now.
    let given = Shared<Set<String>>([])

    init(api: any ClusterAPI, clock: any AgentClock) {
        self.api = api
        self.clock = clock
    }

    /// Approves a plan; `by` says who and when, for whoever looks.
    package static func give(_ hash: String, by: String, in api: any ClusterAPI) async throws {
        let manifest = Manifest([
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": [
                "namespace": .string(HomelabNamespace.name), "name": .string(name),
                "labels": .object(Object([.init(key: label, value: "nodes")])),
            ],
            "data": .object(Object([.init(key: hash, value: .string(by))])),
        ])
        _ = try await api.apply(manifest, options: ApplyOptions(fieldManager: "homelab-approval-\(hash.prefix(12))"))
    }

    func follow() async {
        let follower = ObjectFollower(
            api: api, clock: clock, kind: Self.kind, namespace: HomelabNamespace.name, labelSelector: "\(Self.label)=nodes")
        await follower.run { change in
            switch change {
            case .all(let found): see(found.first { $0.name == Self.name })
            case .present(let found) where found.name == Self.name: see(found)
            case .gone(let found) where found.name == Self.name: see(nil)
            case .present, .gone, .failed: break
            }
        }
    }

    private func see(_ manifest: Manifest?) {
        let hashes = Set(manifest?.value["data"]?.object?.keys ?? [])
        if hashes != given.value { given.update { $0 = hashes } }
    }

    /// Takes approvals away; one that cannot be taken away now is looked at again later, and fits no plan any more then.
    func use(up hashes: Set<String>) async {
        guard !hashes.isEmpty else { return }
        let data = Value.object(Object(hashes.sorted().map { .init(key: $0, value: .null) }))
        _ = try? await api.mergePatch(Self.kind, namespace: HomelabNamespace.name, name: Self.name, patch: ["data": data], subresource: nil)
        given.update { $0.subtract(hashes) }
    }
}
