internal import BlockingExecutor
internal import CGitSupport
internal import CLibgit2

/// A bare repository on disk. Its calls run in order on a thread of its own, because libgit2 blocks.
package actor Repository {
    package nonisolated let path: String
    private nonisolated let executor: BlockingExecutor
    let handle: RepositoryHandle

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Opens a repository (bare or not).
    /// - Throws: `GitError` of kind `notFound` when there is none.
    package init(path: String) async throws(GitError) {
        let executor = BlockingExecutor(name: "git")
        handle = try await executor.run { () throws(GitError) in try RepositoryHandle(opening: path) }
        self.executor = executor
        self.path = path
    }

    /// Opens the bare repository at a path, and makes an empty one first when there is none. `branch` is what HEAD names in a new one.
    package init(openingOrMaking path: String, branch: String) async throws(GitError) {
        let executor = BlockingExecutor(name: "git")
        handle = try await executor.run { () throws(GitError) in try RepositoryHandle(openingOrMaking: path, branch: branch) }
        self.executor = executor
        self.path = path
    }

    /// The commit a branch, tag, full reference name or commit id stands for; nil when there is none (yet).
    package func commit(named name: String) throws(GitError) -> ObjectID? {
        for candidate in ["refs/heads/\(name)", "refs/tags/\(name)", name] {
            var object: OpaquePointer?
            let code = git_revparse_single(&object, handle.pointer, candidate + "^{commit}")
            defer { git_object_free(object) }
            if code == 0, let object, let id = git_object_id(object) { return ObjectID(git: id.pointee) }
            if code < 0, git_error_code(code) != GIT_ENOTFOUND, git_error_code(code) != GIT_EINVALIDSPEC {
                throw GitError.last("find \(name)", code: code)
            }
        }
        return nil
    }

    /// The names of all tags, without `refs/tags/`.
    package func tags() throws(GitError) -> [String] {
        var names = git_strarray()
        let code = git_tag_list(&names, handle.pointer)
        if code < 0 { throw GitError.last("list the tags of \(path)", code: code) }
        defer { git_strarray_dispose(&names) }
        return (0..<names.count).compactMap { index in names.strings[index].map { String(cString: $0) } }
    }

    /// Takes a tag away, which may be gone already; its commits stay for now.
    package func removeTag(_ name: String) throws(GitError) {
        let code = git_reference_remove(handle.pointer, "refs/tags/" + name)
        if code < 0, git_error_code(code) != GIT_ENOTFOUND { throw GitError.last("remove the tag \(name) of \(path)", code: code) }
    }

    package func info(of id: ObjectID) throws(GitError) -> CommitInfo {
        let commit = try handle.commit(id)
        defer { git_commit_free(commit) }
        let parents = (0..<git_commit_parentcount(commit)).compactMap { git_commit_parent_id(commit, $0).map { ObjectID(git: $0.pointee) } }
        let author = git_commit_author(commit)?.pointee
        return CommitInfo(
            id: id, parents: parents, tree: git_commit_tree_id(commit).map { ObjectID(git: $0.pointee) } ?? .zero,
            authorName: author?.name.map { String(cString: $0) } ?? "", authorEmail: author?.email.map { String(cString: $0) } ?? "",
            time: git_commit_time(commit), message: git_commit_message(commit).map { String(cString: $0) } ?? "")
    }

    /// A commit or an annotated tag as git stores it, which is what signatures are made over; the library has compared the bytes with the
    /// object's name.
    package func object(_ id: ObjectID) throws(GitError) -> StoredObject { try handle.object(id) }

    /// What a reference names itself: of an annotated tag, the tag and not its commit.
    package func target(of reference: String) throws(GitError) -> ObjectID? {
        var oid = git_oid()
        let code = git_reference_name_to_id(&oid, handle.pointer, reference)
        if git_error_code(code) == GIT_ENOTFOUND { return nil }
        if code < 0 { throw GitError.last("read \(reference)", code: code) }
        return ObjectID(git: oid)
    }

    /// Whether there are more packs than `limit` (every fetch leaves one), or all but the largest have more bytes than it has, and than
    /// `bytes`: then ``consolidate(keeping:)`` is due.
    package func isScattered(above limit: Int, bytes: Int = 64 << 20) -> Bool { handle.isScattered(above: limit, bytes: bytes) }

    /// Puts the objects into one pack. Those stay that a reference or one of the given commits leads to; with nil all do. The old packs go
    /// once the new one is whole and on the disk, so that one which is interrupted leaves more than is needed and never less.
    /// - Returns: false when there is nothing to put together, or no room to do it in.
    package func consolidate(keeping commits: Set<ObjectID>?) throws(GitError) -> Bool { try handle.consolidate(keeping: commits) }

    /// Whether `ancestor` is in the history of `commit` (or is it): a push from one to the other is no rewrite.
    package func isAncestor(_ ancestor: ObjectID, of commit: ObjectID) throws(GitError) -> Bool {
        if ancestor == commit { return true }
        var (descendant, base) = (commit.git, ancestor.git)
        let code = git_graph_descendant_of(handle.pointer, &descendant, &base)
        if code < 0 { throw GitError.last("compare \(ancestor) and \(commit)", code: code) }
        return code == 1
    }

    /// The files of a commit below the given directories (all with none given). Content that `old` holds already is not read again.
    /// - Parameters:
    ///   - isKept: whether a file at a path is read at all; submodules are listed in any case.
    ///   - limit: the bytes that all files read may have together; beyond it the call throws `tooLarge`, without having read what is beyond.
    ///   - entryLimit: how many files may be read; beyond it the call throws `tooLarge` too.
    package func tree(
        at id: ObjectID, under directories: [String] = [], keeping isKept: @escaping @Sendable (String) -> Bool = { _ in true },
        reusing old: GitTree? = nil, limit: Int = GitTree.sizeLimit, entryLimit: Int = GitTree.entryLimit
    ) throws(GitError) -> GitTree {
        var reader = TreeReader(
            repository: handle, directories: directories, keeping: isKept, known: old, limit: limit, entryLimit: entryLimit)
        return GitTree(commit: id, entries: try reader.entries(of: id))
    }
}
