package import Diagnostics
package import FileSystem
import Synchronization

/// The files a build reads: a folder on disk, a tree in git, or files in memory. Paths are relative to the tree's root, parts
/// joined by `/`, without `.` and `..`; the root itself is the empty path. No path leads out of the tree.
package protocol FileTree: Sendable {
    /// What is at a path once all symbolic links are followed, nil when there is nothing.
    func resolve(_ path: String) throws(FileTreeError) -> TreeEntry?
    /// The bytes of a file at a resolved path, at most `limit` of them: a larger file is an error.
    func read(_ path: String, limit: Int) throws(FileTreeError) -> [UInt8]
    /// The same where it makes a difference what becomes of them.
    func read(_ path: String, limit: Int, for use: FileUse) throws(FileTreeError) -> [UInt8]
    /// The names in a directory at a resolved path, in any order.
    func entries(_ path: String) throws(FileTreeError) -> [String]
}

extension FileTree {
    package func read(_ path: String, limit: Int, for use: FileUse) throws(FileTreeError) -> [UInt8] { try read(path, limit: limit) }
}

/// What becomes of a file's bytes, which a tree that decrypts goes by.
package enum FileUse: Hashable, Sendable {
    /// Objects, patches, and all else that is read as YAML or JSON.
    case content
    /// The value of this key of a generated Secret.
    case secretValue(key: String)
    /// Lines `KEY=value` for a generated Secret.
    case secretEnvironment
    /// They go into a generated ConfigMap as they are.
    case configuration
}

package struct TreeEntry: Hashable, Sendable {
    /// Without symbolic links.
    package var path: String
    package var isDirectory: Bool

    package init(path: String, isDirectory: Bool) {
        self.path = path
        self.isDirectory = isDirectory
    }
}

/// Why a file cannot be had: it leads out of the tree, is too large, or the system says no.
package struct FileTreeError: Error, Hashable, Sendable {
    package var reason: String
    /// What is wrong with the file itself, at its own places; empty where the reason says all.
    package var problems: [Diagnostic] = []

    package init(_ reason: String) { self.reason = reason }

    package init(_ problems: Diagnostics) {
        reason = problems.all.first?.summary ?? ""
        self.problems = problems.all
    }
}

/// A folder on disk; symbolic links are followed as long as they stay in it.
package final class DiskFileTree: FileTree {
    private let root: String
    /// The real paths of directories met so far: most files of a build lie side by side.
    private let directories = Mutex<[String: String]>([:])

    /// `root` is a directory; `/` for a tree that is the whole machine, as `homelab build` uses it.
    package init(root: String) throws(FileError) {
        let real = try Files.realPath(root)
        self.root = real == "/" ? "" : real
    }

    package func resolve(_ path: String) throws(FileTreeError) -> TreeEntry? {
        guard let (real, status) = try found(absolute(path)) else { return nil }
        guard root.isEmpty || real == root || real.hasPrefix(root + "/") else {
            throw FileTreeError("it leads out of the tree through a symbolic link, to \(real)")
        }
        let inside = String(real.dropFirst(root.count + 1))
        switch status.kind {
        case .directory: return TreeEntry(path: inside, isDirectory: true)
        case .file: return TreeEntry(path: inside, isDirectory: false)
        case .symbolicLink, .other: throw FileTreeError("it is neither a file nor a directory")
        }
    }

    /// The real path and what is there, nil when there is nothing.
    private func found(_ path: String) throws(FileTreeError) -> (String, FileStatus)? {
        do throws(FileError) {
            let directory = try realDirectory(Path.directory(of: path))
            let beside = directory + "/" + Path.name(of: path)
            guard let status = try Files.statusIfPresent(beside, followLinks: false) else { return nil }
            if status.kind != .symbolicLink, beside != "/" { return (beside, status) }
            let real = try Files.realPath(beside)
            return try Files.statusIfPresent(real).map { (real, $0) }
        } catch {
            if error.isNotFound { return nil }
            throw FileTreeError(error.reason)
        }
    }

    private func realDirectory(_ path: String) throws(FileError) -> String {
        if let known = directories.withLock({ $0[path] }) { return known }
        let real = try Files.realPath(path.isEmpty ? "/" : path)
        directories.withLock { $0[path] = real == "/" ? "" : real }
        return real == "/" ? "" : real
    }

    package func read(_ path: String, limit: Int) throws(FileTreeError) -> [UInt8] {
        do throws(FileError) { return try Files.read(absolute(path), limit: limit) } catch { throw FileTreeError(error.reason) }
    }

    package func entries(_ path: String) throws(FileTreeError) -> [String] {
        do throws(FileError) { return try Files.list(absolute(path)) } catch { throw FileTreeError(error.reason) }
    }

    private func absolute(_ path: String) -> String { path.isEmpty ? (root.isEmpty ? "/" : root) : root + "/" + path }
}

/// Files held in memory.
package struct MemoryFileTree: FileTree {
    private var files: [String: [UInt8]] = [:]
    private var directories: [String: Set<String>] = ["": []]

    /// Paths and texts.
    package init(_ files: [String: String] = [:]) {
        for (path, text) in files { add(path, Array(text.utf8)) }
    }

    package mutating func add(_ path: String, _ bytes: [UInt8]) {
        files[path] = bytes
        var child = path
        while !child.isEmpty {
            let parent = Path.directory(of: child)
            directories[parent, default: []].insert(Path.name(of: child))
            child = parent
        }
    }

    package func resolve(_ path: String) -> TreeEntry? {
        if files[path] != nil { return TreeEntry(path: path, isDirectory: false) }
        return directories[path] != nil ? TreeEntry(path: path, isDirectory: true) : nil
    }

    package func read(_ path: String, limit: Int) throws(FileTreeError) -> [UInt8] {
        guard let bytes = files[path] else { throw FileTreeError("there is no such file") }
        guard bytes.count <= limit else { throw FileTreeError("it is larger than \(limit) bytes") }
        return bytes
    }

    package func entries(_ path: String) throws(FileTreeError) -> [String] {
        guard let names = directories[path] else { throw FileTreeError("there is no such directory") }
        return Array(names)
    }
}
