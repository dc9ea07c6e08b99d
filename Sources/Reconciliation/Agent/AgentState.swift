package import KubernetesModel

/// What this agent process knows of itself: what `/healthz`, `/readyz` and `/metrics` show.
package struct AgentState: Hashable, Sendable {
    package var node: String
    package var version: String
    package var identity: String
    package var isLeading = false
    package var leader = ""
    package var source = SourceState()
    /// When the repository last answered.
    package var lastContact: Timestamp?
    package var unit: StatusReport?
    /// The other units, and whether each is ready.
    package var units: [Ownership: Bool] = [:]
    /// Why Flux' kinds cannot be served; empty when they are.
    package var fluxProblem = ""
    package var nodes: NodesReport?
    /// Steps on nodes by what came of them.
    package var nodeSteps: [JournalEntry.Result: Int] = [:]
    package var passes = 0
    package var failedPasses = 0
    /// Passes of large units that looked only at what had changed.
    package var glances = 0
    package var passSeconds = 0.0
    package var longestPassSeconds = 0.0
    package var objectsApplied = 0
    package var objectsDeleted = 0
    package var driftRepairs = 0
    package var startedAt: Timestamp

    package init(node: String, version: String, identity: String, startedAt: Timestamp) {
        self.node = node
        self.version = version
        self.identity = identity
        self.startedAt = startedAt
    }

    mutating func countPass(duration: Duration, failed: Bool) {
        let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
        passes += 1
        if failed { failedPasses += 1 }
        passSeconds += seconds
        longestPassSeconds = max(longestPassSeconds, seconds)
    }
}
