package import Git
import KubernetesModel

/// Reads a commit's files once for all units that are built from them, and remembers which commit follows from which.
package actor CommitTrees {
    private struct Step: Hashable {
        var old, new: ObjectID
    }

    private let repository: any RepositorySource
    /// The newest last.
    private var known: [(commit: ObjectID, files: GitFileTree)] = []
    private var underway: [ObjectID: Task<Result<GitFileTree, SourceProblem>, Never>] = [:]
    /// Asked once, however many units want to know.
    private var descents: [Step: Task<Result<Bool, SourceProblem>, Never>] = [:]

    private let ignore: String?

    /// - Parameter ignore: which files are left out instead of the default ones, as gitignore has it.
    init(repository: any RepositorySource, ignore: String?) {
        self.repository = repository
        self.ignore = ignore
    }

    package func files(of commit: ObjectID) async throws(SourceProblem) -> GitFileTree {
        if let found = known.first(where: { $0.commit == commit }) { return found.files }
        let reading =
            underway[commit]
            ?? Task { [repository, ignore] in
                do throws(SourceProblem) {
                    let tree = try await repository.tree(of: commit, under: [])
                    return .success(GitFileTree(IgnoreRules(for: tree, ignore: ignore).applied(to: tree)))
                } catch {
                    return .failure(error)
                }
            }
        underway[commit] = reading
        let result = await reading.value
        if underway.removeValue(forKey: commit) != nil, case .success(let files) = result {
            // One more than the newest, for the units that cannot leave the one before.
            known = known.suffix(1) + [(commit, files)]
        }
        return try result.get()
    }

    /// Whether `old` is in the history of `new`.
    package func isAncestor(_ old: ObjectID, of new: ObjectID) async throws(SourceProblem) -> Bool {
        let step = Step(old: old, new: new)
        if let asked = descents[step] { return try await asked.value.get() }
        if descents.count > 1000 { descents = [:] }
        let question = Task { [repository] in
            do throws(SourceProblem) { return Result<Bool, SourceProblem>.success(try await repository.isAncestor(old, of: new)) } catch {
                return .failure(error)
            }
        }
        descents[step] = question
        let answer = await question.value
        if case .failure = answer { descents[step] = nil }
        return try answer.get()
    }
}
