package import Git
package import KubernetesModel

/// What is known of the repository now.
package struct SourceState: Hashable, Sendable {
    /// The newest commit of the branch in the mirror.
    package var commit: CommitInfo?
    package var problem: SourceProblem?
    /// Who signed the commit; empty where nobody has to.
    package var signers = ""
    /// The commits whose files `spec.include` puts into the tree.
    package var included: [CommitInfo] = []
    /// When a new commit last came.
    package var lastChange: Timestamp?

    package init() {}
}
