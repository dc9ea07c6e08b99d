internal import Cryptography
internal import Diagnostics
internal import FileSystem
internal import NodeInventory
internal import NodePlanning
internal import Synchronization

/// What a run brought to light that later steps or the caller need; shared by the tasks of all nodes.
final class RunState: Sendable {
    struct Contents: Sendable {
        /// Bootstrap tokens made by this run, by the node they are for.
        var tokenIDs: [String: String] = [:]
        /// Where a unit's journal ended before this run started it, by node and unit.
        var cursors: [String: String] = [:]
        /// Public keys of the nodes' agents, by node and file.
        var publicKeys: [String: String] = [:]
        /// Deploy keys that were made and have to be registered with the git host, by node.
        var deployKeys: [String: String] = [:]
        var kubeconfig: Kubeconfig?
        /// The workloads that were not healthy when the run began; nil when nobody could look.
        var unhealthyBefore: Set<String>?
        var backup: Backup?
        /// The last reason each waiting step gave.
        var details: [String: String] = [:]
    }

    private let contents = Mutex(Contents())

    var now: Contents { contents.withLock { $0 } }
    func update(_ change: (inout Contents) -> Void) { contents.withLock { change(&$0) } }
    func updating<T: Sendable>(_ change: (inout Contents) -> sending T) -> T { contents.withLock { change(&$0) } }
}

/// Carries out one step on one node. Every step may be begun again after it was interrupted anywhere.
struct StepRunner: Sendable {
    let cluster: String
    let hosts: [String: any Host]
    let files: @Sendable (Artifact) throws -> String
    let secrets: @Sendable (SecretReference, String) throws -> Secret
    let limits: WaitLimits
    /// The folder on this machine that snapshots are brought to; nil keeps them on their node alone.
    let backups: String?
    let recorder: RunRecorder
    let state: RunState

    /// - Throws: `Diagnostic` or `Diagnostics` when the step failed, `HostError` when the connection did, `CancellationError`.
    func carryOut(_ step: Step, on host: any Host) async throws {
        switch step {
        case .uploadBinary(let artifact): try await upload(artifact, step, on: host)
        case .installBinary(let artifact), .installImages(let artifact): try await install(artifact, step, on: host)
        case .writeToken(let source): try await writeToken(source, step, on: host)
        case .startUnit(let unit), .restartUnit(let unit):
            if case .restartUnit = step, Self.isServer(unit) { try await awaitMajority(without: host, step) }
            try await markJournal(of: unit, on: host)
            try await runCommands(of: step, StepInputs(), on: host)
        case .awaitK3s(let role): try await awaitK3s(role, step, on: host)
        case .awaitNode(let name, let via, let voting, let version):
            try await awaitNode(name, via: via, voting: voting, version: version, step, on: host)
        case .awaitAgent(let listen): try await awaitAgent(listen, step, on: host)
        case .reboot: try await reboot(host, step)
        case .revokeToken(let id, let node, let via): try await revokeToken(id, node: node, via: via, on: host)
        case .fetchKubeconfig(let server): try await fetchKubeconfig(server: server, from: host)
        case .authorizeKeys(let keys, let user, let home): try await authorize(keys, user: user, home: home, on: host)
        case .generateKey(let path, _):
            try await runCommands(of: step, StepInputs(), on: host)
            if path == NodeLayout.deployKey, let line = try await host.read(path + ".pub") {
                state.update { $0.deployKeys[host.name] = String(decoding: line, as: UTF8.self).trimmingLineBreaks }
            }
        case .writeSecretFile(let path, let source):
            let secret = try secrets(source, "Content of \(path) on \(host.name)")
            try await runCommands(of: step, StepInputs(secrets: [source: secret]), on: host)
        case .writeFile(let file):
            var inputs = StepInputs()
            for reference in Set(file.secrets.values) {
                inputs.secrets[reference] = try secrets(reference, "Secret in \(file.path) on \(host.name)")
            }
            try await runCommands(of: step, inputs, on: host)
        case .saveSnapshot, .copyDatabase: try await backUp(step, on: host)
        case .bringCopy: try await bringBackup(step, on: host)
        case .switchAgent(let change): try await switchAgent(change, step, on: host)
        case .drain(let request, let via): try await drain(request, via: via, step)
        case .awaitWorkloads(let node, let via): try await awaitWorkloads(node, via: via, step)
        case .removeMember(let node, let via): try await removeMember(node, via: via, step)
        case .cordon(let node, let purpose, let via):
            // Not only at its restart: it is not emptied for nothing either.
            if purpose == .upgrade, node == via { try await awaitMajority(without: host, step) }
            for command in try step.commands(inputs: StepInputs()) { try await askAPI(command, via: via, step) }
        case .uncordon(_, let via), .deleteNode(_, let via):
            for command in try step.commands(inputs: StepInputs()) { try await askAPI(command, via: via, step) }
        case .loadModules, .setSysctls, .extendKernelCommandLine, .link, .enableUnit, .updateNode, .createRepository, .makeDirectory,
            .stopUnit, .restoreBinary, .revokeKeys, .openFirewall, .closeFirewall:
            try await runCommands(of: step, StepInputs(), on: host)
        case .uninstall: try await runCommands(of: step, StepInputs(), on: host) { detail(host, step, $0) }
        }
    }

