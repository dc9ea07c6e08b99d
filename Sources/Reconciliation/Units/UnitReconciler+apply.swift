import Diagnostics
import Git
import KubernetesModel
import SyncPlanning
import YAML

/// What came of executing a plan.
struct ApplyOutcome {
    var changes = ChangeSet()
    /// The server went away in the middle, or asked for a pause.
    var isAborted = false
    /// Refused for fields that can never change, and marked to be made anew then.
    var toReplace: [(apply: PlannedApply, refusal: ClusterError)] = []
}

extension UnitReconciler {
    private enum Answer: Sendable {
        case applied(ChangeSet.Action, Manifest?)
        /// With the UID of the object, where it is known.
        case failed(ClusterError, uid: String)
    }

    /// Sends the applies of a plan, stage by stage and wave by wave, the objects of a wave side by side. One that fails does not keep
    /// another back; what lives in a namespace that could not be made is not tried.
    func execute(_ plan: SyncPlan) async throws -> ApplyOutcome {
        var outcome = ApplyOutcome()
        var missingNamespaces: Set<String> = []
        for wave in plan.stages.flatMap(\.waves) {
            if isSuperseded { return try finish(outcome) }
            try Task.checkCancellation()
            await send(wave.filter { isDue($0) && !missingNamespaces.contains($0.key.namespace) }, into: &outcome)
            for (apply, refusal) in outcome.toReplace { await replace(apply, refusal) }
            outcome.toReplace = []
            if outcome.isAborted { return try finish(outcome) }
            for apply in wave where apply.key.kind == "Namespace" && failures[apply.key] != nil { missingNamespaces.insert(apply.key.name) }
        }
        return try finish(outcome)
    }

    private func finish(_ outcome: ApplyOutcome) throws -> ApplyOutcome {
        let changed = outcome.changes.entries.filter { $0.action == .created || $0.action == .configured }
        if !changed.isEmpty {
            noteChange()
            monitor.update { [count = changed.count] in $0.objectsApplied += count }
            let commit = enforced.map { "\($0.commit.id.hex.prefix(12)) " } ?? ""
            if isRoot { events.record(unitEvent("Applied", "\(commit)\(outcome.changes.summary): \(Self.list(changed.map(\.key)))")) }
            lastChanges = "\(commit)\(outcome.changes.summary): \(Self.list(changed.map(\.key)))"
        }
        if outcome.isAborted, let problem { throw problem }
        return outcome
    }

    /// Whether an object's own waits are over: the one after a failure, and the one in a fight.
    private func isDue(_ apply: PlannedApply) -> Bool {
        if let failure = failures[apply.key], failure.retryAt > clock.now { return false }
        if case .newContent = apply.reason { return true }
        return guards[apply.key]?.hold(now: clock.now) == nil
    }

    private enum SendEvent {
        case answer(Int, Answer)
        /// Time to look whose answer keeps others waiting.
        case look
    }

    /// What gets no answer for so long, as behind a webhook that hangs, keeps no other object back any more.
    private static let patience = Duration.seconds(5)

    /// Applies side by side, always `parallelism` at a time; none is begun any more once a newer commit is there, or the server is away.
    private func send(_ wave: [PlannedApply], into outcome: inout ApplyOutcome) async {
        guard !wave.isEmpty else { return }
        let before = await live.resourceVersions(of: wave.map(\.key))
        let (owner, options) = (spec.owner, ApplyOptions(user: spec.user))
        let target = target
        await learnRivals(of: wave)
        await withTaskGroup(of: SendEvent.self) { [clock] group in
            var (next, unanswered) = (0, 0)
            /// Those that count among the `parallelism`, since when.
            var counted: [Int: Duration] = [:]
            func isOpen() -> Bool {
                guard next < wave.count, !outcome.isAborted, !isSuperseded else { return false }
                return true
            }
            func start() {
                guard isOpen() else { return }
                let (index, apply) = (next, wave[next])
                next += 1
                unanswered += 1
                counted[index] = clock.now
                group.addTask { .answer(index, await self.send(apply, before: before[apply.key], owner, options, to: target)) }
            }
            func lookLater() {
                guard isOpen() else { return }
                group.addTask {
                    try? await clock.sleep(for: .seconds(1))
                    return .look
                }
            }
            for _ in 0..<spec.parallelism { start() }
            lookLater()
            for await event in group {
                switch event {
                case .answer(let index, let answer):
                    unanswered -= 1
                    take(answer, of: wave[index], into: &outcome)
                    if counted.removeValue(forKey: index) != nil { start() }
                    if unanswered == 0 { group.cancelAll() }
                case .look:
                    let late = counted.filter { $0.value + Self.patience <= clock.now }.keys
                    for index in late {
                        counted[index] = nil
                        start()
                    }
                    lookLater()
                }
            }
        }
    }

