import Cryptography
import Diagnostics
import Git
import KubernetesModel
import SyncPlanning

extension UnitReconciler {
    /// Shows the state to everybody: where it is kept when something changed, the monitor always. Gives when to try again if it could not.
    func publish() async -> Duration? {
        let report = await report()
        guard !isStopped, !isLeft else { return nil }
        monitor.update { [isRoot, owner = spec.owner] in
            if isRoot { $0.unit = report } else { $0.units[owner] = report.isHealthy }
        }
        let standing = await standing
        board.show(
            spec.owner, isReady: standing.isReady, applied: standing.applied,
            trouble: awaitedParent?.wait.reason ?? dependencyProblem ?? masked(problem?.description ?? ""))
        // While much happens, four times a second is often enough; a new phase is shown at once, one more revision with time.
        if report.phase.isTrouble { isTroubleTold = true }
        let isNews = lastPhase != report.phase || (report.phase == .ready && (!lastChanges.isEmpty || isTroubleTold) && !isRoot)
        let pace: Duration = isNews ? .zero : lastPhase == .ready && !isRoot ? .seconds(1) : .milliseconds(250)
        if let shownAt, clock.now < shownAt + pace { return shownAt + pace }
        if let later = delayOfProgress(report) { return later }
        if !isNews, let later = await delayOfRevision(report) { return later }
        if isNews {
            tell(report)
            lastPhase = report.phase
        }
        tellFailure(report)
        do {
            var wasWritten = false
            if isRoot { wasWritten = try await context.status.write(report.manifest) }
            if try await show(report) { wasWritten = true }
            if wasWritten { shownAt = clock.now }
            return nil
        } catch {
            return clock.now + .seconds(5)
        }
    }

    /// What the units that depend on this one go by. Of a suspended one it is what its status said before (as in Flux).
    private var standing: (isReady: Bool, applied: ObjectID?) {
        get async {
            guard spec.isSuspended, let status = await object?.status else { return (isReadyButForHeld, reconciled) }
            let revision = KustomizationStatus.commit(of: status.lastAppliedRevision)
            return (status.conditions["Ready"]?.status == "True", revision.flatMap { ObjectID($0) })
        }
    }

    /// That a unit is under way, or waits, is shown only when it is so for a while: most are through before anybody could read it, and
    /// after a restart everything is under way for a moment.
    private func delayOfProgress(_ report: StatusReport) -> Duration? {
        let patience: [StatusReport.Phase: Duration] = [
            .progressing: .milliseconds(400), .dependencyNotReady: .milliseconds(800), .waiting: .seconds(2),
            .artifactFailed: .seconds(1),
        ]
        guard !isRoot, lastPhase != report.phase, let wait = patience[report.phase] else {
            progressSince = nil
            return nil
        }
        let since = progressSince ?? clock.now
        progressSince = since
        return clock.now < since + wait ? since + wait : nil
    }

    /// A push names every unit a new revision, and changes few: those that it does not change say so behind those that it does, spread
    /// over time so that the server is not asked a thousand things at once.
    private func delayOfRevision(_ report: StatusReport) async -> Duration? {
        guard !isRoot, report.phase == .ready, let object, await !object.isRequested,
            KustomizationStatus.commit(of: await object.status.lastAppliedRevision) != report.reconciledRevision
        else {
            revisionSince = nil
            return nil
        }
        let since = revisionSince ?? clock.now
        revisionSince = since
        // Two hundred a second, each unit at a place of its own.
        let due = since + .milliseconds(Int(object.key.hashValue.magnitude % UInt(max(1, board.unitCount * 5))))
        return clock.now < due ? due : nil
    }

