import Diagnostics
import Git
import KubernetesModel
import SyncPlanning
import YAML

extension UnitReconciler {
    /// Does all that can be done now towards the enforced commit. Gives when to look again although nothing happens.
    func converge() async throws -> Duration? {
        guard let tree = enforced?.tree else { return nil }
        if let pausedUntil, pausedUntil > clock.now { return pausedUntil }
        pausedUntil = nil
        forgetFailures(of: tree)
        var plan = try await makePlan(tree)
        lastPlan = plan
        try await lookAtForeignChecks()
        // Before anything is applied it is recorded; what is recorded stays until it is seen to be gone.
        let recorded = await store.inventory
        if plan.record.subtracting(recorded).count > 0 || plan.record.count != recorded.count { try await store.write(plan.record) }
        if await store.hasLostParts { try await store.write(store.inventory) }
        let outcome = try await execute(plan)
        if isSuperseded { return .zero }
        if !outcome.isAborted, let commit = enforced?.commit.id { board.sent(spec.owner, commit) }
        if !plan.stages.isEmpty { plan = try await makePlan(tree, isAfterApplying: true) }
        if spec.kubeconfig == nil { tellChildren(plan) }
        // An object that nothing is to be sent of any more waits for something else than another try.
        let planned = Set(plan.applies.map(\.key))
        failures = failures.filter { planned.contains($0.key) }
        lastPlan = plan
        // These are known elsewhere, and large.
        lastPlan?.record = ResourceInventory()
        lastPlan?.unchanged = []
        if !outcome.isAborted {
            try await prune(plan)
            try await forgetGone(plan)
            try await noteCompletedJobs(of: tree)
            await noteUnserved(tree)
            tellWarnings(plan)
            noteApplied(plan)
        }
        return nextLook()
    }

    /// Of a suspended unit: what was changed in the cluster since it was applied last. Nothing is done about it but to say so.
    func lookForDrift() async throws {
        let isNew = enforced == nil
        if isNew {
            await buildLastGood()
            isForLookOnly = enforced != nil
        }
        if spec.kubeconfig != nil, isNew || knownKubeconfig == nil, try await reachCluster() { return }
        try await placeTree()
        guard let tree = enforced?.tree else { return }
        let found = try await makePlan(tree)
        var plan = lastPlan ?? SyncPlan(unit: found.unit, revision: found.revision, record: ResourceInventory())
        plan.drifted = found.drifted
        plan.refusals = []
        lastPlan = plan
        tellWarnings(plan)
    }

    /// After a restart: how the server writes what it is given, which applying it would tell, is asked by a dry run of what is not as it is
    /// written in git and is only told of. Gives whether anything was asked.
    private func learnStanding(
        of drifted: [PlannedException], in tree: DesiredTree, _ observed: [ObjectKey: Observation]
    ) async throws -> Bool {
        let keys = Set(drifted.map(\.key))
        let open = tree.objects.filter {
            keys.contains($0.key) && observed[$0.key]?.present?.wasAsWanted == false && askedStandings[$0.key] != $0.digest
        }
        let options = ApplyOptions(dryRun: true, user: spec.user)
        for batch in open.batches(of: spec.parallelism) {
            try Task.checkCancellation()
            await withTaskGroup(of: Void.self) { [live, api] group in
                for object in batch {
                    group.addTask {
                        guard let answer = try? await api.apply(object.manifest, options: options) else { return }
                        await live.learnStanding(answer, of: object)
                    }
                }
            }
            for object in batch { askedStandings[object.key] = object.digest }
        }
        return !open.isEmpty
    }

    /// Says once what was changed in the cluster where that is only reported, why nothing is deleted or is deleted without a look, and what
    /// nobody works on.
    private func tellWarnings(_ plan: SyncPlan) {
        let warnings =
            plan.drifted.map { (reason: "DriftDetected", message: "\($0.key) \($0.reason)") }
            + plan.refusals.map { (reason: "PruneRefused", message: $0.description) }
            + (unservedNote.map { [(reason: "NotHandled", message: $0)] } ?? [])
            + uncheckedNotes.map { (reason: "UsersUnknown", message: $0) }
        for warning in warnings where !toldWarnings.contains(warning.message) {
            events.record(unitEvent(warning.reason, warning.message, isWarning: true))
        }
        toldWarnings = Set(warnings.map(\.message))
    }

