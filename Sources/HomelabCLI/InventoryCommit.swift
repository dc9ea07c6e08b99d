import FileSystem
import Git

/// The commit that an operator's inventory is of, for the journal.
enum InventoryCommit {
    /// The newest commit of the repository around it, when it holds this very inventory; empty otherwise.
    static func id(of path: String) async -> String {
        guard let file = try? Files.realPath(path), let texts = try? InventoryOption.texts(around: file),
            let root = WorkTree.root(around: file)
        else { return "" }
        let folder = WorkTree.path(Files.directoryName(file), from: root)
        guard let repository = try? await Repository(path: root), let head = try? await repository.commit(named: "HEAD"),
            let tree = try? await repository.tree(at: head, under: folder.isEmpty ? [] : [folder])
        else { return "" }
        let isSame = texts.allSatisfy { path, text in tree.text(WorkTree.path(path, from: root)) == text }
        return isSame ? head.hex : ""
    }
}
