internal import NodeInventory

/// The server that the others join by and that commands for the whole cluster run on.
extension NodePlanner {
    /// A running server leads, one that is not paused before one that is; else one that has been started before; else the first of the
    /// inventory, but only when every server was seen: one that cannot be seen may hold the cluster, and a second one beside it must
    /// never be made. One that would have to be started first leads only when this plan may start it.
    mutating func chooseLeader() {
        let servers = planned(desired.servers)
        let running = servers.filter { $0.facts.isActive(NodeRole.server.unit) && $0.facts.holdsCluster }
        let stopped = servers.filter { $0.facts.holdsCluster }
        if let first = running.first(where: { !isPaused($0.node) }) ?? running.first {
            leader = first.node
        } else if let first = stopped.first(where: { !isHeld($0.node) }) ?? stopped.first {
            start(first.node, "does not run")
        } else if let leaving = serversOnTheirWayOut.first(where: { facts($0)?.holdsCluster == true }) {
            block("\(leaving.name) is to be absent and is the only one that holds the cluster; let another server join it first")
        } else if let holder = holderUnderAnotherEntry {
            block(
                "\(holder.name) holds a cluster, and its entry does not fit it", "put its entry right first: a second cluster would be made"
            )
        } else if let (agent, url) = agentOfAnotherServer {
            block(
                "\(agent) has joined \(url), and no entry is that server's",
                "give that server its entry; if it is gone for good, uninstall k3s on \(agent) by hand")
        } else if let elsewhere = desired.nodes.first(where: { facts($0)?.keepsClusterElsewhere == true }) {
            block("\(elsewhere.name) may hold the cluster already", "see what is said of it")
        } else if let unseen = (desired.servers + serversOnTheirWayOut).first(where: { facts($0) == nil }) {
            block("\(unseen.name) cannot be seen and may hold the cluster already")
        } else if let first = desired.servers.first(where: { !isPaused($0) }) ?? desired.servers.first,
            facts(first)?.installedRole ?? .server == .server
        {
            start(first, "is the first server and does not run yet")
        } else {
            block("no server of the inventory can be used")
        }
    }

    private mutating func block(_ reason: String, _ remedy: String = "make the machine reachable, or correct its entry") {
        blocked = NodeNote(node: nil, "no server is started or joined: \(reason)", remedy: remedy)
    }

    func isHeld(_ node: NodeSpec) -> Bool { isPaused(node) || isLeftOut(node) }

    /// Where everything is paused the plan still says what is left undone.
    private mutating func start(_ node: NodeSpec, _ state: String) {
        if isLeftOut(node) {
            block("\(node.name) \(state), and is not among the nodes that were chosen", "choose it too")
        } else if isPaused(node), !desired.paused {
            block("\(node.name) \(state), and is paused", "take `paused` out of the inventory")
        } else {
            leader = node
        }
    }

    /// A machine that serves a cluster, while its entry calls it an agent or has another address for it.
    private var holderUnderAnotherEntry: NodeSpec? {
        desired.nodes.first { node in facts(node).map { $0.installedRole == .server && $0.holdsCluster } ?? false }
    }

    /// An agent whose cluster is another one than a first server would make.
    private var agentOfAnotherServer: (agent: String, url: String)? {
        for node in desired.nodes where node.state != .absent {
            guard let facts = facts(node), facts.installedRole == .agent, facts.k3s.authority != nil, let url = Self.serverURL(facts),
                !isAddressOfServer(url, besides: node)
            else { continue }
            return (node.name, url)
        }
        return nil
    }

    private var serversOnTheirWayOut: [NodeSpec] { desired.nodes.filter { $0.role == .server && $0.state == .absent } }
}
