internal import NodeInventory

/// How far the agent carries out a plan by itself: which changes now, which later and why, which never without a person.
///
/// A pure function of the plan, of what was seen and remembered, and of the time, so that every answer can be tested and explained.
package struct NodeAdmission: Hashable, Sendable {
    package enum Verdict: Hashable, Sendable {
        case admitted
        /// Comes by itself, or after what is named; `until` in seconds since 1970 where the moment is known.
        case waiting(reason: String, remedy: String? = nil, until: Int64? = nil)
        /// Needs `homelab approve` with the plan's hash.
        case unapproved
        /// A failure stopped the plan.
        case frozen(reason: String)
        /// Somebody has to put something right first.
        case refused(reason: String, remedy: String?)
    }

    /// Who does what interrupts the node that the acting agent runs on.
    package enum OwnTurn: Hashable, Sendable {
        /// Nothing is left but that, and the agent of another server does it.
        case handOver
        /// There is no other server: a process beside the agent does it.
        case alone
    }

    package struct Item: Hashable, Sendable {
        package var change: NodeChange
        package var verdict: Verdict
    }

    /// In the plan's order.
    package private(set) var items: [Item] = []
    /// What is carried out now; never a server's interruption together with one of the node this agent runs on.
    package private(set) var plan: NodePlan
    package private(set) var admitted: Set<NodeChange> = []
    package private(set) var ownTurn: OwnTurn?
    /// Why each other node that differs from the inventory is left alone.
    package private(set) var pending: [NodeNote] = []
    package let hash: String

    package init(_ changes: PlanChanges, _ circumstances: Circumstances) {
        hash = changes.hash
        plan = changes.plan
        plan.phases = []
        pending =
            circumstances.obstacles
            + changes.plan.pending.filter { note in
                !circumstances.obstacles.contains { $0.node != nil && $0.node == note.node }
            }
        if let reason = circumstances.cluster.unavailable {
            // Without the API nobody can see what a step would do to the cluster.
            items = changes.changes.map {
                Item(
                    change: $0,
                    verdict: .refused(
                        reason: "the cluster's API does not answer: \(reason)", remedy: "`homelab recover` starts what is down"))
            }
            return
        }
        items = judged(changes.changes, circumstances)
        holdAgentsBack(circumstances)
        holdAgentFilesBack(changes)
        chooseOwnTurn(circumstances)
        plan = changes.limited(to: admitted)
    }

    /// When to look again because a change may begin then, in seconds since 1970.
    package var nextOpening: Int64? {
        items.compactMap { if case .waiting(_, _, let until) = $0.verdict { until } else { nil } }.min()
    }

    // MARK: One change

    private func judged(_ changes: [NodeChange], _ circumstances: Circumstances) -> [Item] {
        var removals = circumstances.memory.removed.count
        return changes.map { change in
            var verdict = circumstances.verdict(change)
            if verdict == .admitted, change.kind.isRemoval, !circumstances.memory.removed.contains(change.node) {
                if removals >= circumstances.desired.policy.removals {
                    verdict = .waiting(
                        reason: "one commit removes \(circumstances.desired.policy.removals) (policy.removals)",
                        remedy: "`homelab approve \(hash.prefix(12))`, or another commit to the inventory, lets it go on")
                }
                removals += 1
            }
            return Item(change: change, verdict: verdict)
        }
    }

    // MARK: Order

    /// No agent may be newer than a server, so while a server's upgrade waits the agents' wait as well.
    private mutating func holdAgentsBack(_ circumstances: Circumstances) {
        func isServer(_ item: Item) -> Bool { circumstances.desired.node(named: item.change.node)?.role == .server }
        let upgrades = items.filter { $0.change.kind == .upgrade }
        let own = upgrades.first { $0.change.node == circumstances.own && $0.verdict == .admitted }
        guard let server = upgrades.first(where: { isServer($0) && $0.verdict != .admitted }) ?? own else { return }
        for index in items.indices where items[index].change.kind == .upgrade && items[index].verdict == .admitted {
            let isAgent = !isServer(items[index])
            if isAgent { items[index].verdict = .waiting(reason: "the server \(server.change.node) comes first") }
        }
    }

    /// What the agents know of each other changes with the servers, and not before that may be done.
    private mutating func holdAgentFilesBack(_ changes: PlanChanges) {
        let server = items.first { $0.change.kind.changesServers && $0.verdict != .admitted }
        for item in items where item.change.kind == .agent && item.verdict == .admitted {
            if changes.makesRepository {
                refuse(
                    item.change, "the repository would begin anew on another server, and the agents would follow an empty one",
                    "`homelab bootstrap` does that, and says what to push to it")
            } else if let server {
                wait(item.change, "comes with: \(server.change.summary)")
            }
        }
    }

    private mutating func refuse(_ change: NodeChange, _ reason: String, _ remedy: String) {
        for index in items.indices where items[index].change == change {
            items[index].verdict = .refused(reason: reason, remedy: remedy)
        }
    }

    /// The node that the acting agent runs on comes last: first all others, then its own agent's restart or its own k3s.
    private mutating func chooseOwnTurn(_ circumstances: Circumstances) {
        let own = circumstances.own
        let ready = items.filter { $0.verdict == .admitted }.map(\.change)
        let others = ready.filter { $0.node != own || !$0.kind.interrupts && $0.kind != .agent }
        if !others.isEmpty {
            admitted = Set(others)
            for change in ready where !admitted.contains(change) { wait(change, "comes last: the acting agent runs there") }
            return
        }
        let interrupting = ready.filter(\.kind.interrupts)
        if interrupting.isEmpty {
            admitted = Set(ready)
        } else if circumstances.isOnlyServer {
            ownTurn = .alone
            admitted = Set(interrupting)
        } else if circumstances.successors.isEmpty {
            let others = circumstances.desired.servers.filter { $0.name != own }
            let words = others.map { circumstances.observed[$0.name]?.facts?.system.words ?? .systemd }
            let status = ServiceWords.either(words.map { $0.status(NodeLayout.agentUnit) })
            for change in interrupting {
                wait(
                    change, "the acting agent runs there, and no other server's agent is up to do it",
                    "see \(status) on the other servers")
            }
        } else {
            ownTurn = .handOver
            let names = circumstances.successors.sorted().joined(separator: " or ")
            for change in interrupting { wait(change, "the acting agent runs there: the one on \(names) does it") }
        }
    }

    private mutating func wait(_ change: NodeChange, _ reason: String, _ remedy: String? = nil) {
        for index in items.indices where items[index].change == change { items[index].verdict = .waiting(reason: reason, remedy: remedy) }
    }
}
