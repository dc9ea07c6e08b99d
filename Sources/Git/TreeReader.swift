internal import CGitSupport
internal import CLibgit2

/// Reads the blobs of a commit's tree into values, going only into the directories asked for and leaving out the files that nobody wants.
struct TreeReader {
    let repository: RepositoryHandle
    let directories: [String]
    let isKept: @Sendable (String) -> Bool
    let known: GitTree?
    let limit: Int
    private var size = 0
    private var knownBytes: [ObjectID: [UInt8]] = [:]
    private var found: [String: GitTree.Entry] = [:]

    init(
        repository: RepositoryHandle, directories: [String], keeping isKept: @escaping @Sendable (String) -> Bool, known: GitTree?,
        limit: Int
    ) {
        self.repository = repository
        self.directories = directories.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        self.isKept = isKept
        self.known = known
        self.limit = limit
        for entry in known?.entries.values ?? [:].values { knownBytes[entry.id] = entry.bytes }
    }

    mutating func entries(of id: ObjectID) throws(GitError) -> [String: GitTree.Entry] {
        let commit = try repository.commit(id)
        defer { git_commit_free(commit) }
        var tree: OpaquePointer?
        try GitError.checkStored("read the tree of \(id)") { git_commit_tree(&tree, commit) }
        defer { git_tree_free(tree) }
        try read(tree, at: "")
        return found
    }

    private func isWanted(_ path: String, directory: Bool) -> Bool {
        directories.isEmpty
            || directories.contains {
                $0.isEmpty || path == $0 || path.hasPrefix($0 + "/") || (directory && $0.hasPrefix(path + "/"))
            }
    }

    private mutating func read(_ tree: OpaquePointer?, at directory: String) throws(GitError) {
        for index in 0..<git_tree_entrycount(tree) {
            guard let entry = git_tree_entry_byindex(tree, index), let name = git_tree_entry_name(entry) else { continue }
            let path = directory.isEmpty ? String(cString: name) : directory + "/" + String(cString: name)
            guard let oid = git_tree_entry_id(entry) else { continue }
            let id = ObjectID(git: oid.pointee)
            switch git_tree_entry_filemode(entry) {
            case GIT_FILEMODE_TREE where isWanted(path, directory: true):
                var child: OpaquePointer?
                try GitError.checkStored("read \(path)") { git_tree_lookup(&child, repository.pointer, oid) }
                defer { git_tree_free(child) }
                try read(child, at: path)
            case GIT_FILEMODE_COMMIT where isWanted(path, directory: false):
                found[path] = GitTree.Entry(id: id, kind: .submodule, bytes: [])
            case GIT_FILEMODE_BLOB where isWanted(path, directory: false): try add(path, id, .file)
            case GIT_FILEMODE_BLOB_EXECUTABLE where isWanted(path, directory: false): try add(path, id, .executable)
            case GIT_FILEMODE_LINK where isWanted(path, directory: false): try add(path, id, .symbolicLink)
            default: break
            }
        }
    }

    private mutating func add(_ path: String, _ id: ObjectID, _ kind: GitTree.Kind) throws(GitError) {
        guard isKept(path) else { return }
        let bytes: [UInt8]
        if let old = knownBytes[id] {
            bytes = old
        } else {
            bytes = try blob(id, path)
            knownBytes[id] = bytes
        }
        size += bytes.count
        guard size <= limit else {
            throw GitError(
                .tooLarge, operation: "read the tree", message: "its files are larger than \(limit >> 20) MiB together (at \(path))")
        }
        found[path] = GitTree.Entry(id: id, kind: kind, bytes: bytes)
    }

    private func blob(_ id: ObjectID, _ path: String) throws(GitError) -> [UInt8] {
        var blob: OpaquePointer?
        var oid = id.git
        try GitError.checkStored("read \(path)") { git_blob_lookup(&blob, repository.pointer, &oid) }
        defer { git_blob_free(blob) }
        return Array(UnsafeRawBufferPointer(start: git_blob_rawcontent(blob), count: Int(git_blob_rawsize(blob))))
    }
}
