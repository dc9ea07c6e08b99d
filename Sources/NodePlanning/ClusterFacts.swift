package import NodeInventory

/// What the running cluster says about itself; `ClusterFacts.none` before there is one.
package struct ClusterFacts: Hashable, Sendable {
    /// Why the API could not be asked although a server is installed; nil when it answered or when there is no server yet.
    package var unavailable: String?
    package var nodes: [ClusterNode]
    /// What etcd itself calls its members; empty when it could not be asked, and for SQLite.
    package var members: [EtcdMember]
    /// The bootstrap tokens that exist (Secrets `bootstrap-token-<id>` in kube-system): their descriptions by their ids.
    package var bootstrapTokens: [String: String]

    package init(
        unavailable: String? = nil, nodes: [ClusterNode] = [], members: [EtcdMember] = [], bootstrapTokens: [String: String] = [:]
    ) {
        self.unavailable = unavailable
        self.nodes = nodes
        self.members = members
        self.bootstrapTokens = bootstrapTokens
    }

    package static let none = ClusterFacts()

    package func node(named name: String) -> ClusterNode? { nodes.first { $0.name == name } }

    /// The servers' votes, and who is down. One that votes without a Node counts as down: nobody knows better.
    package var quorum: Quorum {
        let members = nodes.filter(\.isEtcdMember)
        return Quorum(
            members: members.count + membersWithoutNode.count { !$0.isLearner }, healthy: members.filter(\.isHealthyMember).count)
    }

    /// Why etcd cannot spare this server for a while, and what to do about it; nil when it can, or the server is no member.
    /// - Parameter isWell: who counts as healthy; by default whom its Node calls so.
    package func reasonToKeep(
        _ server: String, isWell: (ClusterNode) -> Bool = { $0.isHealthyMember }
    ) -> (text: String, remedy: String)? {
        let members = nodes.filter(\.isEtcdMember)
        guard let own = members.first(where: { $0.name == server }) else { return nil }
        var quorum = quorum
        quorum.healthy = members.count(where: isWell)
        if quorum.survivesRestart(ofHealthy: isWell(own)) { return nil }
        let away = members.filter { $0.name != server && !isWell($0) }.map(\.name) + membersWithoutNode.map(\.label)
        return (
            "etcd has \(quorum.members) members, \(quorum.healthy) of them healthy, and would lose its majority",
            away.isEmpty ? Quorum.wayOutOfTwo : "bring \(away.joined(separator: ", ")) back first, then run again"
        )
    }

    /// Members that no Node object stands for: their votes count all the same. A server that is joining is one for a moment.
    package var membersWithoutNode: [EtcdMember] {
        members.filter { member in
            !nodes.contains { node in
                guard node.isEtcdMember else { return false }
                if let name = node.annotations["etcd.k3s.cattle.io/node-name"] { return name == member.name }
                return member.belongs(toNode: node.name, address: node.internalIPs.first ?? "")
            }
        }
    }
}

/// A member as etcd lists it. k3s calls it by the node's name, a dash and eight hexadecimal digits (pkg/etcd, `<data>/server/db/etcd/name`).
package struct EtcdMember: Hashable, Sendable {
    /// Empty for one that was added and has not started yet.
    package var name: String
    /// Where the others reach it, `https://192.0.2.11:2380`.
    package var peerURLs: [String]
    /// It follows, has no vote, and no other can join beside it.
    package var isLearner: Bool

    package init(name: String, peerURLs: [String] = [], isLearner: Bool = false) {
        self.name = name
        self.peerURLs = peerURLs
        self.isLearner = isLearner
    }

    package func belongs(toNode node: String, address: String) -> Bool {
        if name.isEmpty { return peerURLs.contains { $0.contains("//\(address):") || $0.contains("//[\(address)]:") } }
        return name.dropLast(9) == node && name.dropLast(8).last == "-"
    }

    /// For people: what there is to know it by.
    package var label: String { name.isEmpty ? peerURLs.joined(separator: ", ") : name }
}

/// A Node object, and the etcd member k3s keeps for it.
package struct ClusterNode: Hashable, Sendable {
    package var name: String
    package var uid: String
    package var ready: Bool
    /// The Ready condition's message when it is not.
    package var reason: String
    package var kubeletVersion: String
    package var labels: [String: String]
    package var annotations: [String: String]
    package var taints: [Taint]
    package var internalIPs: [String]
    package var unschedulable: Bool
    /// Of the machine whose kubelet made the Node; a fresh installation has another one.
    package var machineID: String
    /// k3s' condition; nil for releases without it.
    package var isVoter: Bool?

    /// Label `node-role.kubernetes.io/etcd`: a member of the embedded etcd, unless it was taken out and the Node is still there.
    package var isEtcdMember: Bool { labels["node-role.kubernetes.io/etcd"] == "true" && !isRemovedMember }

    package var isRemovedMember: Bool {
        let removed = annotations["etcd.k3s.cattle.io/removed-node-name"]
        return removed != nil && removed == annotations["etcd.k3s.cattle.io/node-name"]
    }

    package var isHealthyMember: Bool { isEtcdMember && ready && isVoter != false }

    package var role: NodeRole {
        ["control-plane", "master"].contains { labels["node-role.kubernetes.io/\($0)"] == "true" } ? .server : .agent
    }

    /// homelab cordoned it and has not finished what for.
    package var cordon: Cordon? { annotations[ClusterNode.cordonAnnotation].flatMap(Cordon.init) }

    package static let cordonAnnotation = "homelab.dev/cordoned"

    package init(name: String) {
        self.name = name
        uid = ""
        ready = false
        reason = ""
        kubeletVersion = ""
        labels = [:]
        annotations = [:]
        taints = []
        internalIPs = []
        unschedulable = false
        machineID = ""
    }
}
