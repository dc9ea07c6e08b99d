internal import CGitSupport
internal import CLibgit2

/// git's server side over a pair of file descriptors (gitprotocol-pack, version 0), so that a machine without git can hold a repository:
/// the homelab binary is installed under the names git-receive-pack and git-upload-pack there.
package struct GitServer {
    let repository: RepositoryHandle
    let stream: PacketStream
    static let agent = "agent=homelab"

    /// Answers `git push`. `notice` is what the person who pushed reads once their branches are updated.
    package static func receivePack(path: String, input: Int32 = 0, output: Int32 = 1, notice: String? = nil) throws(GitError) {
        try serve(path, input, output) { (server) throws(GitError) in try ReceivePack(server: server, notice: notice).run() }
    }

    /// Answers `git fetch`, `git clone` and `git ls-remote`.
    package static func uploadPack(path: String, input: Int32 = 0, output: Int32 = 1) throws(GitError) {
        try serve(path, input, output) { (server) throws(GitError) in try UploadPack(server: server).run() }
    }

    private static func serve(
        _ path: String, _ input: Int32, _ output: Int32, _ answer: (GitServer) throws(GitError) -> Void
    ) throws(GitError) {
        let stream = PacketStream(input: input, output: output)
        do {
            try answer(GitServer(repository: RepositoryHandle(opening: path), stream: stream))
        } catch  where error.kind == .notFound {
            try stream.write("ERR homelab: there is no repository at \(path)")
            throw error
        }
    }

    /// Every branch and tag with the object it points at, sorted by name.
    func references() throws(GitError) -> [(name: String, id: ObjectID)] {
        var names = git_strarray()
        try GitError.check("list references") { git_reference_list(&names, repository.pointer) }
        defer { git_strarray_dispose(&names) }
        var found: [(name: String, id: ObjectID)] = []
        for index in 0..<names.count {
            guard let text = names.strings?[index] else { continue }
            var oid = git_oid()
            guard git_reference_name_to_id(&oid, repository.pointer, text) == 0 else { continue }
            found.append((String(cString: text), ObjectID(git: oid)))
        }
        return found.sorted { $0.name < $1.name }
    }

    /// The branch HEAD names, whether it exists yet or not.
    var head: String? {
        var reference: OpaquePointer?
        guard git_reference_lookup(&reference, repository.pointer, "HEAD") == 0 else { return nil }
        defer { git_reference_free(reference) }
        return git_reference_symbolic_target(reference).map { String(cString: $0) }
    }

    /// The first answer to every client: what is here, and on the first line what this server can do.
    func advertise(_ references: [(name: String, id: ObjectID)], capabilities: String) throws(GitError) {
        if references.isEmpty { try stream.write("\(ObjectID.zero) capabilities^{}\0\(capabilities)") }
        for (index, reference) in references.enumerated() {
            try stream.write("\(reference.id) \(reference.name)" + (index == 0 ? "\0\(capabilities)" : ""))
        }
        try stream.flush()
    }

    func has(_ id: ObjectID) -> Bool {
        var (database, oid): (OpaquePointer?, git_oid) = (nil, id.git)
        guard git_repository_odb(&database, repository.pointer) == 0 else { return false }
        defer { git_odb_free(database) }
        return git_odb_exists(database, &oid) == 1
    }
}