    /// A failure is over when its object is not wanted any more, or wanted otherwise.
    private func forgetFailures(of tree: DesiredTree) {
        let digests = Dictionary(tree.objects.map { ($0.key, $0.digest) }) { $1 }
        failures = failures.filter { digests[$0.key] == $0.value.digest }
        guards = guards.filter { digests[$0.key] != nil }
        unsettled = unsettled.filter { digests[$0] != nil }
        askedStandings = askedStandings.filter { digests[$0.key] == $0.value }
    }

    /// - Parameter isAfterApplying: whether what can be sent has been, so that the rest holds the pruning up.
    private func makePlan(_ tree: DesiredTree, isAfterApplying: Bool = false) async throws -> SyncPlan {
        var record = await store.inventory
        let leaving = record.subtracting(tree.inventory).keys
        let served = try await watchRecorded(leaving, of: record, besides: tree)
        await shareDesired(tree)
        var observed = await live.observations(of: Set(record.entries.keys).union(tree.objects.lazy.map(\.key)))
        if let unknown = enforced?.unknownKinds, !unknown.isEmpty {
            for object in tree.objects where unknown.contains(object.kind) { observed[object.key] = .kindUnknown }
        }
        if !unseenKinds.isEmpty {
            for object in tree.objects { unseenKinds[object.key.groupKind].map { observed[object.key] = .kindUnseen($0) } }
        }
        try await compare(tree, with: record, &observed)
        try await lookAtUnlabelled(tree, &observed)
        try await examine(tree.objects, &observed)
        for key in leaving {
            guard let kind = served[key.groupKind]?.kind else {
                observed[key] = .kindUnknown
                continue
            }
            record[key]?.version = kind.version
            // What nobody can see stays recorded.
            if unseenKinds[key.groupKind] != nil {
                observed[key] = nil
                continue
            }
            // The watches see what carries an owner label; whether a recorded object without it is gone takes a look.
            if observed[key] == .absent { observed[key] = try await lookUpRecorded(kind, key) }
        }
        var request = SyncRequest(
            unit: spec.owner, revision: enforced?.commit.id.hex ?? "", desired: tree, applied: record, live: observed,
            prune: await prunePolicy, gate: await gate(tree))
        request.rivals = rivals
        request.recordPlace = store.place
        request.reportsDrift = spec.reportsDrift || spec.isSuspended
        request.wasApplied = applied == enforced?.commit.id
        request.completed = await completedJobs(of: tree)
        request.yields = board.isLeaving(spec.owner)
        if !leaving.isEmpty, let commit = enforced?.commit.id { request.laggard = board.laggard(before: spec.owner, at: commit) }
        // After that, with nothing awaited in between: who has looked at the commit by then has said what it wants.
        request.claimed = board.heirs(of: spec.owner, for: leaving)
        // Who inherits is known when all have looked at the commit.
        if request.laggard?.isBroken != false { request.companions = try await departures(of: leaving, request) }
        request.isAfterApplying = isAfterApplying
        let plan = SyncPlanner.plan(request)
        guard !plan.drifted.isEmpty, try await learnStanding(of: plan.drifted, in: tree, observed) else { return plan }
        request.live.merge(await live.observations(of: plan.drifted.map(\.key))) { $1 }
        return SyncPlanner.plan(request)
    }

    /// Lets the watches compare what they see with what this unit wants, but for what another unit has.
    private func shareDesired(_ tree: DesiredTree) async {
        rivals = board.rivals(of: spec.owner, for: tree.objects.lazy.map(\.key))
        let found = await live.observations(of: rivals.keys)
        let isLeaving = board.isLeaving(spec.owner)
        let others = Set(rivals.keys.filter { isLeaving || found[$0]?.present?.owner != spec.owner })
        guard hasNewTree || others != yielded else { return }
        await live.setDesired(
            tree.objects.filter { !others.contains($0.key) }, of: spec.owner,
            collectsNews: tree.objects.count > StatusReport.objectLimit)
        yielded = others
        hasNewTree = false
    }