    /// A unit of systemd, or a service of OpenRC.
    private static func isServer(_ unit: String) -> Bool { InitSystem.service(unit) == InitSystem.service(NodeRole.server.unit) }

    /// - Parameter onLine: gets what they print, as they print it.
    func runCommands(
        of step: Step, _ inputs: StepInputs, on host: any Host, onLine: (@Sendable (String) -> Void)? = nil
    ) async throws {
        for command in try step.commands(inputs: inputs) {
            let result = try await run(command, on: host, onLine: onLine)
            guard result.succeeded else { throw failure("cannot \(step.activity)", result, on: host) }
        }
    }

    /// Runs a kubectl command on a server, again and again while its API is away: a server that lost its etcd leader for a moment ends and
    /// is back in less than a minute.
    func askAPI(_ command: RemoteCommand, via: String, _ step: Step) async throws {
        let server = try host(via, for: step.activity)
        let deadline = ContinuousClock.now + limits.api
        while true {
            let began = ContinuousClock.now
            let result = try await run(command, on: server)
            if result.succeeded { return }
            guard Self.isAway(result.errorOutput), .now < deadline else { throw failure("cannot \(step.activity)", result, on: server) }
            detail(server, step, "the API of \(via) does not answer: \(result.complaint)")
            try await limits.pause(since: began)
        }
    }

    /// The ways in which kubectl and the API server say that they cannot work now but will.
    static func isAway(_ errors: String) -> Bool {
        if errors.contains(Step.heldByFinalizers) { return false }
        return [
            "connection to the server", "connection refused", "Unable to connect to the server", "etcdserver:", "leader changed",
            "TLS handshake timeout", "context deadline exceeded", "timed out", "ServiceUnavailable", "apiserver not ready",
        ].contains { errors.contains($0) }
    }

    /// Runs a command and keeps it in the node's log; its input never is.
    func run(_ command: RemoteCommand, on host: any Host, onLine: (@Sendable (String) -> Void)? = nil) async throws -> CommandResult {
        let result =
            if let onLine { try await host.streamLines(command, onLine: onLine) } else { try await host.run(command) }
        recorder.log(host.name, "$ " + ShellLine.quoted(command.argv) + (result.succeeded ? "" : "  [exit status \(result.exitStatus)]"))
        recorder.log(host.name, result.output)
        recorder.log(host.name, result.errorOutput)
        return result
    }

    func failure(_ summary: String, _ result: CommandResult, on host: any Host) -> Diagnostic {
        let words = result.complaint
        // k3s' own commands write lines as its log has them.
        let cause = words.hasPrefix("time=\"") ? JoinDiagnosis.message(in: words) : words
        return Diagnostic(
            .error, summary, subject: "node \"\(host.name)\"", cause: recorder.scrub(cause),
            remedy: result.errorOutput.lowercased().contains("no space left on device")
                ? "Free space on the node (`df -h`), then run again." : "Put right what the node says, then run again.")
    }

    func host(_ name: String, for step: String) throws -> any Host {
        guard let host = hosts[name] else {
            throw Diagnostic(
                .error, "cannot \(step): node \"\(name)\" is not connected", subject: "node \"\(name)\"",
                remedy: "Make sure that it can be reached, then run again.")
        }
        return host
    }

    /// Says what a step waits for, once for each new reason.
    func detail(_ host: any Host, _ step: Step, _ text: String) {
        let isNew = state.updating { $0.details.updateValue(text, forKey: "\(host.name) \(step.activity)") != text }
        guard isNew else { return }
        recorder.emit(.stepDetail(node: host.name, step: step.activity, text: recorder.scrub(text)))
    }
}

extension StepRunner {
    private func install(_ artifact: Artifact, _ step: Step, on host: any Host) async throws {
        try await upload(artifact, step, on: host)
        try await runCommands(of: step, StepInputs(), on: host)
    }

    private func upload(_ artifact: Artifact, _ step: Step, on host: any Host) async throws {
        let upload = FileUpload(
            source: try files(artifact), destination: NodeLayout.upload(artifact), mode: 0o600, sha256: artifact.sha256,
            verification: .atInstallation)
        try await host.upload(upload) { sent, total in
            recorder.emit(.stepProgress(node: host.name, step: step.activity, done: sent, total: total))
        }
    }

