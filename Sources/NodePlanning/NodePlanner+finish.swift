internal import NodeInventory

/// Putting the plan together.
extension NodePlanner {
    /// Moves what would be done to paused nodes to what is pending, leaves out what was not chosen and empty phases, and says of each
    /// remaining node why nothing is done.
    mutating func finished(_ phases: [Phase?]) -> NodePlan {
        let paused = Set(desired.nodes.filter(isPaused).map(\.name))
        var plan = NodePlan(cluster: desired.name)
        var waiting: [String: [String]] = [:]
        for phase in phases.compactMap({ $0 }) {
            var kept = phase
            kept.tasks = []
            for var task in phase.tasks {
                if paused.contains(task.node) {
                    waiting[task.node, default: []] += task.steps.filter { !isDone($0.step, on: task.node) }.map(\.step.summary)
                    task.steps.removeAll { !isDone($0.step, on: task.node) }
                }
                if !task.steps.isEmpty { kept.tasks.append(task) }
            }
            if !kept.tasks.isEmpty { plan.phases.append(kept) }
        }
        if !context.only.isEmpty {
            let known = desired.nodes.filter { isMemberOrJoins($0.name) || $0.state == .absent }.map(\.name)
            let doors = desired.nodes.map { node in
                (node.name, addresses[node.name].isEmpty ? [node.address] : Set(addresses[node.name].map(\.description)))
            }
            plan = plan.limited(
                to: context.only, known: context.only.intersection(known), addresses: Dictionary(doors) { known, _ in known })
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
            } else if isLeftOut(node) {
                plan.unchanged.append(NodeNote(node: node.name, "is not among the nodes that were chosen"))
            } else if observed[node.name] != nil {
                plan.unchanged.append(NodeNote(node: node.name, "is as the inventory says"))
            }
        }
        return plan
    }

    private func isMemberOrJoins(_ node: String) -> Bool { joining.contains(node) || cluster.node(named: node) != nil }

    /// On a paused server the cluster can still be spoken with about others, and its data be saved: neither changes the machine.
    private func isDone(_ step: Step, on paused: String) -> Bool {
        if case .saveSnapshot = step { return !desired.paused }
        guard let subject = step.subjectNode.flatMap({ desired.node(named: $0) }) else { return false }
        return subject.name != paused && !isPaused(subject)
    }
}
