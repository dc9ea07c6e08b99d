internal import Cryptography
internal import Diagnostics
internal import NodeInventory
internal import NodePlanning

extension StepRunner {
    func writeToken(_ source: TokenSource, _ step: Step, on host: any Host) async throws {
        let token: Secret
        switch source {
        case .generated:
            // A token that was written before the interruption may have been used already: it stays.
            let kept = try await host.read(NodeLayout.token).map { String(decoding: $0, as: UTF8.self).trimmingLineBreaks } ?? ""
            token = Secret(kept.isEmpty ? SecureRandom.hex(bytes: 16) : kept)
        case .serverToken(let server):
            token = try await readToken(NodeLayout.serverToken, from: tokenServer(server), server: server)
        case .bootstrapToken(let via, let minutes):
            token = try await bootstrapToken(for: host.name, via: via, minutes: minutes, step)
        }
        recorder.conceal(token)
        try await runCommands(of: step, StepInputs(token: token), on: host)
    }

    private func tokenServer(_ name: String) throws -> any Host { try host(name, for: "read the cluster's token") }

    /// A token for this one node that expires by itself. While the server's API is away it is asked for again: only where k3s knows no
    /// such tokens the agents' own one is used, which joins any machine and does not expire.
    private func bootstrapToken(for node: String, via: String, minutes: Int, _ step: Step) async throws -> Secret {
        let server = try tokenServer(via)
        let deadline = ContinuousClock.now + limits.api
        while true {
            let began = ContinuousClock.now
            let made = try await server.run(Step.tokenCommand(minutes: minutes, description: TokenSource.description(of: node)))
            if made.succeeded, let line = made.output.split(whereSeparator: \.isNewline).last(where: { $0.contains(".") }) {
                let text = String(line).trimmed
                if let id = Self.tokenID(in: text) { state.update { $0.tokenIDs[node] = id } }
                return Secret(text)
            }
            if Self.knowsNoTokens(made.errorOutput) { return try await agentToken(for: node, server, made) }
            guard Self.isAway(made.errorOutput), .now < deadline else {
                throw failure("cannot make a token for \(node) to join with", made, on: server)
            }
            detail(server, step, "the API of \(via) does not answer: \(made.complaint)")
            try await limits.pause(since: began)
        }
    }

    /// How an older k3s, which has no such command, refuses it.
    static func knowsNoTokens(_ errors: String) -> Bool {
        ["unknown command", "No help topic for", "not a recognized command"].contains { errors.contains($0) }
    }

    private func agentToken(for node: String, _ server: any Host, _ made: CommandResult) async throws -> Secret {
        recorder.emit(
            .note(node: node, text: "the k3s of \(server.name) makes no tokens that expire; the agents' own one is used instead"))
        for path in ["/var/lib/rancher/k3s/server/agent-token", "/var/lib/rancher/k3s/server/node-token"] {
            if let bytes = try await server.read(path) {
                let text = String(decoding: bytes, as: UTF8.self).trimmingLineBreaks
                if !text.isEmpty { return Secret(text) }
            }
        }
        throw failure("cannot make a token for \(node) to join with", made, on: server)
    }

    private func readToken(_ path: String, from host: any Host, server: String) async throws -> Secret {
        let text = try await host.read(path).map { String(decoding: $0, as: UTF8.self).trimmingLineBreaks } ?? ""
        guard !text.isEmpty else {
            throw Diagnostic(
                .error, "the cluster's token is missing", subject: "node \"\(server)\"", cause: "there is nothing in \(path)",
                remedy: "Wait until k3s is ready on it (`homelab doctor` tells), then run again.")
        }
        return Secret(text)
    }

    /// A token that cannot be deleted expires by itself, so that is no failure of the join.
    func revokeToken(_ id: String?, node: String, via: String, on host: any Host) async throws {
        guard let id = id ?? state.now.tokenIDs[node] else { return }
        let server = try self.host(via, for: "revoke the join token")
        for command in try Step.revokeToken(id: id, node: node, via: via).commands(inputs: StepInputs()) {
            let result = try await run(command, on: server)
            if !result.succeeded {
                recorder.log(node, "the join token \(id) was not deleted (\(result.complaint)); it expires by itself")
            }
        }
    }

    /// The public part of `K10<hash>::<id>.<secret>` or `<id>.<secret>`.
    static func tokenID(in token: String) -> String? {
        let credentials = token.split(separator: ":").last.map(String.init) ?? token
        let parts = credentials.split(separator: ".")
        guard parts.count == 2, parts[0].count == 6, parts[1].count == 16 else { return nil }
        return String(parts[0])
    }
}

extension String {
    /// Without blanks and line breaks at either end.
    var trimmed: String {
        var text = self[...]
        while let first = text.first, first.isWhitespace { text = text.dropFirst() }
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return String(text)
    }
}
