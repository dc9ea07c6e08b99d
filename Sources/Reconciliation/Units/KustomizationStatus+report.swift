import Diagnostics
import KubernetesModel
import YAML

extension KustomizationStatus {
    /// Takes over what a unit's report says, in the conditions and reasons of Flux.
    mutating func take(_ report: StatusReport, in scene: Scene) {
        let generation = scene.generation
        if !report.attemptedRevision.isEmpty {
            lastAttemptedRevision = scene.revision(report.attemptedRevision, before: lastAttemptedRevision)
        }
        let sent = report.appliedRevision.isEmpty ? "" : scene.revision(report.appliedRevision, before: lastSentRevision)
        if !report.reconciledRevision.isEmpty {
            lastAppliedRevision = scene.revision(report.reconciledRevision, before: lastAppliedRevision)
        }
        func condition(_ type: String, _ status: String, _ reason: String, _ message: String) -> FluxCondition {
            FluxCondition(type, status, reason, message, generation: generation)
        }
        let message = Self.message(of: report)
        // What comes before the health check says nothing of health: as found last, it stays.
        let health = scene.checksHealth ? [conditions["Healthy"]].compactMap { $0 } : []
        var new: [FluxCondition]
        switch report.phase {
        case .ready:
            let applied = "Applied revision: \(lastAppliedRevision)" + (scene.note.isEmpty ? "" : "; \(scene.note)")
            new =
                [condition("Ready", "True", "ReconciliationSucceeded", applied)]
                + (scene.checksHealth ? [condition("Healthy", "True", "Succeeded", "Health check passed")] : [])
        case .progressing:
            new = [
                condition("Ready", "Unknown", "Progressing", message), condition("Reconciling", "True", "Progressing", message),
            ]
            if scene.checksHealth { new.append(condition("Healthy", "Unknown", "Progressing", message)) }
        case .stalled:
            new =
                [
                    condition("Ready", "False", scene.stallReason, message), condition("Stalled", "True", scene.stallReason, message),
                ] + health
        default:
            let reason = Self.reason(of: report.phase)
            new =
                [condition("Ready", "False", reason, message), condition("Reconciling", "True", "ProgressingWithRetry", message)]
                + (report.phase == .unhealthy ? [condition("Healthy", "False", "HealthCheckFailed", message)] : health)
        }
        let isPending = report.appliedRevision != report.reconciledRevision
        conditions.set(new + (isPending ? [condition(Self.sent, "True", "HealthNotSeen", sent)] : []), now: scene.now)
        let results: [StatusReport.Phase] = [.ready, .unhealthy, .applyFailed, .pruneFailed]
        guard let digest = scene.digest, results.contains(report.phase) else { return }
        note(
            digest: digest, status: new.first?.reason ?? "", revision: scene.revision(report.attemptedRevision), duration: scene.duration,
            now: scene.now)
    }

    /// Says that objects were waited for to become healthy and are not any more, as there is a newer commit.
    mutating func cancelHealthCheck(_ message: String, generation: Int64, now: Timestamp) {
        let ready = FluxCondition("Ready", "False", Self.healthCheckCanceled, message, generation: generation)
        let reconciling = FluxCondition("Reconciling", "True", "ProgressingWithRetry", message, generation: generation)
        conditions.set([ready, reconciling] + [conditions["Healthy"], conditions[Self.sent]].compactMap { $0 }, now: now)
    }

    static let healthCheckCanceled = "HealthCheckCanceled"

    /// What the report says; where that is one of its errors, all of them.
    static func message(of report: StatusReport) -> String {
        let errors = report.errors.map(\.description)
        guard errors.contains(report.message) else { return report.message.isEmpty ? report.phase.rawValue : report.message }
        let rest = errors.count - errorLimit
        return errors.prefix(errorLimit).joined(separator: "\n") + (rest > 0 ? "\nand \(rest) more" : "")
    }

    private static let errorLimit = 20

    /// What a report does not say of itself.
    struct Scene: Sendable {
        var generation: Int64
        /// What names the revisions.
        var source: GitSource?
        var checksHealth: Bool
        /// Of the manifests; nil while a history entry would be premature.
        var digest: String?
        var duration: Duration
        var now: Timestamp
        /// Warnings, for the message of a ready unit.
        var note: String
        /// Why a unit that can do nothing is stalled.
        var stallReason: String

        var withoutHistory: Scene {
            var scene = self
            scene.digest = nil
            return scene
        }

        func revision(_ commit: String) -> String {
            source?.revision(of: commit) ?? KustomizationStatus.revision(of: "main", at: commit)
        }

        /// - Parameter old: what the status says; it knows how a commit was called that came to the agent before this one.
        func revision(_ commit: String, before old: String) -> String {
            let isKnown = source?.hasName(of: commit) ?? false
            return !isKnown && KustomizationStatus.commit(of: old) == commit ? old : revision(commit)
        }
    }

    /// Whether the top of the history is this result already.
    func isNoted(_ report: StatusReport, _ scene: Scene) -> Bool {
        guard let top = history.first else { return false }
        return top.digest == scene.digest && top.revision == scene.revision(report.attemptedRevision)
            && top.lastStatus == (report.phase == .ready ? "ReconciliationSucceeded" : Self.reason(of: report.phase))
    }

    private static func reason(of phase: StatusReport.Phase) -> String {
        switch phase {
        case .buildFailed: "BuildFailed"
        case .unhealthy: "HealthCheckFailed"
        case .pruneFailed: "PruneFailed"
        case .dependencyNotReady: "DependencyNotReady"
        case .waiting, .artifactFailed: "ArtifactFailed"
        default: "ReconciliationFailed"
        }
    }
}
