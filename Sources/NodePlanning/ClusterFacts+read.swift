internal import NodeInventory
package import YAML

extension ClusterFacts {
    /// From the API's own list, `kubectl get nodes -o json`.
    ///
    /// - Parameters:
    ///   - tokens: the descriptions of the bootstrap tokens by their ids.
    ///   - members: what a server's `/db/info` says (k3s pkg/etcd); nil when it does not.
    package init(nodes: Value, tokens: [String: String], members: Value? = nil) {
        self.init()
        self.members = (members?["members"]?.array ?? []).map { member in
            EtcdMember(
                name: member["name"]?.string ?? "", peerURLs: (member["peerURLs"]?.array ?? []).compactMap(\.string),
                isLearner: member["isLearner"]?.bool ?? false)
        }
        self.nodes = (nodes["items"]?.array ?? []).compactMap(ClusterNode.init)
        bootstrapTokens = tokens
    }
}

extension ClusterNode {
    /// nil for a value that is no Node.
    package init?(_ value: Value) {
        guard let name = value[path: "metadata", "name"]?.string else { return nil }
        self.init(name: name)
        uid = value[path: "metadata", "uid"]?.string ?? ""
        labels = Self.texts(value[path: "metadata", "labels"])
        annotations = Self.texts(value[path: "metadata", "annotations"])
        unschedulable = value[path: "spec", "unschedulable"]?.bool ?? false
        kubeletVersion = value[path: "status", "nodeInfo", "kubeletVersion"]?.string ?? ""
        machineID = value[path: "status", "nodeInfo", "machineID"]?.string ?? ""
        for taint in value[path: "spec", "taints"]?.array ?? [] {
            guard let key = taint["key"]?.string, let effect = taint["effect"]?.string.flatMap(Taint.Effect.init) else { continue }
            taints.append(Taint(key: key, value: taint["value"]?.string ?? "", effect: effect))
        }
        for address in value[path: "status", "addresses"]?.array ?? [] where address["type"] == "InternalIP" {
            if let text = address["address"]?.string { internalIPs.append(text) }
        }
        let conditions = value[path: "status", "conditions"]?.array ?? []
        isVoter = conditions.first { $0["type"] == "EtcdIsVoter" }.map { $0["status"] == "True" }
        let condition = conditions.first { $0["type"] == "Ready" }
        ready = condition?["status"] == "True"
        if !ready { reason = condition?["message"]?.string ?? "it has not reported yet" }
    }

    private static func texts(_ value: Value?) -> [String: String] {
        var result: [String: String] = [:]
        for member in value?.object ?? .init() { result[member.key] = member.value.string ?? "" }
        return result
    }
}
