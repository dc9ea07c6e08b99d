internal import Glibc

/// What the system knows of a path.
package struct FileStatus: Hashable, Sendable {
    package enum Kind: Hashable, Sendable { case file, directory, symbolicLink, other }

    package let kind: Kind
    /// Bytes.
    package let size: Int
    /// Permission bits only (0o7777).
    package let mode: UInt32
    package let owner: UInt32
    package let group: UInt32
    /// Seconds since 1970.
    package let modified: Int
}

extension Files {
    /// The path's status; symbolic links are followed unless told otherwise.
    package static func status(_ path: String, followLinks: Bool = true) throws(FileError) -> FileStatus {
        var status = Glibc.stat()
        guard fstatat(AT_FDCWD, path, &status, followLinks ? 0 : AT_SYMLINK_NOFOLLOW) == 0 else { throw FileError("look at", path) }
        let kind: FileStatus.Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            default: .other
            }
        return FileStatus(
            kind: kind, size: Int(status.st_size), mode: status.st_mode & 0o7777, owner: status.st_uid, group: status.st_gid,
            modified: status.st_mtim.tv_sec)
    }

    /// nil when nothing is there.
    package static func statusIfPresent(_ path: String, followLinks: Bool = true) throws(FileError) -> FileStatus? {
        do throws(FileError) {
            return try status(path, followLinks: followLinks)
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    /// Something is there (a dangling symbolic link counts as nothing).
    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// This process may read what is there.
    package static func isReadable(_ path: String) -> Bool { access(path, R_OK) == 0 }

    package static func isDirectory(_ path: String) -> Bool {
        var status = Glibc.stat()
        return fstatat(AT_FDCWD, path, &status, 0) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The absolute path without symbolic links, "." and ".."; the path must exist.
    package static func realPath(_ path: String) throws(FileError) -> String {
        guard let resolved = realpath(path, nil) else { throw FileError("resolve", path) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// What a symbolic link holds.
    package static func linkTarget(_ path: String) throws(FileError) -> String {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) { chars in
                chars.baseAddress.map { readlink(path, $0, chars.count) } ?? -1
            }
        }
        guard count >= 0 else { throw FileError("read the link", path) }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// The part before the last slash: "a/b" gives "a", "/a" gives "/", "a" gives ".".
    package static func directoryName(_ path: String) -> String {
        var end = path.endIndex
        while end > path.startIndex, path[path.index(before: end)] == "/" { end = path.index(before: end) }
        guard let slash = path[..<end].lastIndex(of: "/") else { return path.hasPrefix("/") ? "/" : "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The part after the last slash: "a/b" gives "b".
    package static func baseName(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }

    /// `~` and `~/…` become the home directory; other paths stay.
    package static func expandingHome(_ path: String) -> String {
        if path == "~" { return homeDirectory }
        return path.hasPrefix("~/") ? homeDirectory + path.dropFirst(1) : path
    }
}
