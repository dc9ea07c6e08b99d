package import Diagnostics
package import YAML

/// One machine of the inventory: how it is reached and what it is to be.
package struct NodeSpec: Hashable, Sendable {
    package var name: String
    package var role: NodeRole
    package var state: NodeState
    /// The name or address SSH connects to.
    package var host: String
    /// The port and user as the inventory writes them; nil leaves them to the operator's `~/.ssh/config`, which the agents do not have.
    package var writtenPort: Int?
    package var writtenUser: String?
    package var login: Login
    /// nil: root, or sudo asks for no password.
    package var sudoPassword: SecretReference?
    /// The hosts SSH goes through, the first one first.
    package var jumps: [JumpHost]
    /// The pinned host keys; empty: the operator's known_hosts decides, and the agent does not connect.
    package var hostKeys: [HostKey]
    /// The addresses the cluster knows the node by, one of a family; empty: `host` when it is an address, else what k3s chooses.
    package var nodeIPs: [IPAddress]
    package var labels: [String: String]
    package var taints: [Taint]
    /// k3s configuration of this node alone, checked against k3s' flags; on top of the cluster's.
    package var config: Object
    package var mac: String?
    package var location: SourceLocation

    package init(name: String, role: NodeRole, host: String, user: String? = nil, location: SourceLocation) {
        self.name = name
        self.role = role
        state = .present
        self.host = host
        writtenUser = user
        login = Login()
        jumps = []
        hostKeys = []
        nodeIPs = []
        labels = [:]
        taints = []
        config = Object()
        self.location = location
    }

    /// Where SSH connects to as the agents do, and as whom.
    package var port: Int { writtenPort ?? 22 }
    package var user: String { writtenUser ?? "root" }

    /// The first address the inventory gives it; its others are of the other family.
    package var nodeIP: IPAddress? { nodeIPs.first }

    /// The address other nodes and the certificate use: the node's own, or the name SSH connects to.
    package var address: String { (nodeIP ?? IPAddress(host))?.description ?? host }
}

/// A server runs the control plane (and pods); an agent only runs pods.
package enum NodeRole: String, Hashable, Sendable, CaseIterable {
    case server, agent

    /// The systemd unit k3s runs as, named as k3s' own installer names it.
    package var unit: String { self == .server ? "k3s.service" : "k3s-agent.service" }
}

/// `absent` takes a node out of the cluster; an entry that merely disappears never does.
package enum NodeState: String, Hashable, Sendable, CaseIterable {
    case present, absent, paused
}

/// A Kubernetes taint, `key=value:Effect`.
package struct Taint: Hashable, Sendable, CustomStringConvertible {
    package enum Effect: String, Hashable, Sendable, CaseIterable {
        case noSchedule = "NoSchedule"
        case preferNoSchedule = "PreferNoSchedule"
        case noExecute = "NoExecute"
    }

    package var key: String
    package var value: String
    package var effect: Effect

    package init(key: String, value: String = "", effect: Effect) {
        self.key = key
        self.value = value
        self.effect = effect
    }

    package var description: String { value.isEmpty ? "\(key):\(effect.rawValue)" : "\(key)=\(value):\(effect.rawValue)" }
}
