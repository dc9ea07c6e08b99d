package import Diagnostics
internal import NodeInventory
package import NodePlanning

/// What came of a recovery.
package struct RecoveryReport: Sendable {
    /// The cluster's API answers again.
    package var isRecovered: Bool
    /// Of the starts; nil when none were made.
    package var run: BootstrapReport?
    /// What is still in the way, or, after a recovery, what is missing all the same.
    package var findings: Diagnostics
}

extension Bootstrapper {
    /// Between two looks at machines that are waited for.
    private static let pause = Duration.seconds(2)

    /// Brings a cluster back whose API does not answer: starts servers that hold its data as soon as enough of them can be reached, and
    /// looks again for a while where they are too few.
    /// - Parameters:
    ///   - patience: how long it waits after the first look, for machines and for an API whose servers run; a start that is made has limits
    ///     of its own.
    ///   - look: gets what each look found that did not help yet, and how long it still waits.
    /// - Throws: `Diagnostic` when there is nothing to recover, otherwise as `run()`.
    package func recover(
        within patience: Duration, look: @Sendable (ClusterRecovery, _ left: Duration) -> Void
    ) async throws -> RecoveryReport {
        var deadline: ContinuousClock.Instant?
        while true {
            var observation = try await observe()
            let cluster = observation.cluster
            let recovery = ClusterRecovery(observation.plan, desired: spec, observed: observation.nodes.observed)
            let answers = cluster.unavailable == nil && (!cluster.nodes.isEmpty || !recovery.isOfCluster)
            if answers || recovery.missing > 0 || recovery.plan.isEmpty { await observation.nodes.close() }
            if answers {
                if deadline == nil { throw nothingToRecover }
                return RecoveryReport(isRecovered: true, findings: findings(recovery.unseen))
            }
            // Looking at machines that do not answer takes a while by itself.
            let end = deadline ?? .now + patience
            deadline = end
            let left = end - .now
            look(recovery, max(.zero, left))
            if recovery.missing == 0, !recovery.plan.isEmpty {
                observation.plan = recovery.plan
                observation.findings = findings(recovery.unseen)
                return try await start(observation)
            }
            if left <= .zero {
                let unanswered = NodeNote(
                    node: nil, "the servers run, and the API does not answer: \(cluster.unavailable ?? "")",
                    remedy: "`homelab doctor` looks for the cause")
                var problems = findings(recovery.notes + (recovery.missing == 0 ? [unanswered] : []))
                problems = Diagnostics(problems.all.map(Self.raised))
                return RecoveryReport(isRecovered: false, findings: problems)
            }
            try await Task.sleep(for: min(Self.pause, left))
        }
    }

    private func start(_ observation: ProvisioningObservation) async throws -> RecoveryReport {
        do {
            let report = try await run(observation)
            await observation.nodes.close()
            return RecoveryReport(isRecovered: report.execution?.succeeded == true, run: report, findings: report.findings)
        } catch {
            await shielded { await observation.nodes.close() }
            throw error
        }
    }

    private var nothingToRecover: Diagnostic {
        Diagnostic(
            .error, "the cluster's API answers, or there is no cluster yet: there is nothing to recover",
            subject: "cluster \"\(spec.name)\"",
            remedy: "`homelab plan` shows what differs, and `homelab bootstrap` or a push puts it right")
    }

    private func findings(_ notes: [NodeNote]) -> Diagnostics {
        Diagnostics(notes.map { $0.diagnostic(.warning, cluster: spec.name) })
    }

    /// What keeps the cluster away is an error, what one machine lacks a warning.
    private static func raised(_ finding: Diagnostic) -> Diagnostic {
        var finding = finding
        if finding.subject?.hasPrefix("cluster ") == true { finding.severity = .error }
        return finding
    }
}
