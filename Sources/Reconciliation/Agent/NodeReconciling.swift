package import Diagnostics
package import Git

/// Keeps the machines as the inventory of a commit says. Called by the leader, beside the sync of objects, and never by two at once.
package protocol NodeReconciling: Sendable {
    /// Does what can be done now and says how the nodes are; called again for every new commit and when its own wait is over.
    /// - Parameters:
    ///   - isSuperseded: asked between two steps; when true a newer commit is waiting, and the rest of this one is left.
    ///   - report: shows the state in between.
    func reconcile(
        commit: CommitInfo, tree: GitTree, isSuperseded: @escaping @Sendable () -> Bool,
        report: @escaping @Sendable (NodesReport) async -> Void
    ) async -> NodesReport
}

/// How the nodes are, for `homelab status`; kept in the ConfigMap `homelab-system/homelab-nodes`.
package struct NodesReport: Hashable, Sendable {
    package struct Node: Hashable, Sendable {
        package var name: String
        package var role: String
        /// One word: Ready, Joining, Upgrading, Pending, Unreachable, Orphan, …
        package var phase: String
        package var isHealthy: Bool
        package var version: String
        package var message: String
        /// Where it is reached; empty for one that only the cluster knows.
        package var address = ""

        package init(name: String, role: String, phase: String, isHealthy: Bool, version: String = "", message: String = "") {
            self.name = name
            self.role = role
            self.phase = phase
            self.isHealthy = isHealthy
            self.version = version
            self.message = message
        }
    }

    package var revision: String
    package var nodes: [Node]
    package var errors: [Diagnostic]
    /// When to be called again although no commit came; nil for only then.
    package var again: Duration?

    package init(revision: String, nodes: [Node] = [], errors: [Diagnostic] = [], again: Duration? = nil) {
        self.revision = revision
        self.nodes = nodes
        self.errors = errors
        self.again = again
    }
}
