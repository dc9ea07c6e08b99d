package import Diagnostics
package import Git
package import NodePlanning

/// Keeps the machines as the inventory of a commit says. Called by the leader, beside the sync of objects, and never by two at once.
package protocol NodeReconciling: Sendable {
    /// Does what can be done now and says how the nodes are; called again for every new commit, for every approval, and when its own wait
    /// is over.
    /// - Parameters:
    ///   - memory: what the report before said, by this agent or another one.
    ///   - approvals: hashes of plans that an operator has approved and that were not used up yet.
    ///   - isSuperseded: asked between two tasks; when true a newer commit is waiting, and the rest of this one is left.
    ///   - report: shows the state in between.
    func reconcile(
        commit: CommitInfo, tree: GitTree, memory: ChangeMemory, approvals: Set<String>, isSuperseded: @escaping @Sendable () -> Bool,
        report: @escaping @Sendable (NodesReport) async -> Void
    ) async -> NodesReport
}

/// How the nodes are, for `homelab status`; kept in the ConfigMap `homelab-system/homelab-nodes`.
package struct NodesReport: Hashable, Sendable {
    package struct Node: Hashable, Sendable {
        package var name: String
        package var role: String
        /// One word: Ready, NotReady, Joining, Upgrading, Restarting, Leaving, Replacing, Preparing, Failed, Pending, Orphan.
        package var phase: String
        package var isHealthy: Bool
        package var version: String
        package var message: String
        /// Where it is reached, or, of one that only the cluster knows, where the others reach it.
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

    /// One change that the inventory asks for, and how far it has come.
    package struct Change: Hashable, Sendable {
        package enum State: String, Hashable, Sendable, CaseIterable {
            /// Being carried out.
            case running
            /// Comes by itself: in its turn, in a maintenance window, by another server's agent.
            case waiting
            /// Needs `homelab approve` with the plan's hash.
            case approval
            /// Stopped by a failure, until the inventory changes or the plan is approved.
            case frozen
            /// Something has to be put right first.
            case refused
        }

        package var node: String
        /// The class: `upgrade`, `join server`, …
        package var kind: String
        package var summary: String
        package var state: State
        package var reason: String
        package var remedy: String

        package init(node: String, kind: String, summary: String, state: State, reason: String = "", remedy: String = "") {
            self.node = node
            self.kind = kind
            self.summary = summary
            self.state = state
            self.reason = reason
            self.remedy = remedy
        }
    }

    package var revision: String
    package var nodes: [Node]
    package var errors: [Diagnostic]
    /// What is still to do, in the order of the plan, and the hash that an approval names; empty when nothing is.
    package var changes: [Change] = []
    package var planHash = ""
    package var memory = ChangeMemory()
    /// The approvals that were looked at: each is used up, whether it was of this plan or not.
    package var approvals: Set<String> = []
    /// When to be called again although no commit came; nil for only then.
    package var again: Duration?
    /// The rest is for another server's agent: give the Lease away.
    package var handsOver = false

    package init(revision: String, nodes: [Node] = [], errors: [Diagnostic] = [], again: Duration? = nil) {
        self.revision = revision
        self.nodes = nodes
        self.errors = errors
        self.again = again
    }

    /// What stopped the plan; nil when nothing did.
    package var freeze: ChangeMemory.Freeze? { memory.freeze }

    /// A change waits for `homelab approve`.
    package var needsApproval: Bool { changes.contains { $0.state == .approval || $0.state == .frozen } }
}
