package import NodeInventory

/// Compares what the inventory wants with what was seen, and says what to do: a pure function, so that a plan can be shown, compared,
/// approved and tested without a machine.
package struct NodePlanner: Sendable {
    let desired: ClusterSpec
    let observed: [String: NodeObservation]
    let cluster: ClusterFacts
    let context: PlanningContext
    /// Where the machines reach each other.
    let addresses: NodeAddresses
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
    var blocked: NodeNote?
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

    init(desired: ClusterSpec, observed: [String: NodeObservation], cluster: ClusterFacts, context: PlanningContext) {
        self.desired = desired
        self.observed = observed
        self.cluster = cluster
        self.context = context
        addresses = NodeAddresses(desired, facts: observed.compactMapValues(\.facts), cluster: cluster)
    }

    // MARK: Who is planned for

    func facts(_ node: NodeSpec) -> NodeFacts? { observed[node.name]?.facts }

    /// The nodes that were seen, are to be there, and whose role is the one they have.
    func planned(_ nodes: [NodeSpec]) -> [(node: NodeSpec, facts: NodeFacts)] {
        nodes.compactMap { node in
            guard node.state != .absent, let facts = facts(node), facts.installedRole ?? node.role == node.role,
                movedAddress(node, facts) == nil, !facts.keepsClusterElsewhere
            else { return nil }
            return (node, facts)
        }
    }

    func isPaused(_ node: NodeSpec) -> Bool { desired.paused || node.state == .paused }

    /// Not among the nodes that the run was told to work on.
    func isLeftOut(_ node: NodeSpec) -> Bool { !context.only.isEmpty && !context.only.contains(node.name) }

    /// Of the planned ones those that the run was told to work on.
    func chosen(_ nodes: [NodeSpec]) -> [(node: NodeSpec, facts: NodeFacts)] { planned(nodes).filter { !isLeftOut($0.node) } }

    mutating func wait(_ node: String?, _ text: String, _ remedy: String? = nil) { note(NodeNote(node: node, text, remedy: remedy)) }

    /// Says that something is asked for which is not done, however often it is asked for.
    mutating func refuse(_ node: String?, _ text: String, _ remedy: String?) {
        var refusal = NodeNote(node: node, text, remedy: remedy)
        refusal.isRefusal = true
        note(refusal)
    }

    private mutating func note(_ note: NodeNote) {
        if !pending.contains(note) { pending.append(note) }
    }

    // MARK: The cluster

    /// Where the cluster's data are: what runs counts before what the number of servers would ask for, since k3s cannot go back.
    var datastore: Datastore {
        let holdsEtcd = desired.servers.contains { facts($0)?.k3s.datastore == .etcd }
        return desired.k3s.datastore ?? (holdsEtcd ? .etcd : desired.datastore)
    }

    var quorum: Quorum { cluster.quorum }
}

extension Phase {
    init(_ kind: Kind, concurrency: Int = 1, _ tasks: [(node: String, steps: [PlannedStep])]) {
        self.init(
            kind, concurrency: concurrency, tasks: tasks.filter { !$0.steps.isEmpty }.map { NodeTask(node: $0.node, steps: $0.steps) })
    }
}
