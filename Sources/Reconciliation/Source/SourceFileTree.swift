package import Kustomize

/// The files of a folder that are source: without those that `.sourceignore` files and a GitRepository's `spec.ignore` leave out, as the
/// agent sees them in a commit. A directory that has no other is not there.
package struct SourceFileTree: FileTree {
    private let base: any FileTree
    private let files: Set<String>
    private let directories: [String: Set<String>]
    /// Directories that only the system knows the names in, and does not tell.
    private let closed: Set<String>

    /// Looks through the whole folder, but not for git's own.
    package init(_ base: any FileTree, ignore: String? = nil) throws(FileTreeError) {
        self.base = base
        var (found, closed): ([String], Set<String>) = ([], [])
        var pending = [""]
        while let directory = pending.popLast() {
            let names: [String]
            do throws(FileTreeError) { names = try base.entries(directory) } catch {
                if directory.isEmpty { throw error }
                closed.insert(directory)
                continue
            }
            for name in names where name != ".git" {
                let path = directory.isEmpty ? name : directory + "/" + name
                if Self.isDirectory(path, in: base) { pending.append(path) } else { found.append(path) }
            }
        }
        var rules: [String: String] = [:]
        for path in found where IgnoreRules.isFile(path) {
            do throws(FileTreeError) {
                guard let entry = try base.resolve(path), !entry.isDirectory else { continue }
                rules[path] = String(decoding: try base.read(entry.path, limit: 1 << 20), as: UTF8.self)
            } catch {
                throw FileTreeError("\(path): \(error.reason)")
            }
        }
        let ignore = IgnoreRules(files: rules, ignore: ignore)
        var (files, directories): (Set<String>, [String: Set<String>]) = ([], ["": []])
        for path in found where ignore.keeps(path) {
            files.insert(path)
            var child = path[...]
            while !child.isEmpty {
                let slash = child.lastIndex(of: "/")
                let parent = slash.map { child[..<$0] } ?? ""
                let name = slash.map { child[child.index(after: $0)...] } ?? child
                guard directories[String(parent), default: []].insert(String(name)).inserted else { break }
                child = parent
            }
        }
        (self.files, self.directories, self.closed) = (files, directories, closed)
    }

    /// A link is none, wherever it leads: it is judged by its own path.
    private static func isDirectory(_ path: String, in base: any FileTree) -> Bool {
        do throws(FileTreeError) {
            guard let entry = try base.resolve(path) else { return false }
            return entry.isDirectory && entry.path == path
        } catch {
            return false
        }
    }

    package func resolve(_ path: String) throws(FileTreeError) -> TreeEntry? {
        guard let entry = try base.resolve(path) else { return nil }
        let isThere = entry.isDirectory ? directories[entry.path] != nil || closed.contains(entry.path) : files.contains(entry.path)
        return isThere ? entry : nil
    }

    package func read(_ path: String, limit: Int) throws(FileTreeError) -> [UInt8] { try base.read(path, limit: limit) }

    package func entries(_ path: String) throws(FileTreeError) -> [String] {
        if let names = directories[path] { return Array(names) }
        guard closed.contains(path) else { throw FileTreeError("there is no such directory") }
        return try base.entries(path)
    }
}
