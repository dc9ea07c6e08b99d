package import KubernetesModel
package import SyncPlanning

/// A part of the repository that is kept in the cluster as one: the unit that bootstrap makes covers `clusters/<cluster>/`.
package struct UnitSpec: Hashable, Sendable {
    /// Namespace and name, as the owner labels of its objects say.
    package var owner: Ownership
    /// Directory in the repository.
    package var path: String
    package var prune: PrunePolicy
    /// How long the objects of a revision may take until they are healthy before that is called a failure.
    package var healthTimeout: Duration
    /// Applies that are under way at the same time.
    package var parallelism: Int

    package init(
        owner: Ownership, path: String, prune: PrunePolicy = PrunePolicy(), healthTimeout: Duration = .seconds(300), parallelism: Int = 8
    ) {
        self.owner = owner
        self.path = path
        self.prune = prune
        self.healthTimeout = healthTimeout
        self.parallelism = parallelism
    }

    package var name: String { owner.name }
}
