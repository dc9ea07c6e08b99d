internal import Cryptography
internal import Diagnostics
internal import FileSystem
internal import NodePlanning

/// What an upgrade can be taken back with: the data and the token that opens them, away from the node they are of.
struct Backup: Hashable, Sendable {
    var node: String
    /// On the node, and how large and of which sha256 it is there.
    var path: String
    var size: Int64
    var sha256: String
    /// On this machine; nil when none was kept here.
    var folder: String?
}

extension Step {
    /// How the names of the snapshots from before the same upgrade begin.
    fileprivate var upgradeName: String? {
        if case .saveSnapshot(let name, _) = self, name.hasPrefix("homelab-before-v") { name + "-" } else { nil }
    }
}

extension StepRunner {
    /// Makes a copy on the node. Of a snapshot it is brought here at once; a database is copied while nothing runs, so that waits.
    func backUp(_ step: Step, on host: any Host) async throws {
        guard let command = try step.commands(inputs: StepInputs()).first else { return }
        let result = try await run(command, on: host)
        guard result.succeeded else { throw failure("cannot \(step.activity)", result, on: host) }
        let words = result.output.split(whereSeparator: \.isNewline).last?.split(separator: " ").map(String.init) ?? []
        guard words.count == 3, let size = Int64(words[1]) else {
            throw Diagnostic(
                .error, "cannot tell where the copy is", subject: "node \"\(host.name)\"", cause: recorder.scrub(result.complaint),
                remedy: "Run again.")
        }
        state.update { $0.backup = Backup(node: host.name, path: words[0], size: size, sha256: words[2]) }
        if case .saveSnapshot = step { try await bringBackup(step, on: host) }
    }

    /// Brings the copy that was made to this machine, with the token that opens it.
    func bringBackup(_ step: Step, on host: any Host) async throws {
        // An agent's own server has it already.
        guard let backups, var backup = state.now.backup, !(host is LocalHost) else { return }
        let folder = "\(backups)/\(cluster)-\(RunRecorder.folderName())"
        try Files.makeDirectory(folder, mode: 0o700)
        let local = "\(folder)/\(Files.baseName(backup.path))"
        try await fetch(backup.path, size: backup.size, sha256: backup.sha256, to: local, step, from: host)
        if let token = try await host.read(NodeLayout.serverToken) { try Files.write(token, to: folder + "/token", mode: 0o600) }
        backup.folder = folder
        BackupFolders.prune(backups, cluster: cluster, new: folder, beginning: step.upgradeName)
        recorder.emit(.note(node: host.name, text: "the copy from before the upgrade and the cluster's token are in \(folder)"))
        state.update { [backup] in $0.backup = backup }
    }

    /// Piece by piece, so that no copy of any size has to fit into memory.
    private func fetch(_ path: String, size: Int64, sha256: String, to local: String, _ step: Step, from host: any Host) async throws {
        let piece: Int64 = 8
        let part = local + ".part"
        try Files.write([UInt8](), to: part, mode: 0o600)
        var done: Int64 = 0
        while done < size {
            let result = try await host.run(
                RemoteCommand(["dd", "if=\(path)", "bs=1048576", "skip=\(done >> 20)", "count=\(piece)", "status=none"]))
            guard result.succeeded, !result.standardOutput.isEmpty else { throw failure("cannot read \(path)", result, on: host) }
            try Files.append(result.standardOutput, to: part, mode: 0o600)
            done += Int64(result.standardOutput.count)
            recorder.emit(.stepProgress(node: host.name, step: step.activity, done: done, total: size))
        }
        let arrived = try SHA256.hex(ofFile: part)
        guard arrived == sha256 else {
            throw Diagnostic(
                .error, "the copy was damaged on its way", subject: "node \"\(host.name)\"",
                cause: "its sha256 is \(arrived), not \(sha256)",
                remedy: "Run again.")
        }
        try Files.move(part, to: local)
    }
}
