internal import Glibc

extension Files {
    /// Names of a directory's entries in byte order, without "." and "..".
    package static func list(_ path: String) throws(FileError) -> [String] {
        guard let directory = opendir(path) else { throw FileError("list", path) }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                if errno != 0 { throw FileError("list", path) }
                break
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Makes a directory; one that is there already is fine.
    /// - Parameter mode: permission bits of the directories made here, whatever the umask.
    package static func makeDirectory(_ path: String, withParents: Bool = true, mode: UInt32 = 0o755) throws(FileError) {
        if mkdir(path, mode_t(mode)) == 0 {
            chmod(path, mode_t(mode))
            return
        }
        if errno == EEXIST, isDirectory(path) { return }
        guard errno == ENOENT, withParents else { throw FileError("make the directory", path) }
        let parent = directoryName(path)
        guard parent != path else { throw FileError("make the directory", path) }
        try makeDirectory(parent, withParents: true, mode: mode)
        try makeDirectory(path, withParents: false, mode: mode)
    }

    /// Removes a file, a symbolic link or an empty directory; one that is not there is fine.
    package static func remove(_ path: String) throws(FileError) {
        if Glibc.remove(path) != 0, errno != ENOENT { throw FileError("remove", path) }
    }

    /// Removes a directory with all that is in it, never following symbolic links.
    package static func removeTree(_ path: String) throws(FileError) {
        guard let status = try statusIfPresent(path, followLinks: false) else { return }
        if status.kind == .directory {
            for name in try list(path) { try removeTree(path + "/" + name) }
        }
        try remove(path)
    }

    /// Renames a file or directory within one file system, replacing a file that is at the new path.
    package static func move(_ path: String, to newPath: String) throws(FileError) {
        guard rename(path, newPath) == 0 else { throw FileError("move to \(newPath)", path) }
    }

    /// Makes a symbolic link at `path` that holds `target`.
    package static func link(_ path: String, to target: String) throws(FileError) {
        guard symlink(target, path) == 0 else { throw FileError("make the link", path) }
    }

    /// A new, empty directory (0700) of an unused name; the caller removes it.
    package static func makeTemporaryDirectory(prefix: String = "homelab") throws(FileError) -> String {
        var template = Array("\(temporaryDirectory)/\(prefix).XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw FileError("make a directory in", temporaryDirectory) }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// `$TMPDIR`, else /tmp.
    package static var temporaryDirectory: String { environment("TMPDIR") ?? "/tmp" }

    /// `$HOME`, else the home directory of the user database.
    package static var homeDirectory: String {
        if let home = environment("HOME") { return home }
        guard let record = getpwuid(getuid()), let home = record.pointee.pw_dir else { return "/" }
        return String(cString: home)
    }

    package static var currentDirectory: String {
        guard let path = getcwd(nil, 0) else { return "." }
        defer { free(path) }
        return String(cString: path)
    }

    /// An environment variable; set but empty counts as not set.
    package static func environment(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
