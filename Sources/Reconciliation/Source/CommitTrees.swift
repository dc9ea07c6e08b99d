package import Git
import KubernetesModel

/// Reads a commit's files once for all units that are built from them, and remembers which commit follows from which.
package actor CommitTrees {
    private struct Step: Hashable {
        var old, new: ObjectID
    }

    /// A commit, and those that others put into it.
    private struct Content: Hashable {
        var commit: ObjectID
        var included: [ObjectID]
    }

    private let repository: any RepositorySource
    private var rules: SourceRules
    private let inclusions: Shared<[SourceInclusion]>
    /// The newest last.
    private var known: [(content: Content, files: GitFileTree)] = []
    private var underway: [Content: Task<Result<GitFileTree, SourceProblem>, Never>] = [:]
    /// What is too large, which only another commit or other rules change; the newest last.
    private var refused: [(content: Content, problem: SourceProblem)] = []
    /// Asked once, however many units want to know.
    private var descents: [Step: Task<Result<Bool, SourceProblem>, Never>] = [:]

    init(repository: any RepositorySource, rules: SourceRules, inclusions: Shared<[SourceInclusion]>) {
        self.repository = repository
        self.rules = rules
        self.inclusions = inclusions
    }

    /// Takes the rules of gitignore that a GitRepository has besides those of the `.sourceignore` files.
    /// - Returns: Whether they are others than before.
    func heed(ignore: String?) -> Bool {
        guard rules.ignore != ignore else { return false }
        rules.ignore = ignore
        (known, underway, refused) = ([], [:], [])
        return true
    }

    package func files(of commit: ObjectID) async throws(SourceProblem) -> GitFileTree {
        var (parts, content) = ([IncludedPart](), Content(commit: commit, included: []))
        for inclusion in inclusions.value {
            let included = try inclusion.commits().map(\.id)
            content.included += included
            if let source = inclusion.source { parts.append(IncludedPart(spec: inclusion.spec, trees: source.trees, commit: included[0])) }
        }
        if let found = known.first(where: { $0.content == content }) { return found.files }
        if let found = refused.first(where: { $0.content == content }) { throw found.problem }
        let reading =
            underway[content]
            ?? Task { [repository, rules, parts, old = known.last?.files.tree] in
                do throws(SourceProblem) {
                    // First the files that say which are source, so that no other is read in vain.
                    let ignoring = try await repository.tree(of: commit, under: rules.read) { IgnoreRules.isFile($0) }
                    let ignore = IgnoreRules(in: ignoring, ignore: rules.ignore)
                    var tree = try await repository.tree(of: commit, under: rules.read, keeping: { ignore.keeps($0) }, reusing: old)
                    for part in parts { tree = try await part.put(into: tree) }
                    if !parts.isEmpty {
                        // What others put in is judged too (as in Flux), and brings rules of its own.
                        let judging = ignoring.entries.merging(tree.entries.filter { IgnoreRules.isFile($0.key) }) { $1 }
                        let all = IgnoreRules(in: GitTree(commit: commit, entries: judging), ignore: rules.ignore)
                        tree = GitTree(commit: commit, entries: tree.entries.filter { all.keeps($0.key) })
                    }
                    return .success(GitFileTree(tree))
                } catch {
                    return .failure(error)
                }
            }
        underway[content] = reading
        let result = await reading.value
        if underway[content] == reading {
            underway[content] = nil
            switch result {
            // One more than the newest, for the units that cannot leave the one before.
            case .success(let files): known = known.suffix(1) + [(content, files)]
            // What others put in may be judged by other rules before there is another commit.
            case .failure(let problem) where problem.kind == .tooLarge && parts.isEmpty: refused = refused.suffix(1) + [(content, problem)]
            case .failure: break
            }
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

/// A directory of another repository's commit on its way into a tree.
private struct IncludedPart: Sendable {
    let spec: GitRepositorySpec.Inclusion
    let trees: CommitTrees
    let commit: ObjectID

    /// What it brings takes the place of what is there.
    func put(into tree: GitTree) async throws(SourceProblem) -> GitTree {
        let files = try await trees.files(of: commit)
        let from = spec.fromPath.isEmpty ? "" : spec.fromPath + "/"
        guard from.isEmpty || files.hasDirectory(spec.fromPath) else {
            throw SourceProblem(.includeMissing, "the GitRepository \(spec.repository) of spec.include has no directory \(spec.fromPath)")
        }
        var entries = tree.entries.filter { !$0.key.hasPrefix(spec.toPath + "/") }
        for (path, entry) in files.tree.entries where path.hasPrefix(from) {
            entries["\(spec.toPath)/\(path.dropFirst(from.count))"] = entry
        }
        return GitTree(commit: tree.commit, entries: entries)
    }
}
