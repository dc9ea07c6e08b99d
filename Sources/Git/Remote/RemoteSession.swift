internal import CGitSupport
internal import CLibgit2

/// One conversation with a remote, on the thread that blocks for it: connects when it is made and ends the connection with its life.
final class RemoteSession {
    private let wire: Wire
    private let operation: String
    private let remote: OpaquePointer
    private let callbacks: UnsafeMutablePointer<homelab_git_wire>

    init(wire: Wire, url: String, repository: RepositoryHandle?, operation: String) throws(GitError) {
        guard GitLibrary.isReady else { throw GitError(.other, operation: "start libgit2", message: "it cannot be initialised") }
        self.wire = wire
        self.operation = operation
        let isStateless: Bool
        do throws(GitError) { isStateless = try wire.connect() } catch { throw error.during(operation) }
        callbacks = .allocate(capacity: 1)
        callbacks.initialize(to: WireCallbacks.value(for: wire, isStateless: isStateless))
        var made: OpaquePointer?
        let code =
            repository.map { git_remote_create_anonymous(&made, $0.pointer, url) } ?? git_remote_create_detached(&made, url)
        guard code == 0, let made else {
            let error = GitError.last(operation, code: code)
            wire.end()
            callbacks.deallocate()
            throw error
        }
        remote = made
        var options = remoteCallbacks()
        try check { git_remote_connect(remote, GIT_DIRECTION_FETCH, &options, nil, nil) }
    }

    deinit {
        git_remote_free(remote)
        wire.end()
        callbacks.deallocate()
    }

    func references() throws(GitError) -> [RemoteReference] {
        var heads: UnsafeMutablePointer<UnsafePointer<git_remote_head>?>?
        var count = 0
        try check { git_remote_ls(&heads, &count, remote) }
        return (0..<count).compactMap { index in
            guard let head = heads?[index]?.pointee, let name = head.name else { return nil }
            return RemoteReference(name: String(cString: name), id: ObjectID(git: head.oid))
        }
    }

    func fetch(_ reference: String, into repository: RepositoryHandle) throws(GitError) -> ObjectID? {
        let known = try repository.target(of: reference)
        guard let wanted = try references().first(where: { $0.name == reference })?.id else { return nil }
        if wanted == known { return wanted }
        try download(reference)
        // A pack may be sound and still lack what was asked for.
        try repository.requireTree(of: wanted)
        try repository.move(reference, to: wanted, operation)
        return wanted
    }

    private func download(_ reference: String) throws(GitError) {
        var options = git_fetch_options()
        git_fetch_options_init(&options, UInt32(GIT_FETCH_OPTIONS_VERSION))
        options.callbacks = remoteCallbacks()
        options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE
        var text: [CChar] = Array("+\(reference):\(reference)".utf8CString)
        try check {
            text.withUnsafeMutableBufferPointer { text in
                var start = text.baseAddress
                return withUnsafeMutablePointer(to: &start) { strings in
                    var refspecs = git_strarray(strings: strings, count: 1)
                    return git_remote_download(remote, &refspecs, &options)
                }
            }
        }
    }

    private func remoteCallbacks() -> git_remote_callbacks {
        var options = git_remote_callbacks()
        git_remote_init_callbacks(&options, UInt32(GIT_REMOTE_CALLBACKS_VERSION))
        options.transport = homelab_git_transport
        options.transfer_progress = indexing
        options.payload = UnsafeMutableRawPointer(callbacks)
        return options
    }

    /// Calls libgit2; what the wire met on the way is the cause of whatever libgit2 says about it.
    private func check(_ call: () -> Int32) throws(GitError) {
        git_error_clear()
        let code = call()
        guard code < 0 else { return }
        let error = GitError.last(operation, code: code)
        if let failure = wire.failure { throw failure.during(operation) }
        if wire.isCancelled { throw GitError(.cancelled, operation: operation, message: "cancelled") }
        if wire.hasEnded, error.kind != .diskFull {
            throw GitError(.unreachable, operation: operation, message: "the connection ended before everything had arrived")
        }
        if error.message.lowercased().hasPrefix("remote error:") {
            throw GitError(.notFound, operation: operation, message: error.message)
        }
        throw error
    }
}

/// Called while objects are put in order, which takes time without a byte from the remote: a cancelled fetch ends here.
private func indexing(_ progress: UnsafePointer<git_indexer_progress>?, _ payload: UnsafeMutableRawPointer?) -> Int32 {
    guard let context = payload?.assumingMemoryBound(to: homelab_git_wire.self).pointee.context else { return 0 }
    return Unmanaged<Wire>.fromOpaque(context).takeUnretainedValue().isCancelled ? -1 : 0
}

extension RepositoryHandle {
    /// What a reference names; nil when there is none.
    /// - Throws: `corrupt` when it cannot be read or names a commit that is not there: the store has lost something.
    fileprivate func target(of reference: String) throws(GitError) -> ObjectID? {
        var oid = git_oid()
        let code = git_reference_name_to_id(&oid, pointer, reference)
        if git_error_code(code) == GIT_ENOTFOUND { return nil }
        if code < 0 {
            let error = GitError.last("read \(reference)", code: code)
            throw GitError(.corrupt, operation: error.operation, message: error.message)
        }
        let id = ObjectID(git: oid)
        try requireTree(of: id)
        return id
    }

    /// That a commit and the root of its tree are there.
    fileprivate func requireTree(of id: ObjectID) throws(GitError) {
        var (commit, tree, oid): (OpaquePointer?, OpaquePointer?, git_oid) = (nil, nil, id.git)
        try GitError.checkStored("read commit \(id)") { git_commit_lookup(&commit, pointer, &oid) }
        defer { git_commit_free(commit) }
        try GitError.checkStored("read the tree of \(id)") { git_commit_tree(&tree, commit) }
        git_tree_free(tree)
    }

    fileprivate func move(_ reference: String, to id: ObjectID, _ operation: String) throws(GitError) {
        var oid = id.git
        var moved: OpaquePointer?
        try GitError.check(operation) { git_reference_create(&moved, pointer, reference, &oid, 1, "fetch") }
        git_reference_free(moved)
    }
}
