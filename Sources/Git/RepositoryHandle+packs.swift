internal import CLibgit2
internal import Glibc

extension RepositoryHandle {
    /// See ``Repository/consolidate(above:)``.
    func consolidate(above limit: Int) throws(GitError) -> Bool {
        let directory = String(cString: git_repository_path(pointer)) + "objects/pack"
        let old = Self.files(in: directory).filter { $0.hasSuffix(".pack") }
        // The library writes through mapped memory, where a full disk would end the process: there has to be room for all of it again.
        guard old.count > limit, Self.size(of: old, in: directory) + (64 << 20) < Self.free(in: directory) else { return false }
        let operation = "put the packs of \(directory) together"
        let new = try written(to: directory, operation)
        for pack in old where pack != "pack-\(new).pack" {
            let name = pack.dropLast(".pack".count)
            // The index last made it a pack, and goes first.
            for ending in [".idx", ".pack", ".rev", ".keep"] { unlink("\(directory)/\(name)\(ending)") }
        }
        return true
    }

    /// Writes a pack of every object; gives the name behind `pack-`.
    private func written(to directory: String, _ operation: String) throws(GitError) -> String {
        var (builder, database): (OpaquePointer?, OpaquePointer?) = (nil, nil)
        try GitError.check(operation) { git_packbuilder_new(&builder, pointer) }
        defer { git_packbuilder_free(builder) }
        try GitError.check(operation) { git_repository_odb(&database, pointer) }
        defer { git_odb_free(database) }
        try GitError.check(operation) {
            git_odb_foreach(
                database, { id, builder in git_packbuilder_insert(OpaquePointer(builder), id, nil) }, UnsafeMutableRawPointer(builder))
        }
        try GitError.check(operation) { git_packbuilder_write(builder, directory, 0, nil, nil) }
        return git_packbuilder_name(builder).map { String(cString: $0) } ?? ""
    }

    private static func size(of files: [String], in directory: String) -> Int {
        files.reduce(0) { sum, name in
            var status = stat()
            return stat("\(directory)/\(name)", &status) == 0 ? sum + Int(status.st_size) : sum
        }
    }

    private static func free(in directory: String) -> Int {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return 0 }
        return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
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
