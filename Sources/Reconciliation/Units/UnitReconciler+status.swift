import Diagnostics
import Git
import KubernetesModel
import SyncPlanning

extension UnitReconciler {
    /// Shows the state to everybody: the ConfigMap when something changed, the monitor always. Gives when to try again if it could not.
    func publish() async -> Duration? {
        let report = await report()
        monitor.update { $0.unit = report }
        // While much happens, four times a second is often enough; a new phase is shown at once.
        if let shownAt, lastPhase == report.phase, clock.now < shownAt + .milliseconds(250) { return shownAt + .milliseconds(250) }
        if lastPhase != report.phase {
            switch report.phase {
            case .ready: events.record(unitEvent("Healthy", "\(report.appliedRevision.prefix(12)): \(report.message)"))
            case .unhealthy: events.record(unitEvent("Unhealthy", report.message, isWarning: true))
            default: break
            }
            lastPhase = report.phase
        }
        do {
            if try await status.write(report.manifest) { shownAt = clock.now }
            return nil
        } catch {
            return clock.now + .seconds(5)
        }
    }

    private func report() async -> StatusReport {
        var report = StatusReport(unit: spec.name)
        let state = source.state.value
        report.path = spec.path
        report.agentNode = monitor.value.node
        report.agentVersion = monitor.value.version
        report.source.url = source.repository.url
        report.source.commit = state.commit?.id.hex ?? ""
        report.source.summary = state.commit?.summary ?? ""
        report.source.author = state.commit?.authorName ?? ""
        let trouble = sourceProblem ?? state.problem
        report.source.problem = trouble?.kind.rawValue ?? ""
        report.source.message = trouble.map { "\($0.message); \($0.remedy)" } ?? ""
        report.attemptedRevision = attempted?.hex ?? ""
        report.appliedRevision = applied?.hex ?? ""
        report.lastChange = lastChange
        let refused = [failures, pruneFailures].flatMap { $0.sorted { $0.key < $1.key }.map(\.value.diagnostic) }
        report.errors = buildErrors + refused + (lastPlan?.refusals ?? [])
        await addObjects(to: &report)
        judge(&report, trouble)
        return report
    }

    private func addObjects(to report: inout StatusReport) async {
        guard let tree = enforced?.tree else { return }
        let skipped = Set((lastPlan?.skipped ?? []).map(\.key))
        let waiting = Dictionary((lastPlan?.waiting ?? []).map { ($0.key, $0) }) { $1 }
        let health = await live.health(of: tree.objects.map(\.key))
        var objects: [StatusReport.ObjectStatus] = []
        for object in tree.objects where !skipped.contains(object.key) {
            var state = health[object.key] ?? Health(.unknown)
            if let failure = failures[object.key] {
                state = Health(.failed, failure.diagnostic.cause ?? failure.diagnostic.summary)
            } else if let waits = waiting[object.key] {
                state = Health(.inProgress, waits.reason)
            } else if let fight = await fight(over: object.key) {
                state = Health(.failed, fight)
            }
            report.healthCounts[state.status, default: 0] += 1
            objects.append(
                StatusReport.ObjectStatus(
                    key: object.key, health: state.status, message: state.message,
                    origin: object.origin.map { "\($0.file):\($0.line)" } ?? ""))
        }
        report.objectCount = objects.count
        report.objects =
            objects.count <= StatusReport.objectLimit
            ? objects : Array(objects.filter { $0.health != .current }.prefix(StatusReport.objectLimit))
        let exceptions = (lastPlan?.kept ?? []) + (lastPlan?.skipped ?? [])
        report.exceptions = exceptions.prefix(100).map {
            StatusReport.ObjectStatus(
                key: $0.key, health: health[$0.key]?.status ?? .current, message: $0.reason,
                origin: $0.origin.map { "\($0.file):\($0.line)" } ?? "")
        }
    }

    private func fight(over key: ObjectKey) async -> String? {
        guard let guardian = guards[key], guardian.isFighting else { return nil }
        let other = await live.lastForeignManager(of: key) ?? "something"
        return "\(other) keeps changing it back; repaired \(guardian.repairCount) times, now at growing intervals"
    }

    private func judge(_ report: inout StatusReport, _ trouble: SourceProblem?) {
        let worst = Self.worst(report.objects)
        if let problem {
            report.phase = .unreachable
            report.message = problem.description
        } else if !buildErrors.isEmpty {
            report.phase = .buildFailed
            report.message = buildErrors.first.map(\.description) ?? ""
        } else if enforced?.tree == nil {
            report.phase = .waiting
            report.message = trouble?.message ?? "waits for the first commit of \(source.repository.url)"
        } else if !failures.isEmpty {
            report.phase = .applyFailed
            report.message = failures.sorted { $0.key < $1.key }.first?.value.diagnostic.description ?? ""
        } else if let worst {
            let isInTime = unsettled.contains(worst.key) && (healthDeadline ?? .zero) > clock.now && worst.health != .failed
            report.phase = isInTime || lastPlan?.waiting.isEmpty == false ? .progressing : .unhealthy
            report.message = "\(worst.key) is \(worst.health.rawValue)" + (worst.message.isEmpty ? "" : ": \(worst.message)")
            if report.phase == .unhealthy, let kept = keptForHealth { report.message += "; \(kept)" }
        } else if lastPlan?.stages.isEmpty == false {
            report.phase = .progressing
            report.message = "applying"
        } else {
            report.phase = .ready
            report.message = "\(report.objectCount) objects as in \(enforced?.commit.id.hex.prefix(12) ?? "")"
            if let refusal = lastPlan?.refusals.first { report.message = refusal.description }
        }
    }

    private var keptForHealth: String? {
        let count = (lastPlan?.kept ?? []).count { if case .unhealthy = $0.cause { true } else { false } }
        return count == 0 ? nil : "\(count) objects that left the repository are not deleted before that"
    }

    /// The first of the worst: failed before missing before in progress.
    private static func worst(_ objects: [StatusReport.ObjectStatus]) -> StatusReport.ObjectStatus? {
        let order: [HealthStatus] = [.failed, .terminating, .notFound, .inProgress, .unknown]
        for status in order { if let found = objects.first(where: { $0.health == status }) { return found } }
        return nil
    }
}
