internal import Diagnostics
package import NodeInventory
internal import NodePlanning

/// Renews k3s' certificates (docs.k3s.io/cli/certificate, `k3s certificate rotate`) on nodes: servers first, one at a time; k3s stops,
/// renews, starts, and has to be Ready and to vote before the next.
///
/// The renewal takes away the certificate by which an agent that has joined is known to the servers. The token it joined with is long
/// gone, so it gets one of its own for the start, which is deleted afterwards.
package struct CertificateRotation: Sendable {
    private let machines: Machines

    package init(machines: Machines) { self.machines = machines }

    /// - Throws: `Diagnostics` when a node cannot be reached or another run works there; `Diagnostic` when a restart is refused or a step fails.
    package func run(_ nodes: [NodeSpec]) async throws {
        // Agents come back with tokens that the first server makes.
        let leader = machines.spec.servers.first.flatMap { leader in
            nodes.contains { $0.role == .agent && $0.name != leader.name } && !nodes.contains { $0.name == leader.name } ? leader : nil
        }
        let touched = nodes + [leader].compactMap { $0 }
        try await machines.with(touched, besides: machines.spec.servers) { hosts in
            try await machines.holding(touched, hosts) { try await run(nodes, hosts, RestartGate(machines, hosts: hosts)) }
        }
    }

    /// The order itself, over connections that are there.
    func run(_ nodes: [NodeSpec], _ hosts: [String: any Host], _ gate: RestartGate) async throws {
        for node in nodes where node.role == .server {
            guard let host = hosts[node.name] else { continue }
            try await machines.waitingStep(Self.title, host) { tell in
                try await gate.open(for: node, tell: tell)
                try await renew(node, host, tell)
            }
            try await gate.awaitReturn(of: node, via: node)
        }
        guard let first = machines.spec.servers.first, let leader = hosts[first.name] else { return }
        for node in nodes where node.role == .agent {
            guard let host = hosts[node.name] else { continue }
            try await machines.waitingStep(Self.title, host) { try await renew(agent: node, host, leader, $0) }
            try await gate.awaitReturn(of: node, via: first)
        }
    }

    private static let title = "renew its certificates"

    private func renew(agent node: NodeSpec, _ host: any Host, _ leader: any Host, _ tell: (String) -> Void) async throws {
        let made = try await leader.run(Step.tokenCommand(minutes: 30, description: "homelab: \(node.name) renews its certificates"))
        guard made.succeeded, let line = made.output.split(whereSeparator: \.isNewline).last(where: { $0.contains(".") }) else {
            throw Diagnostic(
                .error, "no token could be made for it to come back with", subject: "node \"\(node.name)\"", cause: made.complaint,
                remedy: "its certificates are as before; put right what \(leader.name) says, then run again")
        }
        let token = Secret(String(line).trimmed)
        machines.recorder.conceal(token)
        for command in try Step.writeToken(.serverToken(of: leader.name)).commands(inputs: StepInputs(token: token)) {
            let written = try await host.run(command)
            guard written.succeeded else {
                throw Diagnostic(
                    .error, "its token could not be written", subject: "node \"\(node.name)\"", cause: written.complaint,
                    remedy: "its certificates are as before; put right what the node says, then run again")
            }
        }
        try await renew(node, host, tell)
        // One that is not deleted expires by itself.
        for command in try Step.revokeToken(id: StepRunner.tokenID(in: token.revealed), node: node.name, via: leader.name)
            .commands(inputs: StepInputs())
        {
            _ = try await leader.run(command)
        }
    }

    private func renew(_ node: NodeSpec, _ host: any Host, _ tell: (String) -> Void) async throws {
        // Whatever the renewal says, k3s is started again: a node that stays down is worse than an old certificate.
        let script = """
            \(InitSystem.command(.stop, node.role.unit)) || exit
            \(NodeLayout.k3s) certificate rotate 2>&1; status=$?
            \(InitSystem.command(.start, node.role.unit))
            exit $status
            """
        let result = try await host.run(RemoteCommand(["sh", "-c", script]))
        machines.recorder.log(node.name, result.output)
        try await machines.awaitRunning(node, host, since: nil, tell: tell)
        guard result.succeeded else {
            throw Diagnostic(
                .error, "k3s did not renew its certificates", subject: "node \"\(node.name)\"", cause: result.complaint,
                remedy: "k3s runs again as before; put right what it says, then run again")
        }
    }
}