    private func tell(_ report: StatusReport) {
        // Flux has no words for a ConfigMap.
        let isBare = isRoot && object == nil
        let success = isBare ? "Healthy" : "ReconciliationSucceeded"
        switch report.phase {
        case .ready where !isRoot && !lastChanges.isEmpty: events.record(unitEvent(success, lastChanges))
        case .ready where isRoot || isTroubleTold:
            events.record(unitEvent(success, "\(report.appliedRevision.prefix(12)): \(report.message)"))
        case .unhealthy: events.record(unitEvent(isBare ? "Unhealthy" : "HealthCheckFailed", report.message, isWarning: true))
        case .pruneFailed: events.record(unitEvent("PruneFailed", report.message, isWarning: true))
        case .dependencyNotReady: events.record(unitEvent("DependencyNotReady", report.message))
        case .stalled: events.record(unitEvent(spec.stallReason, report.message, isWarning: true))
        default: break
        }
        if report.phase == .ready { (lastChanges, isTroubleTold) = ("", false) }
    }

    /// A unit that cannot apply all of its objects says so again when it is for another reason.
    private func tellFailure(_ report: StatusReport) {
        let message = report.phase == .applyFailed ? KustomizationStatus.message(of: report) : ""
        if !message.isEmpty, message != toldFailure {
            events.record(unitEvent("ReconciliationFailed", message, isWarning: true, at: enforced?.commit.id))
        }
        toldFailure = message
    }

    /// The Kustomization's status; that of a suspended one stays as it is but for its drift, and so does that of one that cannot be
    /// reached.
    private func show(_ report: StatusReport) async throws -> Bool {
        if report.phase == .suspended { return try await object?.showDrift(driftNotes.first) ?? false }
        // The agent's own object may have come in the middle of the pass.
        guard let object, begunWith.generation > 0, report.phase != .unreachable else { return false }
        let newest = source?.state.value.commit?.id
        let isBehind = attempted != newest && held != newest && awaitedParent == nil
        let isHandled = !isBehind || report.phase == .stalled || problem != nil
        if isHandled { await object.noteHandled(begunWith.requestedAt) }
        let scene = KustomizationStatus.Scene(
            generation: begunWith.generation, source: source, checksHealth: spec.checksHealth, digest: lastDigest,
            duration: attemptStart.map { clock.now - $0 } ?? .zero, now: clock.timestamp,
            note: (spec.warnings + notes).joined(separator: "; "), stallReason: spec.stallReason)
        let record = isRoot ? await store.inventory : nil
        return try await object.show(of: scene.generation) { status in
            // A result that was noted is not noted again for the time that went by.
            status.take(report, in: status.isNoted(report, scene) ? scene.withoutHistory : scene)
            if let record { status.inventory = record }
        }
    }

    /// What a person should know of a unit that is ready all the same.
    private var notes: [String] {
        let leftOutNote = leftOut.isEmpty ? [] : ["\(leftOut.count) objects of Flux itself are left out"] + lostFlags.map(\.note)
        let own = [isRoot ? leftUnitsNote : nil, unverifiedNote, unservedNote, leftBehind, unconfirmedNote, enforced?.keyNote]
        let more = own.compactMap { $0 } + uncheckedNotes
        let wanted = contests.filter { $0.cause?.hasSuffix("this unit has it") == true }
        return leftOutNote + driftNotes + ((lastPlan?.refusals ?? []) + wanted).map(\.description) + more
    }

    /// Why no newer commit comes, where it is for want of a signature.
    private var unverifiedNote: String? {
        guard let problem = source?.state.value.problem else { return nil }
        switch problem.kind {
        case .unverified: return "no newer commit is taken: \(problem.message)"
        case .keysMissing: return problem.message
        default: return nil
        }
    }

    private var leftUnitsNote: String? {
        let byReason = Dictionary(grouping: context.leftUnits.value, by: \.value).sorted { $0.key < $1.key }
        guard !byReason.isEmpty else { return nil }
        return byReason.map { reason, units in
            "these units are left alone, as \(reason): \(Self.list(units.map { ObjectKey(unit: $0.key) }))"
        }.joined(separator: "; ")
    }

    /// What stays until a person confirms that it may go.
    private var unconfirmedNote: String? {
        let kept = (lastPlan?.kept ?? []).filter {
            if case .brokenUnit = $0.cause { return true }
            return $0.cause == .needsConfirmation
        }
        return kept.first.map { "\($0.key) \($0.reason)" + (kept.count > 1 ? "; so do \(kept.count - 1) more" : "") }
    }

