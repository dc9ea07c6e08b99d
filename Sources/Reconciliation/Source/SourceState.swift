package import Git
package import KubernetesModel

/// What is known of the repository now.
package struct SourceState: Hashable, Sendable {
    /// The newest commit of the branch in the mirror.
    package var commit: CommitInfo?
    package var problem: SourceProblem?
    /// When a new commit last came.
    package var lastChange: Timestamp?

    package init() {}
}