    /// Kinds that only the record has are watched too: what is pruned has to be seen to be gone. Gives how they are addressed now, which
    /// need not be in the version that they were applied in.
    private func watchRecorded(
        _ leaving: [ObjectKey], of record: ResourceInventory, besides tree: DesiredTree
    ) async throws -> [GroupKind: APIResource] {
        let kinds = Set(leaving.compactMap { record.groupVersionKind(of: $0) })
        guard !kinds.isEmpty else { return [:] }
        let served = try await live.resources(forRecorded: kinds)
        let wanted = Set(tree.objects.map(\.key.groupKind))
        let unseen = try await live.follow(served.values.filter { !wanted.contains($0.kind.groupKind) })
        unseenKinds.merge(unseen.mapValues(\.message)) { $1 }
        return served
    }

    private var prunePolicy: PrunePolicy {
        get async {
            var policy = spec.prune
            policy.confirmedRevision = await store.annotation(InventoryStore.confirmPrune)
            return policy
        }
    }

    /// What pruning waits for: everything that was applied and has not been seen healthy since, and what cannot be applied. What has not
    /// been sent at all the plan itself knows.
    private func gate(_ tree: DesiredTree) async -> HealthGate {
        let health = await live.health(of: unsettled, for: spec.owner)
        unsettled = unsettled.filter { health[$0]?.isCurrent != true }
        var unhealthy = health.filter { unsettled.contains($0.key) }.mapValues { $0.message }
        for (key, failure) in failures { unhealthy[key] = failure.diagnostic.cause ?? failure.diagnostic.summary }
        return HealthGate(unhealthy: unhealthy, isExpired: healthDeadline.map { $0 <= clock.now } ?? true)
    }

    // MARK: Pruning

    private func prune(_ plan: SyncPlan) async throws {
        let leaving = Set(plan.prunes.flatMap { $0 }.map(\.key))
        deleting = deleting.filter { leaving.contains($0.key) }
        var pruned: [ObjectKey] = []
        let users = await users(of: leaving.subtracting(deleting.keys))
        pruneFailures = pruneFailures.filter { leaving.contains($0.key) && users[$0.key] == nil }
        inUse = users.map { PlannedException($0.key, $0.value.map { .inUse($0) } ?? .usersUnknown) }
        for wave in plan.prunes {
            let due = wave.filter {
                users[$0.key] == nil && deleting[$0.key] != $0.uid && (pruneFailures[$0.key]?.retryAt ?? .zero) <= clock.now
            }
            for batch in due.batches(of: spec.parallelism) {
                if isSuperseded { return }
                pruned += try await delete(Array(batch))
            }
        }
        guard !pruned.isEmpty else { return }
        noteChange()
        monitor.update { [count = pruned.count] in $0.objectsDeleted += count }
        events.record(unitEvent("Pruned", "deleted \(Self.list(pruned)), which left the repository"))
    }

    /// The pods, or ReplicaSets that have some, that still read a ConfigMap or Secret which left the repository: a rollout under way, or
    /// one that was rolled back by hand, must find the old one. nil for one of which it is not known yet. They are followed for as long as
    /// something is about to go. Where the unit's user may not list them that is said, and what left goes all the same: pruning comes after
    /// health, and a rollout that is healthy has no old pods.
    private func users(of keys: Set<ObjectKey>) async -> [ObjectKey: ObjectKey?] {
        let configuration = keys.filter { $0.group.isEmpty && ($0.kind == "ConfigMap" || $0.kind == "Secret") }
        let namespaces = Set(configuration.map(\.namespace))
        await target.namespaces.followUsers(in: namespaces, for: spec.owner, bell)
        var result: [ObjectKey: ObjectKey?] = [:]
        uncheckedNotes = []
        for namespace in namespaces.sorted() {
            let here = configuration.filter { $0.namespace == namespace }
            if let users = await target.namespaces.users(of: here, in: namespace) {
                for (key, user) in users.readers { result[key] = .some(user) }
                if let refusal = users.refusals.first {
                    uncheckedNotes.append(
                        "whether a pod still reads \(Self.list(Array(here))) is not known (\(refusal)): they are deleted once the rest is "
                            + "healthy; let the user of \(kubeconfig?.key.description ?? "the agent") list and watch pods and replicasets "
                            + "in \(namespace), and they wait for the last pod")
                }
            } else {
                for key in here { result[key] = .some(nil) }
            }
        }
        return result
    }

