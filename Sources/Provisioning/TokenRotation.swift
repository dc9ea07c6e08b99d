package import Diagnostics
internal import NodeInventory
internal import NodePlanning
internal import YAML

/// Gives the cluster a new server token (docs.k3s.io/cli/token, `k3s token rotate`): k3s makes it up itself, so it is on no command line.
/// The first server and the datastore have it at once; the others get it over stdin, and each restarts with it after the one before votes
/// again. Agents keep running: they joined with tokens of their own.
///
/// An interrupted rotation leaves servers whose file has another token than the first one's k3s: they could not start again, so a
/// further call gives them that one before anything else.
package struct TokenRotation: Sendable {
    package enum Outcome: Hashable, Sendable {
        case rotated
        /// An earlier rotation was finished, and nothing rotated anew.
        case finishedEarlier
    }

    private let machines: Machines
    private let keep: @Sendable (Secret) throws -> Void

    /// - Parameter keep: gets the old token before anything changes: snapshots from before can be restored with nothing else.
    package init(machines: Machines, keepingOld keep: @escaping @Sendable (Secret) throws -> Void) {
        self.machines = machines
        self.keep = keep
    }

    /// - Throws: `Diagnostics` when a server cannot be reached or another run works there; `Diagnostic` when a restart is refused or a step fails.
    package func run() async throws -> Outcome {
        try await machines.with(machines.spec.servers) { hosts, _ in
            try await machines.holding(machines.spec.servers, hosts) {
                try await run(hosts, RestartGate(machines, hosts: hosts))
            }
        }
    }

    /// The order itself, over connections that are there.
    func run(_ hosts: [String: any Host], _ gate: RestartGate) async throws -> Outcome {
        let servers = machines.spec.servers.compactMap { server in hosts[server.name].map { (server, $0) } }
        guard let (first, leader) = servers.first else { return .rotated }
        try await demandOwnTokenFile(on: servers)
        let token = try await serverToken(of: leader)
        let files = await parallel(servers, limit: 16) { _, host in
            (try? await host.read(NodeLayout.token)).map { $0.map(Self.text) ?? "" } ?? ""
        }
        let behind = zip(servers, files).filter { _, file in
            !file.isEmpty && Self.password(file) != Self.password(token.revealed)
        }.map(\.0)
        if !behind.isEmpty {
            for (server, host) in behind { try await give(token, to: server, host, gate) }
            return .finishedEarlier
        }
        // Once it is rotated every server has to be restarted.
        if servers.count > 1 {
            try await machines.waitingStep("see that etcd can spare a server", leader) { try await gate.open(for: first, tell: $0) }
        }
        try keep(token)
        let new = try await rotate(token, on: leader)
        for (server, host) in servers { try await give(new, to: server, host, gate) }
        return .rotated
    }

    /// A k3s that was given its token elsewhere would start with the old one, which nothing takes any more.
    /// - Throws: `Diagnostics` naming each server that does not read the file where the new token will be.
    private func demandOwnTokenFile(on servers: [(NodeSpec, any Host)]) async throws {
        let (given, unread) = try await machines.look(
            at: servers.map(\.0), Dictionary(uniqueKeysWithValues: servers.map { ($0.name, $1) }), Diagnostics()
        ) {
            ($0, try await Adoption.reading(of: $1).settings.merged)
        }
        var problems = unread
        for (server, settings) in given {
            let isElsewhere = ["token", "cluster-secret"].contains { settings[$0]?.scalarText?.isEmpty == false }
            guard isElsewhere || settings["token-file"]?.scalarText != NodeLayout.token else { continue }
            problems.append(
                Diagnostic(
                    .error, "its k3s is not given its token by \(NodeLayout.token), where the new one will be",
                    subject: "node \"\(server.name)\"",
                    remedy:
                        "nothing was done; if it was installed by hand, take `paused` out of the inventory and run `homelab bootstrap`; "
                        + "else take the token out of its unit, the file of variables that names (k3s.service.env, k3s.env) and config.yaml.d"
                ))
        }
        try problems.throwIfErrors()
    }

    private func rotate(_ old: Secret, on leader: any Host) async throws -> Secret {
        try await machines.step("rotate the server token", leader) {
            let rotated = try await leader.run(RemoteCommand([NodeLayout.k3s, "token", "rotate"]))
            machines.recorder.log(leader.name, rotated.output + rotated.errorOutput)
            let new = try await serverToken(of: leader)
            guard rotated.succeeded, new != old else {
                throw Diagnostic(
                    .error, "k3s did not rotate the token", subject: "node \"\(leader.name)\"",
                    cause: machines.recorder.scrub(rotated.complaint),
                    remedy: "the old token still holds; `k3s token rotate` needs k3s 1.28 or later, and a server that is ready")
            }
            return new
        }
    }

    private func give(_ token: Secret, to server: NodeSpec, _ host: any Host, _ gate: RestartGate) async throws {
        try await machines.waitingStep("restart with the new token", host) { tell in
            try await gate.open(for: server, tell: tell)
            let before = try await machines.invocation(of: server, host)
            let written = try await host.run(
                RemoteCommand(
                    ["sh", "-c", "\(RemoteCommand.storing(token)) && \(InitSystem.command(.restart, server.role.unit))"],
                    input: .secret(Secret(token.revealed + "\n"))))
            guard written.succeeded else {
                throw Diagnostic(
                    .error, "the new token could not be written", subject: "node \"\(server.name)\"", cause: written.complaint,
                    remedy: "put it right and run `homelab token rotate` again: it goes on from here")
            }
            try await machines.awaitRunning(server, host, since: before, tell: tell)
        }
        try await gate.awaitReturn(of: server, via: server)
    }

    private func serverToken(of host: any Host) async throws -> Secret {
        guard let bytes = try await host.read(NodeLayout.serverToken) else {
            throw Diagnostic(
                .error, "it has no server token", subject: "node \"\(host.name)\"", remedy: "`homelab bootstrap` makes it a server first")
        }
        let token = Secret(Self.text(bytes))
        machines.recorder.conceal(token)
        return token
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).trimmingLineBreaks }

    /// `K10<hash>::server:<password>`, or the short form that the first server was made with.
    private static func password(_ token: String) -> Substring { token.split(separator: ":").last ?? "" }
}

extension RemoteCommand {
    /// Shell text that puts a token and its line's end, from standard input, in its place; a connection that ends in the middle changes
    /// nothing, and what comes after in the script is not done.
    static func storing(_ token: Secret) -> String {
        let (file, size) = (NodeLayout.token, token.revealed.utf8.count + 1)
        return "umask 077; cat >\(file).new; [ \"$(wc -c <\(file).new)\" -eq \(size) ] || exit 1; mv -f \(file).new \(file)"
    }
}
