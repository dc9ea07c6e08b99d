internal import NodePlanning
internal import YAML

/// What a Node object says about a node that is joining.
struct NodeStatus: Hashable, Sendable {
    var isReady: Bool
    /// The Ready condition's message while it is not.
    var reason: String
    /// nil: no member of the embedded etcd.
    var isVotingMember: Bool?
    var kubeletVersion: String
    /// etcd does not know it, or not any more.
    var isRemovedMember: Bool

    /// Reads a Node as `kubectl get node NAME -o json` prints it; nil for an empty answer: there is no such Node yet.
    init?(json text: String) throws(JSONError) {
        guard text.contains("{") else { return nil }
        self.init(try JSONReader.value(text))
    }

    init(_ node: Value) {
        let conditions = node[path: "status", "conditions"]?.array ?? []
        let ready = conditions.first { $0["type"] == "Ready" }
        isReady = ready?["status"] == "True"
        kubeletVersion = node[path: "status", "nodeInfo", "kubeletVersion"]?.string ?? ""
        reason = ready?["message"]?.string ?? "its kubelet has not reported yet"
        let labels = node[path: "metadata", "labels"]
        let annotations = node[path: "metadata", "annotations"]
        let member = annotations?["etcd.k3s.cattle.io/node-name"]
        isRemovedMember = member == nil || annotations?["etcd.k3s.cattle.io/removed-node-name"] == member
        if labels?["node-role.kubernetes.io/etcd"]?.string == "true" {
            // k3s writes the condition once the member votes or while it learns; releases before it had only the annotation.
            let voter = conditions.first { $0["type"] == "EtcdIsVoter" }
            isVotingMember = voter.map { $0["status"] == "True" } ?? (annotations?["etcd.k3s.cattle.io/node-name"] != nil)
        } else {
            isVotingMember = nil
        }
    }

    static func command(_ name: String) -> RemoteCommand {
        RemoteCommand([NodeLayout.k3s, "kubectl", "get", "node", name, "-o", "json", "--ignore-not-found", "--request-timeout=5s"])
    }
}