    /// Asks for the deletion of a few objects side by side. One that is refused does not keep the others.
    func delete(_ batch: [PlannedPrune]) async throws -> [ObjectKey] {
        let answers = await withTaskGroup(of: (PlannedPrune, ClusterError?).self) { [api, user = spec.user] group in
            for prune in batch {
                group.addTask {
                    do {
                        _ = try await api.delete(
                            prune.kind, namespace: prune.key.namespace, name: prune.key.name,
                            options: DeleteOptions(uid: prune.uid, user: user))
                        return (prune, nil)
                    } catch let error as ClusterError {
                        return (prune, error)
                    } catch {
                        return (prune, ClusterError(.unreachable, subject: prune.key.description, message: String(describing: error)))
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for case (let prune, let error?) in answers {
            if error.kind == .unreachable || error.kind == .conflict { throw error }
            var backoff = pruneFailures[prune.key]?.backoff ?? Backoff()
            let wait = backoff.failed(atLeast: error.retryAfter)
            let summary = isEnding ? "could not be deleted with its unit" : "left the repository and could not be deleted"
            let diagnostic = Diagnostic(
                .error, summary, subject: prune.key.description, cause: error.message, remedy: "the agent tries again")
            pruneFailures[prune.key] = Failure(digest: "", diagnostic: diagnostic, backoff: backoff, retryAt: clock.now + wait)
        }
        let accepted = answers.filter { $0.1 == nil }.map(\.0)
        for prune in accepted {
            deleting[prune.key] = prune.uid
            pruneFailures[prune.key] = nil
        }
        return accepted.map(\.key)
    }

    private func forgetGone(_ plan: SyncPlan) async throws {
        guard !plan.forgotten.isEmpty else { return }
        var rest = await store.inventory
        rest.remove(plan.forgotten)
        for key in plan.forgotten { deleting[key] = nil }
        try await store.write(rest)
    }

    // MARK: Progress

    /// The commit counts as applied when nothing of it is left to send.
    private func noteApplied(_ plan: SyncPlan) {
        guard plan.stages.isEmpty, failures.isEmpty, plan.waiting.isEmpty, plan.contested.isEmpty, let commit = enforced?.commit.id,
            applied != commit
        else {
            return
        }
        applied = commit
    }

    func nextLook() -> Duration? {
        let now = clock.now
        // What lives in a namespace that cannot be made is tried when that is.
        let tried = failures.filter { failures[ObjectKey(group: "", kind: "Namespace", namespace: "", name: $0.key.namespace)] == nil }
        var moments = tried.values.map(\.retryAt) + pruneFailures.values.map(\.retryAt)
        // What comes due while the pass lasts is not missed.
        moments += guards.values.compactMap { guardian in
            var guardian = guardian
            return guardian.hold(now: begunAt)
        }
        if let unservedMoment { moments.append(unservedMoment) }
        if let nextExamination, nextExamination > begunAt { moments.append(nextExamination) }
        if let healthDeadline, healthDeadline > begunAt, !unsettled.isEmpty || keptForHealth != nil { moments.append(healthDeadline) }
        // Of a kind that the server does not know yet no event comes.
        if !foreignChecks.isEmpty, lastPhase != .ready { moments.append(now + .seconds(15)) }
        // Whether a kind can be seen again is told by no event where the unit has none of it yet.
        if !unseenKinds.isEmpty { moments.append(now + .seconds(15)) }
        // Aggregated APIs come without any definition that could be watched.
        if enforced?.unknownKinds.isEmpty == false { moments.append(now + .seconds(30)) }
        return moments.min().map { max($0, now + .milliseconds(20)) }
    }

    func noteChange() { lastChange = clock.timestamp.description }

    static func list(_ keys: [ObjectKey]) -> String {
        let shown = keys.sorted().prefix(10).map(\.description).joined(separator: ", ")
        return keys.count > 10 ? "\(shown) and \(keys.count - 10) more" : shown
    }
}

extension Array {
    /// Runs of at most `size` elements.
    func batches(of size: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}
