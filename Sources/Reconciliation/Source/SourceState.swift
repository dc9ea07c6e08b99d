package import Git
package import KubernetesModel

/// What is known of the repository now.
package struct SourceState: Hashable, Sendable {
    /// The newest commit of the branch in the mirror.
    package var commit: CommitInfo?
    /// How commits were called when they came, the last last: of a range of versions, each time another tag.
    package private(set) var names: [CommitName] = []
    package var problem: SourceProblem?
    /// What the repository has meanwhile, and this server has no room for or cannot read.
    package private(set) var missed: CommitName?
    /// Who signed the commit; empty where nobody has to.
    package var signers = ""
    /// Why the commit would not be taken now; it was, before it had to be signed as it has to be now, and stays.
    package var doubt = ""
    /// Nobody has looked yet whose commits count, so that there is none.
    package var isUndecided = false
    /// The commits whose files `spec.include` puts into the tree.
    package var included: [CommitInfo] = []
    /// What the agent's own repository says itself that is none of its files (`spec.ignore` of its GitRepository).
    package var ignore: String?
    /// The commits that are accepted although they do not contain those before, by the GitRepository or the agent's own unit that says so.
    package private(set) var accepted: [ObjectKey: String] = [:]
    /// When a new commit last came.
    package var lastChange: Timestamp?

    package init() {}

    /// How a commit was called.
    package struct CommitName: Hashable, Sendable {
        package var commit: ObjectID
        /// What stands before the `@` of a revision; nil where that is always the same.
        package var reference: String?
    }

    mutating func accept(_ commit: String?, by key: ObjectKey) { accepted[key] = commit }

    /// Whether a person has accepted, for all units of a GitRepository, that the branch was moved to this commit. What is accepted for the
    /// agent's own unit is so for all; another GitRepository of the same URL may be somebody's who has no say here.
    func accepts(_ commit: ObjectID, in repository: ObjectKey) -> Bool {
        accepted.contains { ($0.key == repository || $0.key.unit != nil) && commit.isMeant(by: $0.value) }
    }

    mutating func note(_ problem: SourceProblem?, missed: CommitName?) { (self.problem, self.missed) = (problem, missed) }

    mutating func name(_ commit: ObjectID, _ reference: String?) {
        names = names.filter { $0.commit != commit }.suffix(9) + [CommitName(commit: commit, reference: reference)]
    }
}

extension ObjectID {
    /// Whether a person who writes this means the commit: seven digits of it are enough, as git shortens them.
    func isMeant(by text: String) -> Bool { text.count >= 7 && hex.hasPrefix(text) }
}