    private var driftNotes: [String] {
        guard let drifted = lastPlan?.drifted, let first = drifted.first else { return [] }
        return ["\(drifted.count) drifted: \(first.key) \(first.reason)"]
    }

    private var lastDigest: String? {
        guard let tree = enforced?.tree else { return nil }
        var hash = SHA256()
        for object in tree.objects { hash.update(Array(object.digest.utf8)) }
        return "sha256:" + Hex.encode(hash.finalize())
    }

    private func report() async -> StatusReport {
        var report = StatusReport(unit: spec.records)
        report.owner = spec.owner
        let state = source?.state.value
        report.path = spec.path
        report.agentNode = monitor.value.node
        report.agentVersion = monitor.value.version
        report.source.url = source?.repository.url ?? ""
        report.source.commit = state?.commit?.id.hex ?? ""
        report.source.summary = state?.commit?.summary ?? ""
        report.source.author = state?.commit?.authorName ?? ""
        let trouble = sourceProblem ?? state?.problem
        report.source.problem = trouble?.kind.rawValue ?? ""
        report.source.message = heldMessage ?? trouble.map { "\($0.message); \($0.remedy)" } ?? ""
        report.attemptedRevision = attempted?.hex ?? ""
        report.appliedRevision = applied?.hex ?? ""
        report.lastChange = lastChange
        if isRoot { report.flux = context.flux.value ?? FluxSettings() }
        let refused = [failures, pruneFailures].flatMap { $0.sorted { $0.key < $1.key }.map(\.value.diagnostic) }
        report.errors = buildErrors + refused + contests + (lastPlan?.refusals ?? [])
        let fluxProblem = monitor.value.fluxProblem
        if isRoot, !fluxProblem.isEmpty {
            report.errors.append(Diagnostic(.error, "Flux' kinds cannot be served", cause: fluxProblem, remedy: "the agent tries again"))
        }
        await addObjects(to: &report)
        judge(&report, trouble)
        if isReadyButForHeld || !spec.checksHealth { reconciled = applied }
        report.reconciledRevision = reconciled?.hex ?? ""
        if spec.isSuspended, let reason = await object?.suspensionReason { report.message += "; reason: \(reason)" }
        mask(&report)
        return report
    }

    private func mask(_ report: inout StatusReport) {
        guard [pending, enforced, lastGood].contains(where: { $0?.secrecy.isEmpty == false }) else { return }
        // One of the errors stays that very one.
        let said = report.errors.firstIndex { $0.description == report.message }
        for index in report.errors.indices {
            report.errors[index].summary = masked(report.errors[index].summary)
            report.errors[index].cause = report.errors[index].cause.map(masked)
        }
        report.message = said.map { report.errors[$0].description } ?? masked(report.message)
        for index in report.objects.indices { report.objects[index].message = masked(report.objects[index].message) }
        for index in report.exceptions.indices { report.exceptions[index].message = masked(report.exceptions[index].message) }
    }

    /// Objects that another unit wants too, named on both sides.
    private var contests: [Diagnostic] {
        guard let tree = enforced?.tree, !rivals.isEmpty else { return [] }
        return tree.objects.compactMap { object in
            guard let rival = rivals[object.key], !rival.isBehind else { return nil }
            let has = yielded.contains(object.key) ? "\(rival.unit) has it" : "this unit has it"
            return Diagnostic(
                .error, "is wanted by two units", subject: object.key.description, at: object.origin,
                cause: "\(rival.unit) wants it too" + (rival.origin.map { ", at \($0)" } ?? "") + "; \(has)",
                remedy: "remove it from one of the two")
        }
    }

