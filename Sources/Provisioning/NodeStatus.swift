internal import KubernetesModel
internal import NodeInventory
internal import NodePlanning
internal import YAML

/// What a Node object says about a node that is joining.
struct NodeStatus: Hashable, Sendable {
    var isReady: Bool
    /// The Ready condition's message while it is not.
    var reason: String
    /// When its kubelet said so last, by the node's own clock.
    var reported: Timestamp?
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
        reported = ready?["lastHeartbeatTime"]?.string.flatMap { Timestamp($0) }
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

    /// Whether it is said by the k3s that runs on the machine now: a Node stays as the kubelet before a restart left it until the new one
    /// reports, which every kubelet does once when it starts.
    func isOfRunningK3s(_ role: NodeRole, on machine: any Host) async throws -> Bool {
        let started = try await machine.run(InitSystem.startTime(role.unit)).output.trimmingLineBreaks
        guard let seconds = Int64(started), let reported else { return false }
        return reported.secondsSinceEpoch > seconds
    }

    static let isOfEarlierK3s = "Ready, but only by a report from before k3s was started"

    static func command(_ name: String) -> RemoteCommand {
        RemoteCommand([NodeLayout.k3s, "kubectl", "get", "node", name, "-o", "json", "--ignore-not-found", "--request-timeout=5s"])
    }
}
