internal import NodeInventory

/// Servers that are to join, and those that have to be well before they may.
extension NodePlanner {
    /// Seconds in which a k3s that was started is expected to be well. What an interrupted run left behind is waited for; a server that
    /// has been unwell for longer does not get well by waiting.
    private static let settling = 600.0

    /// Whether servers join that hold no data of the cluster yet.
    private var isGrowing: Bool {
        noJoining == nil
            && planned(desired.servers).contains { node, facts in
                node.name != leader?.name && !facts.holdsCluster && !isPaused(node) && !facts.isActive(NodeRole.server.unit)
            }
    }

    /// A server that was started a moment ago and is not well yet, while others are to join: this very run waits for it and goes on then.
    func isAwaited(_ node: NodeSpec) -> Bool {
        guard isGrowing, !isPaused(node), let facts = facts(node), facts.isActive(NodeRole.server.unit),
            let member = cluster.node(named: node.name), !member.isRemovedMember, member.cordon == nil,
            let started = facts.units[NodeRole.server.unit]?.started
        else { return false }
        let isWell = facts.k3s.datastore == .etcd ? member.isHealthyMember : member.ready
        return !isWell && facts.clock.printed - started < Self.settling
    }

    /// An agent that an interrupted run started a moment ago and that has not come into the cluster yet: this run waits for it.
    func isJoining(_ node: NodeSpec, _ facts: NodeFacts, _ member: ClusterNode?) -> Bool {
        guard !isPaused(node), cluster.unavailable == nil, let started = facts.units[NodeRole.agent.unit]?.started else { return false }
        let isIn = member.map { $0.ready || Self.change(node, $0) == nil } ?? false
        return !isIn && facts.clock.printed - started < Self.settling
    }

    /// etcd refuses a member while another is down, and the new one would raise the majority that is needed.
    func reasonNotToGrow(_ node: NodeSpec) -> String? {
        let members = cluster.nodes.filter { $0.isEtcdMember && !replaced.contains($0.name) }
        if members.contains(where: { $0.name == node.name }) { return "etcd has a member of this name" }
        // Those of servers that this very run starts are on their way: an interrupted join goes on.
        let joining = desired.servers.filter { cluster.node(named: $0.name) == nil && facts($0) != nil }
        let strangers = cluster.membersWithoutNode.filter { member in
            !joining.contains { member.belongs(toNode: $0.name, address: $0.address.description) }
        }
        let down = members.filter { member in
            !member.isHealthyMember && !self.joining.contains(member.name) && !(desired.node(named: member.name).map(isAwaited) ?? false)
        }
        let quorum = Quorum(members: members.count + strangers.count, healthy: members.count - down.count)
        if members.isEmpty || quorum.mayGrow { return nil }
        return (down.map { "\($0.name) is not healthy" } + strangers.map { "etcd has a member \($0.label) without a node" })
            .joined(separator: ", ")
    }
}
