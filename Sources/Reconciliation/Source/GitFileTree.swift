package import Git
package import Kustomize

/// A commit's files as a build reads them; symbolic links are followed inside the commit only. A submodule whose files are not fetched is
/// an empty directory to who lists what is there, and an error to who names it.
package struct GitFileTree: FileTree {
    let tree: GitTree
    private let directories: [String: Set<String>]

    package init(_ tree: GitTree) {
        self.tree = tree
        var directories: [String: Set<String>] = ["": []]
        for (path, entry) in tree.entries {
            var child = path[...]
            var isFetched = entry.kind != .submodule
            while !child.isEmpty {
                let slash = child.lastIndex(of: "/")
                let parent = slash.map { child[..<$0] } ?? ""
                let name = slash.map { child[child.index(after: $0)...] } ?? child
                if isFetched {
                    if directories[String(parent), default: []].insert(String(name)).inserted == false { break }
                } else {
                    directories[String(parent), default: []].formUnion([])
                    isFetched = true
                }
                child = parent
            }
        }
        self.directories = directories
    }

    package func hasDirectory(_ path: String) -> Bool { (try? resolve(path))??.isDirectory == true }

    package func resolve(_ path: String) throws(FileTreeError) -> TreeEntry? {
        var pending = path.split(separator: "/").map(String.init)[...]
        var here: [String] = []
        var links = 0
        while let name = pending.popFirst() {
            if name == "." { continue }
            if name == ".." {
                guard here.popLast() != nil else { throw FileTreeError("it leads out of the repository") }
                continue
            }
            here.append(name)
            guard let entry = tree.entries[here.joined(separator: "/")], entry.kind == .symbolicLink else { continue }
            links += 1
            guard links <= 40 else { throw FileTreeError("its symbolic links lead in a circle") }
            let target = String(decoding: entry.bytes, as: UTF8.self)
            guard !target.hasPrefix("/") else {
                throw FileTreeError("it leads out of the repository through a symbolic link, to \(target)")
            }
            here.removeLast()
            pending = (target.split(separator: "/").map(String.init) + pending)[...]
        }
        let resolved = here.joined(separator: "/")
        if let entry = tree.entries[resolved] {
            guard entry.kind != .submodule else { throw FileTreeError("it is a submodule, whose files are not fetched") }
            return TreeEntry(path: resolved, isDirectory: false)
        }
        return directories[resolved] == nil ? nil : TreeEntry(path: resolved, isDirectory: true)
    }

    package func read(_ path: String, limit: Int) throws(FileTreeError) -> [UInt8] {
        guard let bytes = tree.file(path) else { throw FileTreeError("there is no such file") }
        guard bytes.count <= limit else { throw FileTreeError("it is larger than \(limit) bytes") }
        return bytes
    }

    package func entries(_ path: String) throws(FileTreeError) -> [String] {
        guard let names = directories[path] else { throw FileTreeError("there is no such directory") }
        return Array(names)
    }

    /// The same as long as everything at these paths is: the content of files, the names in directories.
    func fingerprint(of paths: Set<String>) -> Int {
        var hasher = Hasher()
        for path in paths.sorted() {
            hasher.combine(path)
            if let entry = tree.entries[path] {
                hasher.combine(entry.id)
            } else {
                hasher.combine(directories[path])
            }
        }
        return hasher.finalize()
    }
}
