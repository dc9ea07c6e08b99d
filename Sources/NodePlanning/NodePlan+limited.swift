extension NodePlan {
    /// Only what is done to these nodes, and what the others need for it: steps about them that run elsewhere, the keys and doors of
    /// theirs, a snapshot before what takes one, and the wait for a server that has to be well before another joins. An empty set leaves
    /// the plan as it is.
    /// - Parameters:
    ///   - known: those of them that the other machines have to know or forget: who joins, is in the cluster or leaves it; nil: all.
    ///   - addresses: all of each node, of both families, by its name: what firewalls know it by.
    package func limited(to nodes: Set<String>, known: Set<String>? = nil, addresses: [String: Set<String>] = [:]) -> NodePlan {
        if nodes.isEmpty { return self }
        let known = known ?? nodes
        let own = Set(known.flatMap { addresses[$0] ?? [] })
        var limited = self
        limited.phases = phases.compactMap { phase in
            var phase = phase
            phase.tasks = phase.tasks.compactMap { task in
                if phase.kind == .snapshot || phase.kind != .agents && phase.isWait(task) { return task }
                var task = task
                task.steps = task.steps.compactMap { planned in
                    if nodes.contains(planned.step.subjectNode ?? task.node) { return planned }
                    return planned.step.part(about: known, own).map { PlannedStep($0, planned.reason) }
                }
                return task.steps.isEmpty ? nil : task
            }
            return phase.tasks.isEmpty ? nil : phase
        }
        limited.dropNeedless(nodes)
        return limited
    }

    /// Waits and snapshots of the whole plan that nothing of its part comes after.
    private mutating func dropNeedless(_ nodes: Set<String>) {
        let isJoining = phases.contains { phase in
            [.servers, .agents].contains(phase.kind) && phase.tasks.contains { !phase.isWait($0) }
        }
        let takesSnapshot = phases.contains { phase in
            phase.kind == .serverUpgrade
                || phase.tasks.contains { $0.steps.contains { if case .removeMember = $0.step { true } else { false } } }
        }
        phases = phases.compactMap { phase in
            if phase.kind == .snapshot { return takesSnapshot ? phase : nil }
            var phase = phase
            phase.tasks = phase.tasks.filter { isJoining || nodes.contains($0.node) || !phase.isWait($0) }
            return phase.tasks.isEmpty ? nil : phase
        }
    }
}

extension Phase {
    /// Nothing but waiting for a machine that is on its way, before others follow.
    package func isWait(_ task: NodeTask) -> Bool {
        guard [.firstServer, .servers, .agents].contains(kind) else { return false }
        return task.steps.allSatisfy { planned in
            switch planned.step {
            case .awaitK3s, .awaitNode: true
            default: false
            }
        }
    }
}

extension Step {
    /// What of a step on another machine is about these nodes; nil for nothing.
    fileprivate func part(about nodes: Set<String>, _ addresses: Set<String>) -> Step? {
        switch self {
        case .authorizeKeys(let keys, let user, let home):
            let theirs = keys.filter { nodes.contains($0.node) }
            return theirs.isEmpty ? nil : .authorizeKeys(theirs, user: user, home: home)
        case .revokeKeys(let comments, let user, let home):
            let theirs = comments.filter { comment in nodes.contains { comment.hasSuffix("/" + $0) } }
            return theirs.isEmpty ? nil : .revokeKeys(comments: theirs, user: user, home: home)
        case .openFirewall(var rules):
            rules.sources.removeAll { !addresses.contains($0) }
            rules.ports = []
            return rules.isEmpty ? nil : .openFirewall(rules)
        case .closeFirewall(var rules):
            rules.sources.removeAll { !addresses.contains($0) }
            return rules.isEmpty ? nil : .closeFirewall(rules)
        default: return nil
        }
    }
}
