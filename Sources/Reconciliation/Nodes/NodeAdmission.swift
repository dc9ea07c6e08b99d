package import NodeInventory
package import NodePlanning
import Provisioning

/// Which part of a node plan the agent carries out by itself, and what it only reports.
///
/// By itself it lets machines join as agents of the cluster: additions which interrupt nothing. Everything else waits for an operator's
/// `homelab bootstrap`.
package struct NodeAdmission: Hashable, Sendable {
    /// Nodes to be joined now.
    package var joining: Set<String> = []
    /// Why each other node that differs from the inventory is left alone.
    package var pending: [NodeNote] = []

    package init(spec: ClusterSpec, plan: NodePlan, observed: [String: NodeObservation], cluster: ClusterFacts) {
        for node in spec.nodes {
            let isPlanned = !plan.limited(to: [node.name]).isEmpty
            if let reason = Self.obstacle(node, spec, observed[node.name], cluster) {
                if isPlanned || cluster.node(named: node.name) == nil { pending.append(reason) }
            } else if isPlanned {
                joining.insert(node.name)
            }
        }
        pending += plan.pending
        pending += cluster.nodes.filter { spec.node(named: $0.name) == nil }.map {
            NodeNote(
                node: $0.name, "is in the cluster and not in the inventory: it is left running",
                remedy: "add it to the inventory; to take it out of the cluster add it with state: absent")
        }
    }

    /// Why a node is not joined by the agent; nil when it may be.
    private static func obstacle(
        _ node: NodeSpec, _ spec: ClusterSpec, _ observation: NodeObservation?, _ cluster: ClusterFacts
    ) -> NodeNote? {
        if spec.paused { return NodeNote(node: node.name, "the cluster is paused", remedy: "take paused: true out of the inventory") }
        switch node.state {
        case .paused: return NodeNote(node: node.name, "is paused", remedy: "take state: paused out of its entry")
        case .absent:
            return NodeNote(node: node.name, "is to leave the cluster", remedy: "homelab bootstrap shows what that takes and asks")
        case .present: break
        }
        if node.hostKeys.isEmpty {
            return NodeNote(
                node: node.name, "has no pinned host key, and the agent never trusts a machine on first use",
                remedy: "add hostKeys to its entry (ssh-keyscan -t ed25519 \(node.host), compared with the machine's own)")
        }
        if case .unreachable(let reason)? = observation {
            return NodeNote(
                node: node.name, reason, remedy: "give the machine the key that homelab key prints, and see that it is on and reachable")
        }
        if node.role == .server {
            return NodeNote(node: node.name, "differs from the inventory", remedy: "homelab bootstrap shows what would change and asks")
        }
        if cluster.node(named: node.name) != nil {
            return NodeNote(
                node: node.name, "is in the cluster and differs from the inventory",
                remedy: "homelab bootstrap shows what would change and asks")
        }
        return nil
    }
}