    private func addObjects(to report: inout StatusReport) async {
        guard let tree = enforced?.tree else { return }
        if let states { return addStates(states, to: &report) }
        let skipped = Set((lastPlan?.skipped ?? []).map(\.key))
        let drifted = Dictionary((lastPlan?.drifted ?? []).map { ($0.key, $0) }) { $1 }
        let waiting = Dictionary(((lastPlan?.waiting ?? []) + (lastPlan?.contested ?? [])).map { ($0.key, $0) }) { $1 }
        let foreign = foreignChecks
        let health = await live.health(of: tree.objects.map(\.key) + foreign, for: spec.owner)
        var objects: [StatusReport.ObjectStatus] = []
        for object in tree.objects where !skipped.contains(object.key) {
            var state = health[object.key] ?? Health(.unknown)
            if let failure = failures[object.key] {
                state = Health(.failed, failure.diagnostic.cause ?? failure.diagnostic.summary)
            } else if let waits = waiting[object.key] {
                let end = state.status == .terminating ? " (\(state.message))" : ""
                state = Health(.inProgress, waits.reason + end)
            } else if let drift = drifted[object.key], state.status == .notFound {
                state.message = drift.reason
            } else if let fight = await fight(over: object.key) {
                state = Health(.failed, fight)
            }
            // What is shown as healthy has been: when it is not any more, nobody waits for it as for something new.
            if state.isCurrent { unsettled.remove(object.key) }
            report.healthCounts[state.status, default: 0] += 1
            objects.append(status(of: object, state))
        }
        report.objectCount = objects.count
        if tree.objects.count > StatusReport.objectLimit { states = ObjectStates(of: tree, objects) }
        objects += foreign.map { key in
            if let reason = concealment(of: key) { return StatusReport.ObjectStatus(key: key, health: .unknown, message: reason) }
            return StatusReport.ObjectStatus(key: key, health: health[key]?.status ?? .unknown, message: health[key]?.message ?? "")
        }
        report.objects =
            objects.count <= StatusReport.objectLimit
            ? objects : Array(objects.filter { $0.health != .current }.prefix(StatusReport.objectLimit))
        addExceptions(to: &report, health)
    }

    /// As `addObjects`, of a large unit in which only states have changed.
    private func addStates(_ states: ObjectStates, to report: inout StatusReport) {
        report.healthCounts = states.counts.filter { $0.value > 0 }
        report.objectCount = states.total
        report.objects = states.notCurrent(limit: StatusReport.objectLimit)
        addExceptions(to: &report, [:])
    }

