internal import CGitSupport
internal import CLibgit2

/// What git does with a file of a work tree.
package enum WorkTreeState: Hashable, Sendable {
    /// It is in the index.
    case tracked
    /// `git add --all` takes it.
    case untracked
    /// A rule leaves it out.
    case ignored
    /// A filter, as git-crypt's, writes something else in its place.
    case filtered
}

extension Repository {
    /// - Parameter path: from the root of the work tree, without symbolic links.
    package func state(of path: String) throws(GitError) -> WorkTreeState { try handle.state(of: path) }
}

extension RepositoryHandle {
    fileprivate func state(of path: String) throws(GitError) -> WorkTreeState {
        if try isFiltered(path) { return .filtered }
        var index: OpaquePointer?
        try GitError.check("read the index of the repository") { git_repository_index(&index, pointer) }
        defer { git_index_free(index) }
        if git_index_get_bypath(index, path, 0) != nil { return .tracked }
        var isIgnored: Int32 = 0
        try GitError.check("look whether git ignores \(path)") { git_ignore_path_is_ignored(&isIgnored, pointer, path) }
        return isIgnored == 0 ? .untracked : .ignored
    }

    /// What Git LFS takes is kept as it is, only elsewhere.
    private func isFiltered(_ path: String) throws(GitError) -> Bool {
        var value: UnsafePointer<CChar>?
        try GitError.check("read the attributes of \(path)") {
            git_attr_get(&value, pointer, UInt32(GIT_ATTR_CHECK_FILE_THEN_INDEX), path, "filter")
        }
        guard let value, git_attr_value(value) == GIT_ATTR_VALUE_STRING else { return false }
        return String(cString: value) != "lfs"
    }
}
