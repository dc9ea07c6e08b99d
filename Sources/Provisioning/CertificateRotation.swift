internal import Diagnostics
package import NodeInventory
internal import NodePlanning

/// Renews k3s' certificates (docs.k3s.io/cli/certificate, `k3s certificate rotate`) on nodes: servers first, one at a time; k3s stops,
/// renews, starts, and has to be ready before the next.
///
/// The renewal takes away the certificate by which an agent that has joined is known to the servers. The token it joined with is long
/// gone, so it gets one of its own for the start, which is deleted afterwards.
package struct CertificateRotation: Sendable {
    private let machines: Machines

    package init(machines: Machines) { self.machines = machines }

    package func run(_ nodes: [NodeSpec]) async throws {
        let agents = nodes.filter { $0.role == .agent }
        let servers = nodes.filter { $0.role == .server }
        let leader = machines.spec.servers.first
        let others = agents.isEmpty ? [] : [leader].compactMap { $0 }.filter { leader in !nodes.contains { $0.name == leader.name } }
        try await machines.with(nodes + others) { hosts, _ in
            for node in servers {
                guard let host = hosts[node.name] else { continue }
                try await machines.waitingStep(Self.title, host) { try await renew(node, host, $0) }
            }
            guard let leader = leader.flatMap({ hosts[$0.name] }) else { return }
            for node in agents {
                guard let host = hosts[node.name] else { continue }
                try await machines.waitingStep(Self.title, host) { try await renew(agent: node, host, leader, $0) }
            }
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
