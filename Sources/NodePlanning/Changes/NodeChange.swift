/// What kind of change a plan makes to a node; policy decides by it how far the change may go without a person.
package enum ChangeClass: String, Hashable, Sendable, CaseIterable {
    case joinAgent = "join agent"
    case joinServer = "join server"
    case replaceAgent = "replace agent"
    case replaceServer = "replace server"
    case removeAgent = "remove agent"
    case removeServer = "remove server"
    case upgrade
    /// Another configuration, or another build of the same version, that takes a restart of k3s or a reboot.
    case restart
    /// What a machine needs beneath k3s: kernel modules and settings, firewall, files.
    case preparation = "prepare host"
    /// k3s is stopped although the node belongs to the cluster.
    case start = "start k3s"
    case metadata = "labels and taints"
    /// The agent's own files and the keys it is reached by.
    case agent = "homelab agent"

    /// Takes k3s on the node away for a while or for good.
    package var interrupts: Bool {
        switch self {
        case .upgrade, .restart, .replaceServer, .removeServer, .replaceAgent, .removeAgent: true
        default: false
        }
    }

    package var isRemoval: Bool { self == .removeAgent || self == .removeServer }

    package var isJoinOfServer: Bool { self == .joinServer || self == .replaceServer }

    /// Changes who votes in etcd.
    package var changesServers: Bool { self == .joinServer || self == .replaceServer || self == .removeServer }
}

/// One change of a plan: what happens to one node. Stays the same while the change is under way, whoever plans it, so that an approval
/// given once holds until it is done.
package struct NodeChange: Hashable, Sendable, Identifiable {
    package var kind: ChangeClass
    package var node: String
    /// What it leads to, where the class alone does not say it: a version, an address.
    package var target: String

    package init(_ kind: ChangeClass, _ node: String, target: String = "") {
        self.kind = kind
        self.node = node
        self.target = target
    }

    package var id: String { "\(kind.rawValue) \(node)" + (target.isEmpty ? "" : " \(target)") }

    /// `upgrade m1 to v1.34.9+k3s1`, `join server m4 at 192.0.2.14`.
    package var summary: String {
        let name = "\(kind.rawValue) \(node)"
        return target.isEmpty ? name : name + (kind == .upgrade ? " to " : " at ") + target
    }
}