    /// Before a second repair: who else writes to the object is only told to those who ask for it.
    private func learnRivals(of wave: [PlannedApply]) async {
        for apply in wave where apply.isDrift && (guards[apply.key]?.repairCount ?? 0) > 0 {
            _ = try? await live.lookUp(apply.object.kind, apply.key)
        }
    }

    private nonisolated func send(
        _ apply: PlannedApply, before: String?, _ owner: Ownership, _ options: ApplyOptions, to target: TargetCluster
    ) async -> Answer {
        let object = apply.object
        do {
            guard apply.reason == .absent else {
                let answer = try await sent(object, owner, options, to: target)
                return .applied(answer.resourceVersion == before ? .unchanged : .configured, answer)
            }
            return try await sendUnseen(object, owner, options, to: target)
        } catch {
            let error =
                error as? ClusterError
                ?? ClusterError(.unreachable, subject: object.key.description, message: String(describing: error))
            return .failed(await judged(error, on: target.api), uid: await target.live.uid(of: object.key) ?? "")
        }
    }

    /// One object that gets no answer, as behind a webhook that hangs, is that object's trouble; a server that answers nothing is all's.
    private nonisolated func judged(_ error: ClusterError, on api: any ClusterAPI) async -> ClusterError {
        guard error.kind == .timedOut else { return error }
        do {
            _ = try await api.raw("/readyz")
        } catch let probe as ClusterError where probe.kind == .unreachable || probe.kind == .timedOut {
            return ClusterError(.unreachable, subject: probe.subject, message: probe.message)
        } catch {
            // An answer, whatever it says.
        }
        return error
    }

    /// Applies an object that the watches do not see, which may be there all the same: made with kubectl, say, and without an owner. Fields
    /// that another has set otherwise tell, at no cost where there is none; then it is looked at, as where a look is needed in any case.
    private nonisolated func sendUnseen(
        _ object: DesiredObject, _ owner: Ownership, _ options: ApplyOptions, to target: TargetCluster
    ) async throws -> Answer {
        if object.ignored.isEmpty, !object.marks.contains(.onlyIfAbsent) {
            var cautious = options
            cautious.force = false
            do {
                let answer = try await sent(object, owner, cautious, to: target)
                return .applied(answer.isWrittenByOthers(than: options.fieldManager) ? .configured : .created, answer)
            } catch let error as ClusterError where error.kind == .conflict {}
        }
        var action = ChangeSet.Action.created
        if case .present(let found) = try await target.live.lookUp(object.kind, object.key) {
            if object.marks.contains(.onlyIfAbsent) || found.marks.contains(.reconcileDisabled) { return .applied(.skipped, nil) }
            action = .configured
        }
        return .applied(action, try await sent(object, owner, options, to: target))
    }

    /// Applies an object, with the fields that are to be left alone as they are, and so that nothing stays in it that kubectl or Flux put
    /// there before it was kept here. The watches are told the answer.
    private nonisolated func sent(
        _ object: DesiredObject, _ owner: Ownership, _ options: ApplyOptions, to target: TargetCluster
    ) async throws -> Manifest {
        var manifest = object.manifest
        if !object.ignored.isEmpty,
            let live = try await target.api.get(object.kind, namespace: object.key.namespace, name: object.key.name)
        {
            manifest = manifest.keeping(object.ignored, from: live, as: options.fieldManager)
        }
        let first = try await applied(manifest, options, to: target.api)
        var last: Manifest? = first
        if !object.marks.contains(.merged), !ManagedFields.yieldingEntries(of: first).isEmpty,
            let fields = ManagedFields.takenOver(of: first, by: options.fieldManager, sparing: object.spared)
        {
            last = try await applied(manifest, takingOver: fields, after: first, options, to: target.api)
        }
        await target.live.settle(last ?? first, with: object, by: owner, keepsAdditions: last == nil)
        return last ?? first
    }

