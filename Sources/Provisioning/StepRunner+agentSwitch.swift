internal import Diagnostics
internal import NodePlanning

extension StepRunner {
    /// Starts the node's own switch to a new agent and waits for what it says. A run that is ended by this very switch (the acting agent
    /// upgrades itself) is taken up by the agent that comes after it.
    func switchAgent(_ change: AgentSwitch, _ step: Step, on host: any Host) async throws {
        try await runCommands(of: step, StepInputs(), on: host)
        let deadline = ContinuousClock.now + .seconds(change.timeout) + limits.agent
        while true {
            if let text = try await host.read(NodeLayout.agentSwitch).map({ String(decoding: $0, as: UTF8.self) }),
                let outcome = AgentSwitchOutcome(text: text), outcome.sha256 == change.artifact.sha256
            {
                if outcome.result == .done { return }
                let log = await words(of: host).log(NodeLayout.agentUnit)
                throw Diagnostic(
                    .error, "the new homelab agent did not become ready, and the one from before runs again",
                    subject: "node \"\(host.name)\"", cause: recorder.scrub(outcome.reason),
                    remedy: "Look at all it said (\(log) on the node), then name another agent.version.")
            }
            detail(host, step, "waits until the new agent is ready")
            guard .now < deadline else {
                throw Diagnostic(
                    .error, "the switch to the new homelab agent does not end", subject: "node \"\(host.name)\"",
                    remedy: "Look at it there: \(await words(of: host).log("homelab-agent-switch")).")
            }
            try await Task.sleep(for: limits.poll)
        }
    }

    /// How the machine's init system is spoken to; one that cannot be asked is taken for the usual.
    private func words(of host: any Host) async -> ServiceWords {
        let isSystemd = try? await host.run(RemoteCommand(["sh", "-c", InitSystem.isSystemd], asRoot: false)).succeeded
        return ServiceWords(usesOpenRC: isSystemd == false)
    }
}
