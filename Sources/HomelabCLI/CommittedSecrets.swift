import Diagnostics
import FileSystem
import Git
import NodeInventory

/// Files with secrets that an inventory names and that git has, or would take with the next `git add`.
enum CommittedSecrets {
    /// One warning for each file. Only the inventory's own work tree is asked, and a file that is not here is not in it.
    static func findings(_ spec: ClusterSpec, inventory: String) async -> Diagnostics {
        var found = Diagnostics()
        guard !spec.secretFiles.isEmpty, let real = try? Files.realPath(inventory), let root = WorkTree.root(around: real),
            let repository = try? await Repository(path: root)
        else { return found }
        var told: Set<String> = []
        for file in spec.secretFiles {
            // Of a symbolic link git keeps where it leads, not what is there.
            guard let path = try? Files.realPath(OperatorFiles.path(file.path, from: Files.directoryName(inventory))),
                WorkTree.root(around: path) == root, told.insert(path).inserted
            else { continue }
            if let warning = await warning(file, WorkTree.path(path, from: root), repository) { found.append(warning) }
        }
        return found
    }

    private static func warning(_ file: SecretFile, _ name: String, _ repository: Repository) async -> Diagnostic? {
        let state: WorkTreeState
        do throws(GitError) { state = try await repository.state(of: name) } catch {
            return Diagnostic(
                .warning, "whether git has the secret's file \(file.path) is not known", subject: file.field, at: file.location,
                cause: error.description, remedy: "see that `git check-ignore \(name)` names it")
        }
        switch state {
        case .ignored, .filtered: return nil
        case .untracked:
            return Diagnostic(
                .warning, "the next `git add` takes the secret's file \(file.path) along", subject: file.field, at: file.location,
                remedy: "move it out of the repository, or write /\(name) into .gitignore")
        case .tracked:
            return Diagnostic(
                .warning, "git has the secret's file \(file.path)", subject: file.field, at: file.location,
                remedy: "move it out of the repository, or write /\(name) into .gitignore and run `git rm --cached \(name)`\n"
                    + "where it has been pushed, change the secret itself, too: it stays in the history")
        }
    }
}
