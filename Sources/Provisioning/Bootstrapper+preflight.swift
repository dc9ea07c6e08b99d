package import Diagnostics
internal import NodeInventory
internal import NodePlanning

/// What `homelab preflight` found.
package struct PreflightReport: Sendable {
    package var observation: ProvisioningObservation
    /// Of all machines, of the ways between them and of the cluster, together.
    package var findings: Diagnostics
}

extension Bootstrapper {
    /// Every check there is, none of which changes a machine: each machine by itself, the ways between them, the cluster that runs.
    /// - Parameter triesWays: leave the probes between the machines out when false.
    package func preflight(triesWays: Bool) async throws -> PreflightReport {
        let observation = try await observe()
        do {
            let findings = try await findings(observation, triesWays: triesWays)
            await observation.nodes.close()
            return PreflightReport(observation: observation, findings: findings)
        } catch {
            await shielded { await observation.nodes.close() }
            throw error
        }
    }

    private func findings(_ observation: ProvisioningObservation, triesWays: Bool) async throws -> Diagnostics {
        let nodes = observation.nodes
        var findings = observation.findings
        let present = spec.nodes.filter { $0.state == .present && nodes.hosts[$0.name] != nil }
        let closer = await parallel(present, limit: 20) { node -> [Diagnostic] in
            guard let host = nodes.hosts[node.name], let facts = nodes.observed[node.name]?.facts else { return [] }
            let output = (try? await host.run(HostChecks.command(spec, node).asLook))?.output ?? ""
            return HostChecks.findings(node, output: output, isInstalled: facts.installedRole != nil)
        }
        for finding in closer.flatMap({ $0 }) { findings.append(finding) }
        try Task.checkCancellation()
        if triesWays {
            let survey = ReachSurvey(spec: spec, binaries: artifacts.homelabBinaries, recorder: recorder)
            findings.append(contentsOf: await survey.findings(nodes))
            try Task.checkCancellation()
        }
        let survey = ClusterSurvey(spec: spec, recorder: recorder)
        findings.append(contentsOf: try await survey.findings(nodes, strangers: observation.cluster.membersWithoutNode))
        return findings
    }
}
