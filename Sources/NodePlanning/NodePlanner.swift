package import NodeInventory

/// Compares what the inventory wants with what was seen, and says what to do: a pure function, so that a plan can be shown, compared,
/// approved and tested without a machine.
package struct NodePlanner: Sendable {
    let desired: ClusterSpec
    let observed: [String: NodeObservation]
    let cluster: ClusterFacts
    let context: PlanningContext
    var pending: [NodeNote] = []
    /// The server that the others join by and that commands for the whole cluster run on; nil: nothing can be started or joined.
    var leader: NodeSpec?
    /// The nodes that this plan starts.
    var joining: Set<String> = []
    /// Agents in service that this plan gives a token, since they had none where homelab keeps it.
    var tokensRenewed: Set<String> = []
    /// The leader was restarted before the others join, so that it is not restarted again.
    var isLeaderRestarted = false
    /// Why no server may be started or joined at all.
    var blocked: String?
    /// The nodes that this plan upgrades, with what was seen that asks for it.
    var upgrading: [String: String] = [:]
    /// The nodes that this plan takes out, and those whose old Node it deletes because their machine was set up anew.
    var leaving: Set<String> = []
    var replaced: Set<String> = []
    /// Why no machine is added by this plan; nil when machines may be.
    var noJoining: String?

    /// - Parameters:
    ///   - observed: by node name; a node that is missing in it was not looked at and is left alone.
    ///   - cluster: `ClusterFacts.none` when no server is installed yet.
    package static func plan(
        desired: ClusterSpec, observed: [String: NodeObservation], cluster: ClusterFacts, context: PlanningContext
    ) -> NodePlan {
        var planner = NodePlanner(desired: desired, observed: observed, cluster: cluster, context: context)
        planner.chooseLeader()
        planner.noteWhatIsLeftAlone()
        // One kind of change at a time: what is broken goes first, since it holds up the others; then versions, since a new machine
        // must not be ahead of the servers; then new machines; what is healthy leaves last, when its successors are in.
        let broken = planner.brokenNodes()
        planner.chooseUpgrades(unless: broken)
        var phases = [planner.hostPreparation(), planner.binaries(), broken, planner.firstServer()]
        phases += planner.upgrades()
        phases += [planner.replacement(), planner.furtherServers(), planner.agents()]
        phases += [planner.restartedServers(), planner.restartedAgents(), planner.metadata(), planner.removal(after: broken)]
        phases.append(planner.closedFirewalls())
        phases += [planner.kubeconfig(), planner.gitRepository(), planner.homelabAgents(), planner.homelabUpgrade()]
        phases.insert(planner.revokedKeys(), at: 2)
        phases.insert(planner.snapshot(beforeRemovalsIn: phases), at: 2)
        return planner.finished(phases)
    }

    private init(desired: ClusterSpec, observed: [String: NodeObservation], cluster: ClusterFacts, context: PlanningContext) {
        self.desired = desired
        self.observed = observed
        self.cluster = cluster
        self.context = context
    }

    // MARK: Who is planned for

    func facts(_ node: NodeSpec) -> NodeFacts? { observed[node.name]?.facts }

    /// The nodes that were seen, are to be there, and whose role is the one they have.
    func planned(_ nodes: [NodeSpec]) -> [(node: NodeSpec, facts: NodeFacts)] {
        nodes.compactMap { node in
            guard node.state != .absent, let facts = facts(node), facts.installedRole ?? node.role == node.role,
                movedAddress(node, facts) == nil
            else { return nil }
            return (node, facts)
        }
    }

    func isPaused(_ node: NodeSpec) -> Bool { desired.paused || node.state == .paused }

    mutating func wait(_ node: String?, _ text: String, _ remedy: String? = nil) {
        let note = NodeNote(node: node, text, remedy: remedy)
        if !pending.contains(note) { pending.append(note) }
    }

    // MARK: The leader

    /// A running server leads; else one that has been started before; else the first of the inventory, but only when every server was
    /// seen: one that cannot be seen may hold the cluster, and a second one beside it must never be made.
    private mutating func chooseLeader() {
        let servers = planned(desired.servers)
        if let running = servers.first(where: { $0.facts.isActive(NodeRole.server.unit) && $0.facts.holdsCluster }) {
            leader = running.node
        } else if let stopped = servers.first(where: { $0.facts.holdsCluster }) {
            leader = stopped.node
        } else if let leaving = serversOnTheirWayOut.first(where: { facts($0)?.holdsCluster == true }) {
            blocked = "\(leaving.name) is to be absent and is the only one that holds the cluster; let another server join it first"
        } else if let unseen = (desired.servers + serversOnTheirWayOut).first(where: { facts($0) == nil }) {
            blocked = "\(unseen.name) cannot be seen and may hold the cluster already"
        } else if let first = desired.servers.first, facts(first)?.installedRole ?? .server == .server {
            leader = first
        } else {
            blocked = "no server of the inventory can be used"
        }
    }

    private var serversOnTheirWayOut: [NodeSpec] { desired.nodes.filter { $0.role == .server && $0.state == .absent } }

    /// Where the cluster's data are: what runs counts before what the number of servers would ask for, since k3s cannot go back.
    var datastore: Datastore {
        let holdsEtcd = desired.servers.contains { facts($0)?.k3s.datastore == .etcd }
        return desired.k3s.datastore ?? (holdsEtcd ? .etcd : desired.datastore)
    }

    /// The servers' votes, and who is down. One that votes without a Node counts as down: nobody knows better.
    var quorum: Quorum {
        let members = cluster.nodes.filter(\.isEtcdMember)
        return Quorum(
            members: members.count + cluster.membersWithoutNode.count { !$0.isLearner }, healthy: members.filter(\.isHealthyMember).count)
    }

    // MARK: Putting the plan together

    /// Moves the tasks of paused nodes to what is pending, leaves out empty phases, and says of each remaining node why nothing is done.
    private mutating func finished(_ phases: [Phase?]) -> NodePlan {
        let paused = Set(desired.nodes.filter(isPaused).map(\.name))
        var plan = NodePlan(cluster: desired.name)
        var waiting: [String: [String]] = [:]
        for phase in phases.compactMap({ $0 }) {
            var kept = phase
            kept.tasks = phase.tasks.filter { !$0.steps.isEmpty && !paused.contains($0.node) }
            if !kept.tasks.isEmpty { plan.phases.append(kept) }
            for task in phase.tasks where paused.contains(task.node) { waiting[task.node, default: []] += task.steps.map(\.step.summary) }
        }
        for node in desired.nodes {
            guard let steps = waiting[node.name], let first = steps.first else { continue }
            let count = steps.count == 1 ? "one step is" : "\(steps.count) steps are"
            wait(node.name, "is paused; \(count) left undone, the first: \(first)", "take `paused` out of the inventory")
        }
        noteUnready(besides: plan.phases)
        plan.pending = pending
        let busy = Set(plan.phases.flatMap(\.tasks).map(\.node)).union(pending.compactMap(\.node))
        for node in desired.nodes where !busy.contains(node.name) {
            if node.state == .absent {
                plan.unchanged.append(NodeNote(node: node.name, "is not part of the cluster, as the inventory says"))
            } else if paused.contains(node.name) {
                plan.unchanged.append(NodeNote(node: node.name, "is paused"))
            } else if observed[node.name] != nil {
                plan.unchanged.append(NodeNote(node: node.name, "is as the inventory says"))
            }
        }
        return plan
    }
}

extension Phase {
    init(_ kind: Kind, concurrency: Int = 1, _ tasks: [(node: String, steps: [PlannedStep])]) {
        self.init(
            kind, concurrency: concurrency, tasks: tasks.filter { !$0.steps.isEmpty }.map { NodeTask(node: $0.node, steps: $0.steps) })
    }
}
