package import Diagnostics
package import NodePlanning

/// What came of a plan.
package struct ExecutionReport: Sendable {
    /// Steps that were carried out.
    package var stepsDone = 0
    package var failures: [Diagnostic] = []
    /// What was not done because of a failure or because the run was stopped.
    package var skipped: [NodeNote] = []
    /// The operator (or a newer commit) stopped the run; `stoppedAt` names node and step.
    package var wasStopped = false
    package var stoppedAt: [String] = []
    /// Deploy keys made in this run, by node: they have to be registered with the git host.
    package var deployKeys: [String: String] = [:]
    /// For use from outside the cluster; holds an administrator's key.
    package var kubeconfig: Kubeconfig?

    package init() {}

    package var succeeded: Bool { failures.isEmpty && !wasStopped }
}
