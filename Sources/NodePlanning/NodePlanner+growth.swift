internal import NodeInventory
internal import YAML

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

    /// Why no machine of this node's role may come into the running cluster by this plan; nil when it may.
    func reasonNotToJoin(_ node: NodeSpec) -> (text: String, remedy: String)? {
        if let noJoining { return (noJoining, "run again afterwards") }
        if let lack = facts(node).flatMap(lackOfImages) { return lack }
        if let facts = facts(node), let file = K3sConfiguration.registries(desired), context.leavesToBootstrap(file, facts) {
            return ("registries.yaml \(PlanningContext.onlyBootstrapHas)", PlanningContext.bootstrapRemedy)
        }
        if node.role == .agent {
            return serverBehind.map { ("the server \($0) is older than k3s \(desired.k3s.version)", "upgrade it first") }
        }
        if let skew = serverSkew(besides: node) { return skew }
        if facts(node)?.holdsCluster == false, let (server, keys) = serverThatDiffers {
            let canRestart = quorum.members < 2 || quorum.survivesRestart(ofHealthy: true)
            return (
                "\(server) has to be restarted first, with another \(keys.joined(separator: ", "))",
                canRestart ? "run again afterwards" : "take that change back until it has joined: etcd can spare no server before"
            )
        }
        guard let leader, leader.name != node.name, isHeld(leader), facts(leader)?.k3s.datastore == .sqlite, datastore == .etcd else {
            return nil
        }
        return (
            "\(leader.name) has to be restarted first, to turn its SQLite into etcd",
            isLeftOut(leader) ? "choose it too" : "take `paused` out of the inventory"
        )
    }

    /// A server that runs with other values than the inventory has now of what must be equal on all servers: k3s takes no further server with
    /// the new ones beside it. One that turns its SQLite into etcd is restarted before any other joins.
    private var serverThatDiffers: (server: String, keys: [String])? {
        for (server, facts) in planned(desired.servers) where facts.holdsCluster && facts.k3s.datastore == .etcd {
            let wanted = K3sConfiguration(spec: desired, node: server, entry: entry(server, facts), founding: founding)
            // Of secrets only the file tells whether they differ.
            guard reasonToWrite(wanted.config, facts) != nil, let text = facts.k3s.config,
                let now = (try? YAMLReader.values(text, file: NodeLayout.k3sConfig))?.first
            else { continue }
            let keys = K3sFlags.critical.filter { wanted.values[$0] != now[$0] }.sorted()
            if !keys.isEmpty { return (server.name, keys) }
        }
        return nil
    }

    /// A server of another version joins only those that are at most one minor version behind it, and none that is ahead: otherwise
    /// joining would be the upgrade that skips one, or the way back, which upgrades refuse (docs.k3s.io/upgrades).
    private func serverSkew(besides node: NodeSpec) -> (text: String, remedy: String)? {
        let wanted = desired.k3s.version
        for server in desired.nodes where server.role == .server && server.name != node.name {
            guard let now = runningVersion(server), now != wanted else { continue }
            if wanted < now {
                return ("the server \(server.name) runs k3s \(now), which is newer than \(wanted)", "set k3s.version to \(now)")
            }
            if wanted.major != now.major || wanted.minor > now.minor + 1 {
                return (
                    "the server \(server.name) runs k3s \(now), and \(wanted) skips a minor version",
                    "set k3s.version to a release of v\(now.major).\(now.minor + 1) first, then go on from there"
                )
            }
        }
        return nil
    }

    /// Of a server that serves now: what its machine runs, or what its Node says.
    func runningVersion(_ server: NodeSpec) -> K3sVersion? {
        if let version = facts(server)?.k3s.binary?.version, facts(server)?.isActive(server.role.unit) == true {
            return K3sVersion(version)
        }
        guard let member = cluster.node(named: server.name), member.ready else { return nil }
        return K3sVersion(member.kubeletVersion)
    }

    /// etcd refuses a member while another is down, and the new one would raise the majority that is needed.
    func reasonNotToGrow(_ node: NodeSpec) -> String? {
        let members = cluster.nodes.filter { $0.isEtcdMember && !replaced.contains($0.name) }
        if members.contains(where: { $0.name == node.name }) { return "etcd has a member of this name" }
        // Those of servers that this very run starts are on their way: an interrupted join goes on.
        let joining = desired.servers.filter { cluster.node(named: $0.name) == nil && facts($0) != nil }
        let strangers = cluster.membersWithoutNode.filter { member in
            !joining.contains { member.belongs(toNode: $0.name, address: addresses[$0.name].first?.description ?? $0.address) }
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
