internal import Cryptography
internal import Diagnostics
internal import FileSystem
internal import NodeInventory
internal import NodePlanning

/// Puts a cluster back to a snapshot, in the order k3s documents (docs.k3s.io/cli/etcd-snapshot, "Restoring"): all servers stop, the first
/// one begins anew from the file, then the others forget their data and join it one after the other.
package struct SnapshotRestore: Sendable {
    private let machines: Machines
    private let file: String
    private let token: Secret
    private let sha256: String
    private static let destination = "/tmp/homelab-restore"

    /// - Parameter file: a copy as `saveSnapshot` keeps it, with `<file>.token` beside it.
    /// - Throws: `Diagnostic` when one of the two cannot be read, or the data is not in etcd.
    package init(_ machines: Machines, file: String) throws {
        try machines.requireEtcd()
        self.machines = machines
        self.file = file
        do {
            sha256 = try SHA256.hex(ofFile: file)
            token = Secret(try Files.readText(file + ".token", limit: 1 << 16).trimmingLineBreaks)
        } catch {
            throw Diagnostic(
                .error, "the snapshot and its token have to lie side by side", subject: file, cause: "\(error)",
                remedy: "give a file that `homelab snapshot save` wrote; its token is in \(file).token")
        }
        machines.recorder.conceal(token)
    }

    /// Takes minutes. What fails leaves the servers stopped, and a further run begins again.
    package func run() async throws {
        try await machines.with(machines.spec.servers) { hosts, _ in try await run(hosts) }
    }

    /// The order itself, over connections that are there.
    func run(_ hosts: [String: any Host]) async throws {
        let servers = machines.spec.servers
        guard let first = servers.first, let leader = hosts[first.name] else { return }
        try await machines.step("bring the snapshot to it", leader) {
            try await leader.upload(
                FileUpload(source: file, destination: Self.destination, mode: 0o600, sha256: sha256), progress: { _, _ in })
        }
        for server in servers {
            guard let host = hosts[server.name] else { continue }
            try await machines.step("stop k3s and the homelab agent", host) { try await must(Self.stop, host) }
        }
        try await machines.step("begin anew from the snapshot", leader) { try await reset(leader) }
        try await machines.step("start k3s", leader) { try await start(leader) }
        for server in servers.dropFirst() {
            guard let host = hosts[server.name] else { continue }
            try await machines.step("forget its data and join", host) {
                try await must(forget, host)
                try await start(host)
            }
            // The next may join only when this member votes: etcd takes one learner at a time.
            try await machines.step("wait until its member votes", leader) { try await awaitVoter(server.name, leader) }
        }
        for server in servers {
            guard let host = hosts[server.name] else { continue }
            _ = try await host.run(RemoteCommand(["sh", "-c", InitSystem.command(.start, NodeLayout.agentUnit)]))
        }
    }

    private static let stop = RemoteCommand([
        "sh", "-c",
        "\(InitSystem.command(.stop, NodeLayout.agentUnit)) 2>/dev/null; \(InitSystem.command(.stop, NodeRole.server.unit))",
    ])

    /// A server joins with the token of the snapshot's time, whatever it had since.
    private var forget: RemoteCommand {
        RemoteCommand(
            ["sh", "-c", "\(RemoteCommand.storing(token)) && rm -rf \(NodeLayout.dataDirectory)/server/db"],
            input: .secret(Secret(token.revealed + "\n")))
    }

    /// The token goes where config.yaml names it, so it is on no command line; a mark of an earlier reset would forbid this one.
    private func reset(_ host: any Host) async throws {
        let script = """
            set -e
            \(RemoteCommand.storing(token))
            install -m 600 -o root \(Self.destination) \(NodeLayout.dataDirectory)/server/db/homelab-restore
            rm -f \(NodeLayout.dataDirectory)/server/db/reset-flag \(Self.destination)
            status=0
            timeout 600 \(NodeLayout.k3s) server --cluster-reset \
            --cluster-reset-restore-path=\(NodeLayout.dataDirectory)/server/db/homelab-restore >/run/homelab-restore.log 2>&1 || status=$?
            rm -f \(NodeLayout.dataDirectory)/server/db/homelab-restore
            grep -q 'membership has been reset' /run/homelab-restore.log || { tail -n 5 /run/homelab-restore.log >&2; exit 1; }
            exit 0
            """
        try await must(RemoteCommand(["sh", "-c", script], input: .secret(Secret(token.revealed + "\n"))), host)
    }

    private func start(_ host: any Host) async throws {
        try await must(RemoteCommand(["sh", "-c", InitSystem.command(.start, NodeRole.server.unit)]), host)
        try await wait("its API", on: host, limit: .seconds(300)) { try await host.run(Machines.readyz).succeeded }
    }

    private func awaitVoter(_ name: String, _ host: any Host) async throws {
        try await wait("the vote of \(name)", on: host, limit: .seconds(300)) {
            let answer = try await host.run(NodeStatus.command(name))
            guard answer.succeeded, let status = try NodeStatus(json: answer.output) else { return false }
            return status.isReady && status.isVotingMember == true
        }
    }

    private func wait(_ what: String, on host: any Host, limit: Duration, _ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + limit
        while true {
            if try await condition() { return }
            if .now >= deadline {
                throw Diagnostic(
                    .error, "\(what) is not there after \(limit.inSeconds)", subject: "node \"\(host.name)\"",
                    remedy: "`homelab doctor \(host.name)` says why; the restore can be run again")
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    private func must(_ command: RemoteCommand, _ host: any Host) async throws {
        let result = try await host.run(command)
        machines.recorder.log(host.name, result.output + result.errorOutput)
        guard result.succeeded else {
            throw Diagnostic(
                .error, "the restore stopped here", subject: "node \"\(host.name)\"", cause: machines.recorder.scrub(result.complaint),
                remedy: "put right what the node says, then run the same command again: it begins anew")
        }
    }
}
