package import NodePlanning

extension NodePlan {
    /// The same plan with every step that goes through a server going through this one: the agent acts through the server it runs on.
    package func acting(through server: String) -> NodePlan {
        var plan = self
        for phase in plan.phases.indices {
            // The acting agent is ended by its own upgrade, so it comes last.
            if plan.phases[phase].kind == .homelabUpgrade {
                let tasks = plan.phases[phase].tasks
                plan.phases[phase].tasks = tasks.filter { $0.node != server } + tasks.filter { $0.node == server }
            }
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
        case .awaitNode(let name, _, let voting, let version):
            self = .awaitNode(name: name, via: server, votingMember: voting, version: version)
        case .revokeToken(let id, let node, _): self = .revokeToken(id: id, node: node, via: server)
        case .updateNode(let change, _): self = .updateNode(change, via: server)
        case .cordon(let node, let mark, _): self = .cordon(node: node, for: mark, via: server)
        case .drain(let request, _): self = .drain(request, via: server)
        case .uncordon(let node, _): self = .uncordon(node: node, via: server)
        case .awaitWorkloads(let node, _): self = .awaitWorkloads(node: node, via: server)
        case .removeMember(let node, _): self = .removeMember(node: node, via: server)
        case .deleteNode(let node, _): self = .deleteNode(node, via: server)
        default: break
        }
    }
}

extension NodeTask {
    /// A task that consists of nothing but changes to Node objects runs on the server it goes through.
    fileprivate func movedTo(_ server: String) -> String? {
        let isMetadata = steps.allSatisfy { planned in
            switch planned.step {
            case .updateNode, .uncordon, .removeMember, .deleteNode: true
            default: false
            }
        }
        return isMetadata && !steps.isEmpty ? server : nil
    }
}
