internal import NodeInventory

extension NodePlanner {
    /// The agents whose version git names: one server after the other, each with its own way back, so that a bad version stops at the
    /// first of them.
    mutating func homelabUpgrade() -> Phase {
        var tasks: [(node: String, steps: [PlannedStep])] = []
        for (node, facts) in planned(desired.servers) where isSwitched(facts) {
            guard let architecture = facts.system.architecture else { continue }
            guard let sha256 = context.homelab[architecture] else {
                wait(
                    node.name, "keeps its homelab agent: no sha256 of \(desired.agent.version ?? "the new one") for "
                        + "\(architecture.rawValue) is pinned", "`homelab lock` writes it; commit the lock file")
                continue
            }
            guard let reason = replacement(facts.agent.binary, by: sha256, version: desired.agent.version) else { continue }
            if let last = facts.agent.lastSwitch, last.result == .returned, last.sha256 == sha256 {
                wait(
                    node.name, "went back to its earlier homelab agent: \(last.reason)",
                    "name another agent.version; to try this one again remove \(NodeLayout.agentSwitch) there")
                continue
            }
            let artifact = Artifact(name: .homelab, architecture: architecture, sha256: sha256, path: NodeLayout.homelab)
            tasks.append(
                (
                    node.name,
                    [
                        PlannedStep(.uploadBinary(artifact), reason),
                        PlannedStep(.switchAgent(AgentSwitch(artifact: artifact, listen: desired.agent.listen)), reason),
                    ]
                ))
        }
        return Phase(.homelabUpgrade, tasks)
    }

    /// Whether the agent of this server is replaced with a way back, not merely installed: git names its version, and it runs.
    func isSwitched(_ facts: NodeFacts) -> Bool {
        desired.agent.source != nil && facts.agent.binary != nil && facts.units[NodeLayout.agentUnit]?.active == "active"
    }
}