    private func addExceptions(to report: inout StatusReport, _ health: [ObjectKey: Health]) {
        let exceptions = (lastPlan?.kept ?? []) + (lastPlan?.skipped ?? []) + (lastPlan?.drifted ?? []) + inUse + leftOut + unserved
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

    /// A held commit keeps the unit from being ready, and nobody who depends on it from going on: what they need is there as before.
    private func judge(_ report: inout StatusReport, _ trouble: SourceProblem?) {
        judgeEnforced(&report, trouble)
        isReadyButForHeld = report.isHealthy
        guard let held, let heldMessage, removal == nil, !spec.isSuspended, !spec.isImpossible, problem == nil else { return }
        let isSaidByItself = report.phase == .ready || report.phase == .waiting
        report.message = heldMessage + (isSaidByItself ? "" : "; meanwhile \(report.phase.rawValue): \(report.message)")
        report.phase = .artifactFailed
        report.attemptedRevision = held.hex
    }

    private func judgeEnforced(_ report: inout StatusReport, _ trouble: SourceProblem?) {
        if let removal {
            report.phase = removal.phase
            report.message = removal.message
        } else if spec.isSuspended {
            report.phase = .suspended
            report.message = "suspended; nothing is applied and nothing is repaired" + (driftNotes.first.map { "; \($0)" } ?? "")
        } else if spec.isImpossible {
            report.phase = .stalled
            report.message = spec.hindrances.joined(separator: "; ")
        } else if let problem {
            // That another cluster cannot be reached can be told in this one, and so can what this one refuses.
            let isAway = problem.kind == .unreachable || problem.kind == .timedOut || problem.kind == .unauthorized
            report.phase = spec.kubeconfig == nil && isAway ? .unreachable : .applyFailed
            report.message = problem.description
            if !server.isEmpty, problem.kind != .invalid {
                report.message += " (the cluster of \(kubeconfig?.key.description ?? ""), \(server))"
            }
        } else if let awaitedParent {
            report.phase = .dependencyNotReady
            report.message = awaitedParent.wait.reason
        } else if !buildErrors.isEmpty, dependencyProblem == nil {
            // In Flux' terms there is nothing to build then.
            report.phase = lacksDirectory ? .artifactFailed : .buildFailed
            report.message = buildErrors.first.map(\.description) ?? ""
        } else if let dependencyProblem {
            report.phase = .dependencyNotReady
            report.message = dependencyProblem
        } else if enforced?.tree == nil {
            report.phase = .waiting
            report.message = trouble?.message ?? waitingMessage
        } else {
            judgeObjects(&report)
        }
    }

    private var waitingMessage: String {
        guard let source else { return "\(spec.source.map(\.description) ?? "the source") is not there, or gives no commit yet" }
        if source.state.value.isUndecided { return "waits for the GitRepositories, which say whose commits are taken" }
        return "waits for the first commit of \(source.repository.url)"
    }

    private func judgeObjects(_ report: inout StatusReport) {
        isAwaitingHealth = false
        let worst = Self.worst(report.objects.filter { counts($0) })
        if !failures.isEmpty {
            report.phase = .applyFailed
            report.message = failures.sorted { $0.key < $1.key }.first?.value.diagnostic.description ?? ""
        } else if let unseen = lastPlan?.waiting.first(where: { unseenKinds[$0.key.groupKind] != nil }) {
            report.phase = .applyFailed
            report.message = "\(unseen.key) \(unseen.reason)"
        } else if lastPlan?.contested.isEmpty == false {
            report.phase = .applyFailed
            report.message = contests.first { $0.cause?.hasSuffix("has it") == true }?.description ?? "an object is wanted by two units"
        } else if let worst {
            let isWaitedFor = unsettled.contains(worst.key) || foreignChecks.contains(worst.key)
            let isInTime = isWaitedFor && (healthDeadline ?? .zero) > clock.now && worst.health != .failed
            report.phase = isInTime || lastPlan?.waiting.isEmpty == false ? .progressing : .unhealthy
            isAwaitingHealth = isInTime
            report.message = "\(worst.key) is \(worst.health.rawValue)" + (worst.message.isEmpty ? "" : ": \(worst.message)")
            if report.phase == .unhealthy, let kept = keptForHealth { report.message += "; \(kept)" }
        } else if lastPlan?.stages.isEmpty == false || lastPlan?.waiting.isEmpty == false {
            report.phase = .progressing
            report.message = lastPlan?.waiting.first.map { "\($0.key) \($0.reason)" } ?? "applying"
        } else if let refused = pruneFailures.min(by: { $0.key < $1.key }) {
            report.phase = .pruneFailed
            report.message = refused.value.diagnostic.description
        } else {
            report.phase = .ready
            report.message = "\(report.objectCount) objects as in \(enforced?.commit.id.hex.prefix(12) ?? "")"
            if let drift = driftNotes.first { report.message += "; \(drift)" }
            if let refusal = lastPlan?.refusals.first { report.message = refusal.description }
        }
    }

    /// Health checks of objects that are not the unit's own, or that it leaves alone.
    var foreignChecks: [ObjectKey] {
        guard !spec.healthChecks.isEmpty, let tree = enforced?.tree else { return [] }
        let reasons: Set<PlannedException.Cause> = [.ignored, .reconcileDisabled, .presentAlready]
        let leftAlone = (lastPlan?.skipped ?? []).filter { reasons.contains($0.cause) }.map(\.key)
        let own = Set(tree.objects.map(\.key)).subtracting(leftAlone)
        return spec.healthChecks.filter { !own.contains($0) }
    }

    /// Whether the unit's readiness depends on an object.
    private func counts(_ object: StatusReport.ObjectStatus) -> Bool {
        if FluxKinds.isForeign(object.key.groupKind), object.message == notReconciledYet { return false }
        if kindsOfNobody.contains(object.key.groupKind) { return false }
        if let unit = object.key.unit, context.leftUnits.value[unit] != nil { return false }
        return spec.waitsForAll || spec.healthChecks.contains(object.key)
    }

    var keptForHealth: String? {
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
