package import Diagnostics
internal import NodeInventory
internal import NodePlanning

extension Machines {
    /// Gives the cluster a new server token: k3s makes it up itself, so it is on no command line; the other servers get it over stdin and
    /// restart one after the other. Agents keep running: they joined with tokens of their own.
    /// - Parameter keep: gets the old token before anything changes: snapshots from before can be restored with nothing else.
    package func rotateToken(keepingOld keep: (Secret) throws -> Void) async throws {
        try await with(spec.servers) { hosts, _ in
            guard let leader = spec.servers.first, let host = hosts[leader.name] else { return }
            let old = try await token(of: host)
            try keep(old)
            recorder.emit(.stepStarted(node: leader.name, step: "rotate the server token"))
            let start = ContinuousClock.now
            let rotated = try await host.run(RemoteCommand([NodeLayout.k3s, "token", "rotate"]))
            recorder.log(leader.name, rotated.output + rotated.errorOutput)
            let new = try await token(of: host)
            guard rotated.succeeded, new != old else {
                throw Diagnostic(
                    .error, "k3s did not rotate the token", subject: "node \"\(leader.name)\"", cause: recorder.scrub(rotated.complaint),
                    remedy: "the old token still holds; `k3s token rotate` needs k3s 1.28 or later")
            }
            recorder.emit(.stepDone(node: leader.name, step: "rotate the server token", elapsed: ContinuousClock.now - start))
            for server in spec.servers {
                guard let host = hosts[server.name] else { continue }
                recorder.emit(.stepStarted(node: server.name, step: "restart with the new token"))
                let start = ContinuousClock.now
                let written = try await host.run(
                    RemoteCommand(
                        ["sh", "-c", "umask 077; cat > \(NodeLayout.token) && systemctl --no-block restart \(server.role.unit)"],
                        input: .secret(Secret(new.revealed + "\n"))))
                guard written.succeeded else {
                    throw Diagnostic(
                        .error, "the new token could not be written", subject: "node \"\(server.name)\"", cause: written.complaint,
                        remedy: "put it right and run `homelab token rotate` again")
                }
                try await awaitRunning(server, host)
                recorder.emit(
                    .stepDone(node: server.name, step: "restart with the new token", elapsed: ContinuousClock.now - start))
            }
        }
    }

    private func token(of host: any Host) async throws -> Secret {
        guard let bytes = try await host.read(NodeLayout.serverToken) else {
            throw Diagnostic(
                .error, "it has no server token", subject: "node \"\(host.name)\"", remedy: "`homelab bootstrap` makes it a server first")
        }
        let token = Secret(String(decoding: bytes, as: UTF8.self).trimmingLineBreaks)
        recorder.conceal(token)
        return token
    }
}