    /// Takes over what others have set, so that an apply lets go of what the manifest does not have. nil where the server does not let that
    /// go, as what can be written only once: then it stays theirs, or every later apply would be refused for it, too.
    /// - Parameters:
    ///   - fields: the list of writers in which it is ours.
    ///   - first: the answer to the apply before.
    private nonisolated func applied(
        _ manifest: Manifest, takingOver fields: Value, after first: Manifest, _ options: ApplyOptions, to api: any ClusterAPI
    ) async throws -> Manifest? {
        let kind = manifest.groupVersionKind
        let patch: Value = ["metadata": ["resourceVersion": .string(first.resourceVersion), "managedFields": fields]]
        do {
            _ = try await api.mergePatch(kind, namespace: first.namespace, name: first.name, patch: patch, subresource: nil)
        } catch let error as ClusterError where error.kind == .conflict {
            // Somebody wrote in between; the next apply finds it again.
            return first
        }
        do {
            return try await applied(manifest, options, to: api)
        } catch let error as ClusterError where [.invalid, .forbidden, .badRequest].contains(error.kind) {
            let before: Value = ["metadata": ["managedFields": first.value[path: "metadata", "managedFields"] ?? []]]
            _ = try await api.mergePatch(kind, namespace: first.namespace, name: first.name, patch: before, subresource: nil)
            return nil
        }
    }

    /// An apply that takes the last member of an object away leaves null in its place (structured-merge-diff does), which the schema of a
    /// custom resource refuses. Then the field is taken away first; not with rights that the unit has not.
    private nonisolated func applied(_ manifest: Manifest, _ options: ApplyOptions, to api: any ClusterAPI) async throws -> Manifest {
        do {
            return try await api.apply(manifest, options: options)
        } catch let error as ClusterError where error.kind == .invalid && options.user == nil {
            guard let patch = manifest.withdrawal(after: error) else { throw error }
            _ = try await api.mergePatch(
                manifest.groupVersionKind, namespace: manifest.namespace, name: manifest.name, patch: patch, subresource: nil)
            return try await api.apply(manifest, options: options)
        }
    }

    private func take(_ answer: Answer, of apply: PlannedApply, into outcome: inout ApplyOutcome) {
        switch answer {
        case .applied(let action, let answer):
            failures[apply.key] = nil
            if spec.kubeconfig == nil, let child = apply.key.unit, let generation = answer?.generation {
                board.sent(
                    child, generation: generation, definition: answer?.annotation(DesiredObject.digestAnnotation) ?? "", by: spec.owner)
            }
            outcome.changes.append(ChangeSet.Entry(apply.key, action))
            if action == .created || action == .configured {
                unsettled.insert(apply.key)
                // What is changed later than its commit gets the time to become healthy, too.
                if healthDeadline.map({ $0 <= clock.now }) ?? false { healthDeadline = clock.now + spec.healthTimeout }
            }
            if apply.isDrift || (apply.reason == .absent && applied == enforced?.commit.id) {
                noteRepair(of: apply, action, uid: answer?.uid ?? "")
            }
        case .failed(let error, let uid):
            if error.kind == .unreachable || error.kind == .unauthorized {
                outcome.isAborted = true
                problem = error
                return
            }
            if error.isImmutableFieldError, spec.forces || apply.object.marks.contains(.forced) || apply.object.runsOnce {
                outcome.toReplace.append((apply, error))
                return
            }
            if error.kind == .tooManyRequests { pausedUntil = clock.now + (error.retryAfter ?? .seconds(1)) }
            note(error, of: apply, uid: uid)
        }
    }

    /// Deletes an object so that the next pass makes it anew, but only when the server would take the new one: it is asked by a dry run
    /// under another name. What takes data or other objects along is not deleted because the whole unit is marked so.
    private func replace(_ apply: PlannedApply, _ refusal: ClusterError) async {
        var trial = apply.object.manifest
        trial.value["metadata"]?["name"] = .string(Self.trialName(of: apply.key.name))
        let uid = await live.uid(of: apply.key) ?? ""
        do {
            _ = try await api.apply(trial, options: ApplyOptions(dryRun: true, user: spec.user))
            guard case .present(let present) = try await live.lookUp(apply.object.kind, apply.key) else { return }
            let isConfirmed = !apply.object.marks.isDisjoint(with: [.forced, .pruneConfirmed]) || present.marks.contains(.pruneConfirmed)
            if PrunePolicy.kindsToConfirm.contains(apply.key.groupKind), !isConfirmed {
                let kind = apply.key.kind
                return note(
                    refusal, of: apply, uid: present.uid,
                    remedy: "undo the change; or, as deleting a \(kind) is final and `force` of its unit is not enough for it, "
                        + "annotate the \(kind) itself in git with `homelab.dev/force: enabled`: then it is deleted and made anew")
            }
            _ = try await api.delete(
                apply.object.kind, namespace: apply.key.namespace, name: apply.key.name,
                options: DeleteOptions(uid: present.uid, user: spec.user))
            unsettled.insert(apply.key)
            _ = try? await live.lookUp(apply.object.kind, apply.key)
            tell("Replaced", "a field that cannot be changed has changed; it is marked to be made anew", of: apply, uid: present.uid)
            bell.ring()
        } catch let error as ClusterError {
            note(error, of: apply, uid: uid)
        } catch {
            note(ClusterError(.unreachable, subject: apply.key.description, message: String(describing: error)), of: apply, uid: uid)
        }
    }

