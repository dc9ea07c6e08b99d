import FileSystem
import Git

/// The commit that an operator's inventory is of, for the journal.
enum InventoryCommit {
    /// The newest commit of the repository around it, when it holds this very inventory; empty otherwise.
    static func id(of path: String) async -> String {
        guard let file = try? Files.realPath(path), let texts = try? InventoryOption.texts(around: file) else { return "" }
        var root = Files.directoryName(file)
        while !Files.exists(root + "/.git") {
            guard root != "/", !root.isEmpty else { return "" }
            root = Files.directoryName(root)
        }
        let prefix = root == "/" ? "/" : root + "/"
        let folder = String(Files.directoryName(file).dropFirst(prefix.count))
        guard let repository = try? await Repository(path: root), let head = try? await repository.commit(named: "HEAD"),
            let tree = try? await repository.tree(at: head, under: folder.isEmpty ? [] : [folder])
        else { return "" }
        let isSame = texts.allSatisfy { path, text in tree.text(String(path.dropFirst(prefix.count))) == text }
        return isSame ? head.hex : ""
    }
}
