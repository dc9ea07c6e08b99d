internal import CGitSupport
internal import CLibgit2
internal import Cryptography

/// `git-receive-pack`: takes a pack into the object store and moves branches and tags, each only from where the client believes it is.
struct ReceivePack {
    private struct Command {
        let old: ObjectID
        let new: ObjectID
        let reference: String
    }

    let server: GitServer
    let notice: String?
    private var stream: PacketStream { server.stream }

    init(server: GitServer, notice: String?) {
        self.server = server
        self.notice = notice
    }

    func run() throws(GitError) {
        try server.advertise(try server.references(), capabilities: "report-status delete-refs side-band-64k ofs-delta \(GitServer.agent)")
        let (commands, capabilities) = try readCommands()
        guard !commands.isEmpty else { return }
        var unpacked: GitError?
        if commands.contains(where: { !$0.new.isZero }) {
            do { try receivePack() } catch { unpacked = error }
        }
        let results = commands.map { ($0.reference, unpacked == nil ? carryOut($0) : "unpacker error") }
        try report(unpacked, results, capabilities)
    }

    private func readCommands() throws(GitError) -> ([Command], capabilities: Set<Substring>) {
        var commands: [Command] = []
        var capabilities = Set<Substring>()
        while let packet = try stream.read(), let line = packet.text {
            let halves = line.split(separator: "\0", maxSplits: 1, omittingEmptySubsequences: false)
            if commands.isEmpty, halves.count == 2 { capabilities = Set(halves[1].split(separator: " ")) }
            let words = halves[0].split(separator: " ", maxSplits: 2).map(String.init)
            guard words.count == 3, let old = ObjectID(words[0]), let new = ObjectID(words[1]) else {
                throw GitError(.other, operation: "receive-pack", message: "unexpected \(halves[0])")
            }
            commands.append(Command(old: old, new: new, reference: words[2]))
        }
        return (commands, capabilities)
    }

    /// Indexes the pack as it arrives. Nothing points at its objects until all of it is there and verified.
    private func receivePack() throws(GitError) {
        var database: OpaquePointer?
        try GitError.check("open the object store") { git_repository_odb(&database, server.repository.pointer) }
        defer { git_odb_free(database) }
        guard let directory = git_repository_path(server.repository.pointer).map({ String(cString: $0) + "objects/pack" }) else { return }
        var options = git_indexer_options()
        git_indexer_options_init(&options, UInt32(GIT_INDEXER_OPTIONS_VERSION))
        var indexer: OpaquePointer?
        try GitError.check("receive a pack") { git_indexer_new(&indexer, directory, 0, database, &options) }
        defer { git_indexer_free(indexer) }
        var progress = git_indexer_progress()
        var checksum = PackChecksum()
        repeat {
            guard let bytes = try stream.readRaw() else {
                throw GitError(.unreachable, operation: "receive a pack", message: "the connection ended before the pack was complete")
            }
            checksum.update(bytes)
            do {
                try FreeSpace.require(bytes.count, in: directory, keeping: RemoteLimits().freeSpace, "receive a pack")
            } catch {
                try passOver(restOf: &checksum)
                throw error
            }
            let code = git_indexer_append(indexer, bytes, bytes.count, &progress)
            if code < 0 { throw GitError.last("receive a pack", code: code) }
        } while progress.total_objects == 0 && !checksum.isComplete
            || progress.received_objects < progress.total_objects || !checksum.isComplete
        if progress.total_objects == 0 { return }
        let code = git_indexer_commit(indexer, &progress)
        if code < 0 { throw GitError.last("finish the pack", code: code) }
        try GitError.check("see the new objects") { git_odb_refresh(database) }
    }

    /// Reads what the client has still to send: one that is cut off while it sends may not hear why.
    private func passOver(restOf checksum: inout PackChecksum) throws(GitError) {
        while !checksum.isComplete, let bytes = try stream.readRaw() { checksum.update(bytes) }
    }

    /// nil when it is done, else the reason the client shows.
    private func carryOut(_ command: Command) -> String? {
        guard command.reference.hasPrefix("refs/"), git_reference_is_valid_name(command.reference) == 1 else { return "funny refname" }
        do {
            if command.new.isZero {
                try delete(command)
            } else {
                guard server.has(command.new) else { return "missing necessary objects" }
                try move(command)
            }
            return nil
        } catch {
            return error.message
        }
    }

    private func move(_ command: Command) throws(GitError) {
        var (new, old) = (command.new.git, command.old.git)
        var reference: OpaquePointer?
        defer { git_reference_free(reference) }
        if command.reference.hasPrefix("refs/heads/") {
            git_commit_free(try server.repository.commit(command.new))
        }
        if command.old.isZero {
            try GitError.check("create \(command.reference)") {
                git_reference_create(&reference, server.repository.pointer, command.reference, &new, 0, "push")
            }
        } else {
            try GitError.check("update \(command.reference)") {
                git_reference_create_matching(&reference, server.repository.pointer, command.reference, &new, 1, &old, "push")
            }
        }
    }

    private func delete(_ command: Command) throws(GitError) {
        guard command.reference != server.head else {
            throw GitError(.other, operation: "delete", message: "deletion of the current branch prohibited")
        }
        var reference: OpaquePointer?
        try GitError.check("find \(command.reference)") { git_reference_lookup(&reference, server.repository.pointer, command.reference) }
        defer { git_reference_free(reference) }
        guard let now = git_reference_target(reference), ObjectID(git: now.pointee) == command.old else {
            throw GitError(.other, operation: "delete", message: "it has moved meanwhile")
        }
        try GitError.check("delete \(command.reference)") { git_reference_delete(reference) }
    }

    private func report(_ unpacked: GitError?, _ results: [(String, String?)], _ capabilities: Set<Substring>) throws(GitError) {
        let sideBand = capabilities.contains("side-band-64k")
        if sideBand, let notice, unpacked == nil, results.contains(where: { $0.1 == nil }) {
            try stream.write(Array((notice + "\n").utf8), band: 2)
        }
        if capabilities.contains("report-status") {
            let lines =
                ["unpack \(unpacked?.message ?? "ok")"] + results.map { name, reason in reason.map { "ng \(name) \($0)" } ?? "ok \(name)" }
            let packets = lines.flatMap(Self.packet) + Array("0000".utf8)
            try sideBand ? stream.write(packets, band: 1) : stream.writeRaw(packets)
        }
        if sideBand { try stream.flush() }
    }

    private static func packet(_ line: String) -> [UInt8] {
        let length = String(line.utf8.count + 5, radix: 16)
        return Array((String(repeating: "0", count: 4 - length.count) + length + line + "\n").utf8)
    }
}