    /// A name of an object that is not there, such as any kind takes: of a Service's or a Job's name 63 characters, of a CronJob's 52.
    static func trialName(of name: String) -> String {
        let suffix = "-homelab-trial"
        var stem = name.prefix(52 - suffix.utf8.count)
        while let last = stem.last, !last.isLetter, !last.isNumber { stem.removeLast() }
        return "\(stem)\(suffix)"
    }

    /// A repair of drift: counted, so that a fight is noticed, and told.
    private func noteRepair(of apply: PlannedApply, _ action: ChangeSet.Action, uid: String) {
        guard action != .unchanged, action != .skipped else { return }
        guards[apply.key, default: RepairGuard()].repaired(now: clock.now)
        monitor.update { $0.driftRepairs += 1 }
        var message = "it was deleted in the cluster and has been made again"
        if action == .configured { message = "its owner labels were taken away in the cluster and have been put back" }
        if case .drift(let differences) = apply.reason {
            message =
                "it was changed in the cluster and has been set right: " + differences.prefix(5).map(\.description).joined(separator: "; ")
        }
        tell("DriftRepaired", message, of: apply, uid: uid)
    }

    private func note(_ error: ClusterError, of apply: PlannedApply, uid: String, remedy: String? = nil) {
        let known = failures[apply.key]
        var backoff =
            known?.digest == apply.object.digest ? known?.backoff ?? Backoff(limit: spec.retryLimit) : Backoff(limit: spec.retryLimit)
        if error.isTransient { backoff.limit = .seconds(30) }
        var diagnostic = diagnostic(of: error, apply.object)
        diagnostic.remedy = remedy ?? diagnostic.remedy
        let wait = backoff.failed(atLeast: error.retryAfter)
        failures[apply.key] = Failure(
            digest: apply.object.digest, diagnostic: diagnostic, backoff: backoff, retryAt: clock.now + wait)
        tell("ApplyFailed", error.message + (remedy.map { "; \($0)" } ?? ""), of: apply, uid: uid, isWarning: true)
    }

    /// An event of the object; of the unit where the object is in another cluster.
    private func tell(_ reason: String, _ message: String, of apply: PlannedApply, uid: String, isWarning: Bool = false) {
        let commit = enforced?.commit.id
        guard spec.kubeconfig == nil else {
            return events.record(unitEvent(reason, "\(apply.key): \(message)", isWarning: isWarning, at: commit))
        }
        var event = EventRecorder.Event(
            reason, masked(message), object: apply.key, apiVersion: apply.object.kind.apiVersion, uid: uid, isWarning: isWarning)
        event.revision = commit.map { revision(of: $0) } ?? ""
        events.record(event)
    }

    private func diagnostic(of error: ClusterError, _ object: DesiredObject) -> Diagnostic {
        var remedy: String?
        switch error.kind {
        case .notFound where !object.key.namespace.isEmpty:
            remedy = "the namespace \(object.key.namespace) may be missing: add a Namespace to the tree, or wait for what makes it"
        case .invalid:
            remedy = "correct the manifest; if it changes a field that cannot be changed, delete the object and it is made anew"
        case .forbidden where spec.actingAccount != nil:
            let account = "\(spec.namespace)/\(spec.actingAccount ?? "")"
            remedy = "the unit acts as ServiceAccount \(account); bind a Role to it that allows this"
        case .forbidden: remedy = "the server does not allow it: look at its admission webhooks and quotas"
        case .timedOut: remedy = "the agent tries again; an admission webhook may hang: look at the server's webhook configurations"
        case .tooManyRequests, .serverFailure, .conflict: remedy = "the agent tries again"
        default: break
        }
        return Diagnostic(
            .error, "could not be applied", subject: object.key.description, at: object.origin, cause: masked(error.message), remedy: remedy
        )
    }
}

extension Manifest {
    /// Whether the object was there before `manager` applied it for the first time, as far as its list of writers tells.
    fileprivate func isWrittenByOthers(than manager: String) -> Bool {
        (value[path: "metadata", "managedFields"]?.array ?? []).contains {
            $0["manager"]?.string != manager && $0["subresource"]?.string == nil
        }
    }
}
