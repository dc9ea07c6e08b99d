internal import NodeInventory

extension NodePlanner {
    /// The agents whose version git names: one server after the other, each with its own way back, so that a bad version stops at the
    /// first of them.
    mutating func homelabUpgrade() -> Phase {
        var tasks: [(node: String, steps: [PlannedStep])] = []
        let returned = planned(desired.servers).filter { wentBack($0.facts) }
        for (node, facts) in planned(desired.servers) where isSwitched(facts) {
            guard let architecture = facts.system.architecture else { continue }
            guard let sha256 = context.homelab[architecture] else {
                wait(
                    node.name,
                    "keeps its homelab agent: no sha256 of \(desired.agent.version ?? "the new one") for "
                        + "\(architecture.rawValue) is pinned", "`homelab lock` writes it; commit the lock file")
                continue
            }
            guard let reason = replacement(facts.agent.binary, by: sha256, version: desired.agent.version) else { continue }
            if let (first, facts) = returned.first {
                let told = first.name == node.name ? "went back to" : "keeps its homelab agent: \(first.name) went back to"
                wait(
                    node.name, "\(told) its earlier homelab agent: \(facts.agent.lastSwitch?.reason ?? "")",
                    "name another agent.version; to try this one again remove \(NodeLayout.agentSwitch) on \(first.name)")
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

    /// Whether this very version did not become ready on the server: then it is tried on no other one.
    private func wentBack(_ facts: NodeFacts) -> Bool {
        guard let last = facts.agent.lastSwitch, let architecture = facts.system.architecture else { return false }
        return last.result == .returned && last.sha256 == context.homelab[architecture]
    }

    /// Whether the agent of this server is replaced with a way back, not merely installed: git names its version, and it runs.
    func isSwitched(_ facts: NodeFacts) -> Bool {
        desired.agent.source != nil && facts.agent.binary != nil && facts.units[NodeLayout.agentUnit]?.active == "active"
    }
}
