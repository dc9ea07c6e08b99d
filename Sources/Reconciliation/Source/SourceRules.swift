import Git
package import KubernetesModel

/// What a GitRepository makes of the commits it follows: which files count, and whose signature they need.
package struct SourceRules: Sendable {
    /// Rules in the grammar of gitignore, added to those of the `.sourceignore` files.
    package var ignore: String?
    /// The directories that are read; all with none given.
    package var directories: [String] = []
    package var verification: CommitVerification?

    package init() {}

    /// The directories that are wanted, and what says which of their files are.
    var read: [String] { directories.isEmpty ? [] : directories + [".sourceignore"] }

    /// - Parameter keys: the data of the Secret that `spec.verify` names.
    package init(_ spec: GitRepositorySpec, keys: [String: [UInt8]]) throws {
        ignore = spec.ignore
        directories = spec.sparseDirectories
        verification = try spec.verification.map { try CommitVerification($0, data: keys) }
    }
}

/// A part of another repository's tree that is put into this one's (`spec.include`).
struct SourceInclusion: Sendable {
    let spec: GitRepositorySpec.Inclusion
    /// Whether there is such a GitRepository.
    let exists: Bool
    /// nil while there is nothing to include: it is not there, cannot be opened, or includes this one in turn.
    let source: GitSource?

    /// The commit whose files are put in now, and behind it those that others put into its own tree.
    func commits() throws(SourceProblem) -> [CommitInfo] {
        guard let source else {
            let why = exists ? "cannot be included" : "is not there"
            throw SourceProblem(
                exists ? .includeEmpty : .includeMissing, "spec.include names the GitRepository \(spec.repository), which \(why)")
        }
        let state = source.state.value
        guard let commit = state.commit else {
            throw SourceProblem(.includeEmpty, "the GitRepository \(spec.repository) of spec.include has no commit yet")
        }
        return [commit] + state.included
    }
}