    private func markJournal(of unit: String, on host: any Host) async throws {
        let result = try await host.run(UnitWatch.cursorCommand(unit))
        let name = unit.hasSuffix(".service") ? unit : unit + ".service"
        if let cursor = UnitWatch.cursor(in: result.output) { state.update { $0.cursors["\(host.name)/\(name)"] = cursor } }
    }

    /// A node has one key to manage machines and another to fetch with, so the keys go kind by kind.
    private func authorize(_ keys: [AuthorizedKey], user: String, home: String, on host: any Host) async throws {
        for file in keys.map(\.publicKeyFile).uniqued {
            let ofKind = keys.filter { $0.publicKeyFile == file }
            var inputs = StepInputs()
            for key in ofKind { inputs.publicKeys[key.node] = try await publicKey(file, of: key.node) }
            try await runCommands(of: .authorizeKeys(ofKind, user: user, home: home), inputs, on: host)
        }
    }

    /// A public key of another node, read from it once per run.
    private func publicKey(_ path: String, of node: String) async throws -> String {
        let known = "\(node):\(path)"
        if let line = state.now.publicKeys[known] { return line }
        guard let bytes = try await host(node, for: "read the agent's key").read(path) else {
            throw Diagnostic(
                .error, "the agent's key is missing", subject: "node \"\(node)\"", cause: "there is no \(path)", remedy: "Run again.")
        }
        let line = String(decoding: bytes, as: UTF8.self).trimmingLineBreaks
        state.update { $0.publicKeys[known] = line }
        return line
    }

    private func reboot(_ host: any Host, _ step: Step) async throws {
        let before = try await bootID(of: host)
        var isOrdered = try await orderReboot(host)
        let deadline = ContinuousClock.now + limits.reboot
        while true {
            detail(host, step, "waits until it has gone down and come back")
            try await Task.sleep(for: .seconds(1))
            do {
                try await host.reconnect(within: deadline - .now) { detail(host, step, $0) }
                if try await bootID(of: host) != before { return try await recheck(host) }
                if !isOrdered { isOrdered = try await orderReboot(host) }
            } catch let error as HostError where error.kind == .connectionLost && .now < deadline {
                continue
            }
            guard .now < deadline else {
                throw Diagnostic(
                    .error, "did not reboot within \(limits.reboot.inSeconds)", subject: "node \"\(host.name)\"",
                    remedy: "Look at its console; run again when it is up.")
            }
        }
    }

    /// - Returns: false when the connection broke: the machine went down before it answered, or was never told.
    private func orderReboot(_ host: any Host) async throws -> Bool {
        do {
            _ = try await run(
                RemoteCommand(["sh", "-c", "if \(InitSystem.isSystemd); then systemctl reboot; else reboot; fi"]), on: host)
            return true
        } catch let error as HostError where error.kind == .connectionLost {
            return false
        }
    }

    /// A node is rebooted for the memory controller alone: what does not start with it is not gone on with.
    private func recheck(_ host: any Host) async throws {
        let result = try await host.run(RemoteCommand(["sh", "-c", Self.controllers]))
        if result.output.split(whereSeparator: \.isWhitespace).contains("memory") { return }
        throw Diagnostic(
            .error, "the memory cgroup is still off after the reboot", subject: "node \"\(host.name)\"",
            cause: "the kernel offers \(result.output.split(whereSeparator: \.isWhitespace).joined(separator: " "))",
            remedy: "Update firmware and kernel (`apt-get full-upgrade`; on a Pi 5 `rpi-eeprom-update -a` too), reboot, look for memory in "
                + "/sys/fs/cgroup/cgroup.controllers, then run again.")
    }

    private static let controllers =
        "cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null || awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups"

    private func bootID(of host: any Host) async throws -> String {
        let result = try await host.run(RemoteCommand(["cat", "/proc/sys/kernel/random/boot_id"], asRoot: false))
        guard result.succeeded else { throw failure("cannot read the boot id", result, on: host) }
        return result.output.trimmingLineBreaks
    }

    private func fetchKubeconfig(server: String, from host: any Host) async throws {
        guard let bytes = try await host.read(NodeLayout.kubeconfig) else {
            throw Diagnostic(
                .error, "there is no kubeconfig yet", subject: "node \"\(host.name)\"", cause: NodeLayout.kubeconfig,
                remedy: "Wait until k3s is ready (`homelab doctor` tells), then run again.")
        }
        let read = try Kubeconfig(bytes: bytes, file: "\(host.name):\(NodeLayout.kubeconfig)")
        state.update { $0.kubeconfig = read.renamed(to: cluster, server: server) }
    }
}
