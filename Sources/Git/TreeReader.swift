internal import CGitSupport
internal import CLibgit2

/// Reads the blobs of a commit's tree into values, going only into the directories asked for and leaving out the files that nobody wants.
struct TreeReader {
    let repository: RepositoryHandle
    let directories: [String]
    let isKept: @Sendable (String) -> Bool
    let known: GitTree?
    let limit: Int
    let entryLimit: Int
    private var database: OpaquePointer?
    private var size = 0
    private var knownBytes: [ObjectID: [UInt8]] = [:]
    private var found: [String: GitTree.Entry] = [:]

    init(
        repository: RepositoryHandle, directories: [String], keeping isKept: @escaping @Sendable (String) -> Bool, known: GitTree?,
        limit: Int, entryLimit: Int
    ) {
        self.repository = repository
        self.directories = directories.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        self.isKept = isKept
        self.known = known
        self.limit = limit
        self.entryLimit = entryLimit
        for entry in known?.entries.values ?? [:].values { knownBytes[entry.id] = entry.bytes }
    }

    mutating func entries(of id: ObjectID) throws(GitError) -> [String: GitTree.Entry] {
        let commit = try repository.commit(id)
        defer { git_commit_free(commit) }
        var database: OpaquePointer?
        try GitError.check("open the objects of the repository") { git_repository_odb(&database, repository.pointer) }
        defer { git_odb_free(database) }
        self.database = database
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
                try put(GitTree.Entry(id: id, kind: .submodule, bytes: []), at: path)
            case GIT_FILEMODE_BLOB where isWanted(path, directory: false): try add(path, id, .file)
            case GIT_FILEMODE_BLOB_EXECUTABLE where isWanted(path, directory: false): try add(path, id, .executable)
            case GIT_FILEMODE_LINK where isWanted(path, directory: false): try add(path, id, .symbolicLink)
            default: break
            }
        }
    }

    private mutating func add(_ path: String, _ id: ObjectID, _ kind: GitTree.Kind) throws(GitError) {
        guard isKept(path) else { return }
        let old = knownBytes[id]
        let count = if let old { old.count } else { try blobSize(id, path) }
        size += count
        guard size <= limit else { throw tooLarge("its files are larger than \(limit >> 20) MiB together (at \(path))") }
        let bytes = if let old { old } else { try blob(id, path) }
        knownBytes[id] = bytes
        try put(GitTree.Entry(id: id, kind: kind, bytes: bytes), at: path)
    }

    private mutating func put(_ entry: GitTree.Entry, at path: String) throws(GitError) {
        guard found.count < entryLimit else { throw tooLarge("it has more than \(entryLimit) files") }
        found[path] = entry
    }

    private func tooLarge(_ message: String) -> GitError { GitError(.tooLarge, operation: "read the tree", message: message) }

    /// Known before the blob is: one of gigabytes is never unpacked.
    private func blobSize(_ id: ObjectID, _ path: String) throws(GitError) -> Int {
        var (size, type, oid) = (0, GIT_OBJECT_BLOB, id.git)
        try GitError.checkStored("read \(path)") { git_odb_read_header(&size, &type, database, &oid) }
        return size
    }

    private func blob(_ id: ObjectID, _ path: String) throws(GitError) -> [UInt8] {
        var blob: OpaquePointer?
        var oid = id.git
        try GitError.checkStored("read \(path)") { git_blob_lookup(&blob, repository.pointer, &oid) }
        defer { git_blob_free(blob) }
        return Array(UnsafeRawBufferPointer(start: git_blob_rawcontent(blob), count: Int(git_blob_rawsize(blob))))
    }
}
