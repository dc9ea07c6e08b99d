import FileSystem

/// The work tree of git that a file lies in.
enum WorkTree {
    /// Its root, the nearest one; nil where there is none.
    /// - Parameter path: of a file, absolute and without symbolic links.
    static func root(around path: String) -> String? {
        var root = Files.directoryName(path)
        while !Files.exists(root + "/.git") {
            guard root != "/", !root.isEmpty else { return nil }
            root = Files.directoryName(root)
        }
        return root
    }

    /// The path from a root that it lies below.
    static func path(_ path: String, from root: String) -> String {
        String(decoding: path.utf8.dropFirst(root == "/" ? 1 : root.utf8.count + 1), as: UTF8.self)
    }
}
