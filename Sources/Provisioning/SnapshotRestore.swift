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
    /// Of the file on the first server.
    private let name: String

    /// - Parameter file: a copy as `saveSnapshot` keeps it, with `<file>.token` beside it.
    /// - Throws: `Diagnostic` when one of the two cannot be read or is damaged.
    package init(_ machines: Machines, file: String) throws {
        self.machines = machines
        self.file = file
        do {
            sha256 = try SHA256.hex(ofFile: file)
            token = Secret(try Files.readText(file + ".token", limit: 1 << 16).trimmingLineBreaks)
            guard !token.revealed.isEmpty else { throw FileError(path: file + ".token", operation: "use", reason: "it is empty") }
        } catch {
            throw Diagnostic(
                .error, "the snapshot and its token have to lie side by side", subject: file, cause: "\(error)",
                remedy: "give a file that `homelab snapshot save` wrote; its token is in \(file).token")
        }
        try SnapshotFile(file).check()
        name = "homelab-restore" + (try SnapshotFile(file).ending)
        machines.recorder.conceal(token)
    }

    /// Takes minutes. What fails leaves the servers stopped, and a further run begins again; until the first one has begun anew all data are
    /// as they were.
    package func run() async throws {
        let servers = machines.spec.servers
        try await machines.with(servers, needsAll: false) { hosts, unreached in
            try Self.demandAll(unreached)
            // The Lease would go back with the data it is in.
            try await machines.holding(servers, hosts, keepsLease: false) {
                do { try await run(hosts) } catch {
                    if Task.isCancelled || error is HostError { tellWhereItStands() }
                    throw error
                }
            }
        }
    }

    /// A server that runs on with the data that the others have lost would be a second cluster.
    static func demandAll(_ unreached: Diagnostics) throws {
        guard unreached.hasErrors else { return }
        var problems = unreached
        problems.append(
            Diagnostic(
                .error, "nothing was done: a restore stops all servers first",
                remedy: "bring them back; for one that is gone for good write `state: absent`, then run again"))
        throw problems
    }

    /// The order itself, over connections that are there.
    func run(_ hosts: [String: any Host]) async throws {
        let servers = machines.spec.servers
        guard let first = servers.first, let leader = hosts[first.name] else { return }
        try await machines.requireEtcd(on: leader)
        var joining: [String: JoiningConfiguration] = [:]
        for server in servers {
            guard let host = hosts[server.name] else { continue }
            joining[server.name] = try await JoiningConfiguration(of: host, server, leader: first)
        }
        try await machines.step("bring the snapshot to it", leader) {
            try await leader.upload(
                FileUpload(source: file, destination: "/tmp/\(name)", mode: 0o600, sha256: sha256), progress: { _, _ in })
        }
        for server in servers {
            guard let host = hosts[server.name] else { continue }
            try await machines.step("stop k3s and the homelab agent", host) { try await must(Self.stop, host) }
        }
        try await machines.step("begin anew from the snapshot", leader) { try await reset(first, leader) }
        try await machines.waitingStep("start k3s", leader) { try await start(first, leader, $0) }
        for server in servers.dropFirst() {
            guard let host = hosts[server.name] else { continue }
            try await machines.waitingStep("forget its data and join", host) { tell in
                if let text = joining[server.name]?.text {
                    try await must(.writing(.secret(Secret(text)), to: NodeLayout.k3sConfig, mode: "0600"), host)
                    machines.recorder.emit(.note(node: server.name, text: "its config.yaml says that it joins \(first.name)"))
                }
                try await must(forget, host)
                try await start(server, host, tell)
            }
            // The next may join only when this member votes: etcd takes one learner at a time.
            try await machines.waitingStep("wait until its member votes", host) { try await awaitVoter(server, host, leader, $0) }
        }
        for server in servers {
            guard let host = hosts[server.name] else { continue }
            _ = try await host.run(RemoteCommand(["sh", "-c", InitSystem.command(.start, NodeLayout.agentUnit)]))
        }
    }

    private func tellWhereItStands() {
        let text =
            "until the restore has come to its end k3s may be stopped on the servers: run the same command again, which begins anew, or "
            + "`homelab recover`, which starts k3s with the data that are there"
        machines.recorder.emit(.note(node: nil, text: text))
    }

    private static let stop = RemoteCommand([
        "sh", "-c",
        "\(InitSystem.command(.stop, NodeLayout.agentUnit)) 2>/dev/null; \(InitSystem.command(.stop, NodeRole.server.unit))",
    ])

    /// A server joins with the token of the snapshot's time, whatever it had since. The folder may be a disk of its own or a link to one, and
    /// so may the one in it: what counts is that the member is gone. Copies are never taken away.
    private var forget: RemoteCommand {
        let script = """
            \(RemoteCommand.storing(token)) || exit
            cd \(NodeLayout.dataDirectory)/server/db 2>/dev/null || exit 0
            find . -mindepth 1 -maxdepth 1 ! -name snapshots -exec rm -rf {} +
            [ ! -e etcd/member ]
            """
        return RemoteCommand(["sh", "-c", NodeWork.alone(script)], input: .secret(Secret(token.revealed + "\n")))
    }

    /// The token goes where config.yaml names it, so it is on no command line; a mark of an earlier reset would forbid this one. A `server:`,
    /// which a first server has that once joined another one, would too: the empty flag counts more than all files and the environment. k3s
    /// wants its folder of snapshots to be there, and puts the data that were there aside before it reads the file: when it fails, they and
    /// their token come back into their places.
    private func reset(_ server: NodeSpec, _ host: any Host) async throws {
        let script = """
            set -e
            (umask 077; mkdir -p "$1")
            cd \(NodeLayout.dataDirectory)/server/db
            before=" $(echo etcd-old-*) "
            [ -e \(NodeLayout.token).before ] || [ ! -e \(NodeLayout.token) ] || cp -p \(NodeLayout.token) \(NodeLayout.token).before
            \(RemoteCommand.storing(token))
            install -m 600 -o root /tmp/\(name) \(name)
            rm -f reset-flag /tmp/\(name)
            timeout 600 \(NodeLayout.k3s) server --cluster-reset --server= \
            --cluster-reset-restore-path="$PWD/\(name)" >/run/homelab-restore.log 2>&1 || :
            rm -f \(name)
            if grep -q 'membership has been reset' /run/homelab-restore.log; then
            rm -f \(NodeLayout.token).before
            exit 0
            fi
            for old in etcd-old-*; do
            case "$before" in *" $old "*) continue ;; esac
            [ -d "$old" ] || continue
            [ ! -e etcd ] || rm -r etcd
            mv "$old" etcd
            done
            rm -f \(NodeLayout.token)
            [ ! -e \(NodeLayout.token).before ] || mv -f \(NodeLayout.token).before \(NodeLayout.token)
            tail -n 5 /run/homelab-restore.log >&2
            exit 1
            """
        try await must(
            RemoteCommand(
                ["sh", "-c", NodeWork.alone(script), "homelab", machines.spec.snapshotDirectory(of: server)],
                input: .secret(Secret(token.revealed + "\n"))), host,
            remedy:
                "All servers are stopped and have their data from before: `homelab recover` starts k3s again as it was, `homelab bootstrap` "
                + "the agents. Or put right what the node says and run the same command again: it begins anew.")
    }

    private func start(_ server: NodeSpec, _ host: any Host, _ tell: (String) -> Void) async throws {
        try await must(RemoteCommand(["sh", "-c", InitSystem.command(.start, NodeRole.server.unit)]), host)
        try await machines.awaitRunning(server, host, since: nil, tell: tell)
    }

    private func awaitVoter(_ server: NodeSpec, _ host: any Host, _ leader: any Host, _ tell: (String) -> Void) async throws {
        var watch = UnitWatch(unit: server.role.unit, cursor: nil)
        let limit: Duration = .seconds(300)
        let deadline = ContinuousClock.now + limit
        while true {
            let answer = try await leader.run(NodeStatus.command(server.name))
            let status = answer.succeeded ? try NodeStatus(json: answer.output) : nil
            _ = watch.read(try await host.run(watch.command).output)
            let reason: String
            if !answer.succeeded {
                reason = "\(leader.name) does not answer: \(answer.complaint)"
            } else if let status, !status.isReady {
                reason = "not Ready: \(status.reason)"
            } else if let status, try await !status.isOfRunningK3s(server.role, on: host) {
                reason = NodeStatus.isOfEarlierK3s
            } else if let status {
                if try await votes(server, status, leader) { return }
                reason = "its etcd member does not vote yet"
            } else {
                reason = "it has not registered yet" + (watch.lastWords.map { "; k3s: \($0)" } ?? "")
            }
            tell(reason)
            if .now >= deadline {
                throw Diagnostic(
                    .error, "the vote of \(server.name) is not there after \(limit.inSeconds)", subject: "node \"\(server.name)\"",
                    cause: machines.recorder.scrub(reason),
                    remedy: "`homelab doctor \(server.name)` says why; the restore can be run again")
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// By etcd's own list where it tells: the Node in the snapshot says of the member before that it votes.
    private func votes(_ server: NodeSpec, _ status: NodeStatus, _ leader: any Host) async throws -> Bool {
        guard let members = try await ClusterObserver.members(leader) else { return status.isVotingMember == true }
        return members.contains { $0.belongs(toNode: server.name, address: "none") && !$0.isLearner }
    }

    private func must(_ command: RemoteCommand, _ host: any Host, remedy: String? = nil) async throws {
        let result = try await host.run(command)
        machines.recorder.log(host.name, result.output + result.errorOutput)
        guard result.succeeded else {
            // k3s quotes all that etcd printed in one line.
            let words = JoinDiagnosis.message(in: machines.recorder.scrub(result.complaint))
            throw Diagnostic(
                .error, "the restore stopped here", subject: "node \"\(host.name)\"",
                cause: words.count > 300 ? words.prefix(299) + "…" : words,
                remedy: remedy ?? "put right what the node says, then run the same command again: it begins anew")
        }
    }
}
