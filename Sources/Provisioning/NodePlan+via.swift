package import NodePlanning

extension NodePlan {
    /// The same plan with every step that goes through a server going through this one: the agent acts through the server it runs on.
    package func acting(through server: String) -> NodePlan {
        var plan = self
        for phase in plan.phases.indices {
            for task in plan.phases[phase].tasks.indices {
                for step in plan.phases[phase].tasks[task].steps.indices {
                    plan.phases[phase].tasks[task].steps[step].step.act(through: server)
                }
                if let moved = plan.phases[phase].tasks[task].movedTo(server) { plan.phases[phase].tasks[task].node = moved }
            }
        }
        return plan
    }
}

extension Step {
    fileprivate mutating func act(through server: String) {
        switch self {
        case .writeToken(.serverToken): self = .writeToken(.serverToken(of: server))
        case .writeToken(.bootstrapToken(_, let minutes)): self = .writeToken(.bootstrapToken(via: server, minutes: minutes))
        case .awaitNode(let name, _, let voting): self = .awaitNode(name: name, via: server, votingMember: voting)
        case .revokeToken(let id, let node, _): self = .revokeToken(id: id, node: node, via: server)
        case .updateNode(let change, _): self = .updateNode(change, via: server)
        default: break
        }
    }
}

extension NodeTask {
    /// A task that consists of nothing but changes to Node objects runs on the server it goes through.
    fileprivate func movedTo(_ server: String) -> String? {
        let isMetadata = steps.allSatisfy { if case .updateNode = $0.step { true } else { false } }
        return isMetadata && !steps.isEmpty ? server : nil
    }
}
