package import NodeInventory

/// What the running cluster says about itself; `ClusterFacts.none` before there is one.
package struct ClusterFacts: Hashable, Sendable {
    /// Why the API could not be asked although a server is installed; nil when it answered or when there is no server yet.
    package var unavailable: String?
    package var nodes: [ClusterNode]
    /// The ids of the bootstrap tokens that exist (Secrets `bootstrap-token-<id>` in kube-system).
    package var bootstrapTokens: Set<String>

    package init(unavailable: String? = nil, nodes: [ClusterNode] = [], bootstrapTokens: Set<String> = []) {
        self.unavailable = unavailable
        self.nodes = nodes
        self.bootstrapTokens = bootstrapTokens
    }

    package static let none = ClusterFacts()

    package func node(named name: String) -> ClusterNode? { nodes.first { $0.name == name } }
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
