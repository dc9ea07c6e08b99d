// The support module includes the same headers, and a build finds their constants in only one of the two.
internal import CGitSupport
internal import CLibgit2
internal import Glibc

extension RepositoryHandle {
    private var packDirectory: String { String(cString: git_repository_path(pointer)) + "objects/pack" }

    /// See ``Repository/isScattered(above:bytes:)``.
    func isScattered(above limit: Int, bytes: Int) -> Bool {
        let packs = Self.files(in: packDirectory).filter { $0.hasSuffix(".pack") }
        let sizes = packs.map { Self.size(of: [$0], in: packDirectory) }
        let largest = sizes.max() ?? 0
        return packs.count > limit || sizes.reduce(0, +) - largest > max(largest, bytes)
    }

    /// See ``Repository/consolidate(keeping:)``.
    func consolidate(keeping commits: Set<ObjectID>?) throws(GitError) -> Bool {
        let directory = packDirectory
        let old = Self.files(in: directory).filter { $0.hasSuffix(".pack") }
        // There has to be room for all of it again.
        guard !old.isEmpty, Self.size(of: old, in: directory) + (64 << 20) < FreeSpace.bytes(in: directory) else { return false }
        let operation = "put the packs of \(directory) together"
        guard let new = try written(to: directory, keeping: commits, operation) else { return false }
        for pack in old where pack != "pack-\(new).pack" {
            let name = pack.dropLast(".pack".count)
            // The index last made it a pack, and goes first.
            for ending in [".idx", ".pack", ".rev", ".keep"] { unlink("\(directory)/\(name)\(ending)") }
        }
        return true
    }

    /// Writes a pack of what stays; gives the name behind `pack-`, nil when that is nothing.
    private func written(to directory: String, keeping commits: Set<ObjectID>?, _ operation: String) throws(GitError) -> String? {
        var (builder, database): (OpaquePointer?, OpaquePointer?) = (nil, nil)
        try GitError.check(operation) { git_packbuilder_new(&builder, pointer) }
        defer { git_packbuilder_free(builder) }
        try GitError.check(operation) { git_repository_odb(&database, pointer) }
        defer { git_odb_free(database) }
        if let commits {
            try insertTags(into: builder, operation)
            try insertHistory(of: commits, into: builder, from: database, operation)
        } else {
            try GitError.check(operation) {
                git_odb_foreach(
                    database, { id, builder in git_packbuilder_insert(OpaquePointer(builder), id, nil) }, UnsafeMutableRawPointer(builder))
            }
        }
        guard git_packbuilder_object_count(builder) > 0 else { return nil }
        try GitError.check(operation) { git_packbuilder_write(builder, directory, 0, nil, nil) }
        return git_packbuilder_name(builder).map { String(cString: $0) }
    }

    /// All that the commits of references, and these commits as far as they are there, lead to.
    private func insertHistory(
        of commits: Set<ObjectID>, into builder: OpaquePointer?, from database: OpaquePointer?, _ operation: String
    ) throws(GitError) {
        var walk: OpaquePointer?
        try GitError.check(operation) { git_revwalk_new(&walk, pointer) }
        defer { git_revwalk_free(walk) }
        try GitError.check(operation) { git_revwalk_push_glob(walk, "refs/*") }
        for commit in commits {
            var oid = commit.git
            if git_odb_exists(database, &oid) == 1 { try GitError.check(operation) { git_revwalk_push(walk, &oid) } }
        }
        try GitError.check(operation) { git_packbuilder_insert_walk(builder, walk) }
    }

    /// The objects of annotated tags, which no commit leads to, and tags of what is no commit.
    private func insertTags(into builder: OpaquePointer?, _ operation: String) throws(GitError) {
        var references: OpaquePointer?
        try GitError.check(operation) { git_reference_iterator_new(&references, pointer) }
        defer { git_reference_iterator_free(references) }
        while true {
            var (reference, object): (OpaquePointer?, OpaquePointer?) = (nil, nil)
            let code = git_reference_next(&reference, references)
            if code == GIT_ITEROVER.rawValue { return }
            try GitError.check(operation) { code }
            defer { git_reference_free(reference) }
            guard let target = git_reference_target(reference) else { continue }
            try GitError.check(operation) { git_object_lookup(&object, pointer, target, GIT_OBJECT_ANY) }
            defer { git_object_free(object) }
            if git_object_type(object) != GIT_OBJECT_COMMIT {
                try GitError.check(operation) { git_packbuilder_insert_recur(builder, target, nil) }
            }
        }
    }

    private static func size(of files: [String], in directory: String) -> Int {
        files.reduce(0) { sum, name in
            var status = stat()
            return stat("\(directory)/\(name)", &status) == 0 ? sum + Int(status.st_size) : sum
        }
    }

    private static func files(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }
}
