package import Diagnostics

/// Keeps what a run does to machines where others look for it later: on the cluster's servers.
package protocol RunJournal: Sendable {
    /// From now on steps are of this plan, and are kept on these servers.
    func begin(plan: String, servers: [any Host])
    func record(_ event: ProvisioningEvent)
    /// Waits until everything is written.
    /// - Returns: what could not be.
    func end() async -> [Diagnostic]
}
