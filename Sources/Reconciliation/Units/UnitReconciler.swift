import Diagnostics
import Git
import KubernetesClient
import KubernetesModel
import Kustomize
import SyncPlanning

/// Keeps one unit's objects as the newest good commit says.
///
/// It works in passes, each starting from what is known now: newest commit, record, watched state. A pass never waits for health, for
/// a definition or for a deletion; it does what can be done and returns, and the event it would have waited for starts the next one.
/// So a newer commit supersedes everything at once, and at rest there is nothing running.
package actor UnitReconciler {
    /// A commit whose files could be built.
    struct Enforced {
        var commit: CommitInfo
        var manifests: [PackedManifest]
        var tree: DesiredTree?
        /// Kinds that the server did not know when the tree was made, or not in the version at hand.
        var unknownKinds: Set<GroupVersionKind> = []
        /// The kinds it does know.
        var resources: [APIResource] = []
        /// What it was built from, so that a commit which touches none of it needs no build.
        var inputs: Set<String> = []
        var fingerprint = 0
        var buildKey: UnitSpec.BuildKey?
        /// The variables, and the versions of the objects they come from.
        var materials = BuildMaterials()
        /// Branches and tags of other repositories, and what they were at.
        var followed: [RemoteName: RemoteCommit] = [:]
        /// What is not to be told of it.
        var secrecy = Secrecy()
        /// Keys for its files that cannot be used.
        var keyNote: String?
        /// The Kustomization among the files that stands for the agent's own unit.
        var own: Manifest?
    }

    struct Failure {
        var digest: String
        var diagnostic: Diagnostic
        var backoff: Backoff
        var retryAt: Duration
    }

    var spec: UnitSpec
    let context: UnitContext
    let store: any UnitRecord
    /// The Kustomization that stands for the unit; the agent's own unit gets it late, and lives without it.
    var object: KustomizationObject?
    /// Whether the unit is the agent's own, which also keeps the ConfigMaps in homelab-system.
    let isRoot: Bool
    nonisolated let bell: Bell

    /// Where the objects are.
    var target: TargetCluster
    /// The server of another cluster, for messages.
    var server = ""
    @Boxed var knownKubeconfig: KnownKubeconfig?
    /// Whose tokens open that cluster, where it is no kubeconfig that does.
    var knownAccount: ObjectKey?
    /// Its objects were in the cluster of the Kustomization until now, and nobody has noted where they are instead.
    var hasLeftHome = false
    /// What is on a cluster that the unit does not apply to any more.
    var leftBehind: String?

    /// Of the cluster of the objects, which need not be that of the Kustomization.
    var api: any ClusterAPI { target.api }
    var clock: any AgentClock { context.clock }
    var live: LiveState { target.live }
    var events: EventRecorder { context.events }
    var monitor: Shared<AgentState> { context.monitor }
    var board: UnitBoard { context.board }

    /// nil while there is no such repository.
    var source: GitSource?
    /// Built, and waiting for what the unit depends on.
    @Boxed var pending: Enforced?
    var dependencyProblem: String?
    @Boxed var enforced: Enforced?
    var attempted: ObjectID?
    /// The parts of the spec that were built last.
    var attemptedKey: UnitSpec.BuildKey?
    var attemptedGeneration: Int64?
    var attemptedMaterials: BuildMaterials?
    /// The commits of other repositories that were in the tree.
    var attemptedInclusions: [ObjectID] = []
    /// The rules of the agent's own repository by which the files were read.
    var attemptedIgnore: String?
    /// It is built from another repository or branch now, whose commits do not follow from those of the one before; until a commit of it is
    /// enforced.
    var hasNewSource = false
    /// Where its commits came from last.
    private var lineage: (url: String, reference: String)?
    /// The agent's own unit as its settings have it.
    let given: Boxed<UnitSpec>
    /// Whether the repository was looked at for the Kustomization that stands for the agent's own unit.
    var knowsOwn = false
    var knownMaterials: (values: BuildMaterials, commit: ObjectID)?
    /// Objects of the repository that are not applied, and why.
    var leftOut: [PlannedException] = []
    var lostFlags: [FluxFlag] = []
    /// Wanted by other units too.
    var rivals: [ObjectKey: Rival] = [:]
    /// Objects that another unit has, and this one only wants.
    var yielded: Set<ObjectKey> = []
    var hasNewTree = false
    /// The newest commit, where the unit's maker has not taken it up yet.
    var awaitedParent: AwaitedParent?
    /// The newest commit that the unit's maker was waited for long enough.
    var passedParent: ObjectID?
    /// Kinds of its objects that cannot be seen now, and why.
    var unseenKinds: [GroupKind: String] = [:]
    /// What was sent since the unit was last ready, for the event that says so.
    var lastChanges = ""
    /// The newest commit, when it may not or cannot be used.
    var held: ObjectID?
    /// Whether the unit was ready, a held commit aside, when its state was looked at last.
    var isReadyButForHeld = false
    var buildErrors: [Diagnostic] = []
    /// No Event has said them yet.
    var hasUntoldBuildErrors = false
    /// The commit that was attempted last has no directory at the unit's path.
    var lacksDirectory = false
    var sourceProblem: SourceProblem?
    var failures: [ObjectKey: Failure] = [:]
    var guards: [ObjectKey: RepairGuard] = [:]
    /// Objects that were applied and not seen healthy since: pruning waits for them.
    var unsettled: Set<ObjectKey> = []
    /// When their time is over.
    var healthDeadline: Duration?
    /// Whether the commit that is enforced waits for its objects to become healthy.
    var isAwaitingHealth = false
    /// When other repositories, which a build has asked or followed, are asked again.
    var rebuildAt: Duration?
    var pruneFailures: [ObjectKey: Failure] = [:]
    /// Leaving, and still read by pods.
    var inUse: [PlannedException] = []
    /// Of what leaves, why nobody could look who reads it.
    var uncheckedNotes: [String] = []
    /// What events have said that a person should know: each is said once.
    var toldWarnings: Set<String> = []
    /// Whether an event has warned that the unit is not ready, and none has said since that it is.
    var isTroubleTold = false
    /// What keeps objects from being applied, as an event said last.
    var toldFailure = ""
    /// Objects of Flux' other kinds that nobody has looked at, and since when.
    var unservedSince: [ObjectKey: Duration] = [:]
    /// Of what the unit checks the health of besides its own objects, the kinds among those that the cluster does not know.
    var kindsOfNobody: Set<GroupKind> = []
    /// Why these cannot be looked at.
    var refusedChecks: [ObjectKey: String] = [:]
    /// Those that it was tried to look at last, and with whose rights; nil for the agent's.
    var lookedAtChecks: (keys: Set<ObjectKey>, user: String?) = ([], nil)
    /// Deletions that were accepted, by UID; not asked for again.
    var deleting: [ObjectKey: String] = [:]
    /// How the server writes what is only told of has been asked by a dry run, of these digests.
    var askedStandings: [ObjectKey: String] = [:]
    /// How many objects go with units that leave, as it was found a short time ago.
    var knownDepartures: (revision: String, units: [ObjectKey], counts: [ObjectKey: Int], end: Duration)?
    /// The objects that somebody has changed and that were looked at for fields beside the manifest, a short time ago.
    var examined: [ObjectKey: Duration] = [:]
    /// When one that was changed again since is to be looked at.
    var nextExamination: Duration?
    /// The Kustomization is being deleted; what is to be said of that.
    var isEnding = false
    var removal: (phase: StatusReport.Phase, message: String)?
    /// When what was deleted with the unit is not waited for any longer.
    var terminationDeadline: Duration?
    /// The last commit all of whose objects were sent.
    var applied: ObjectID?
    /// The last one that counts as applied with Flux: healthy, too, where the unit checks that.
    var reconciled: ObjectID?
    @Boxed var lastPlan: SyncPlan?
    /// The Kustomization's generation, and the look that it asks for, as the pass began with them: what comes later is the next pass' to
    /// observe.
    private(set) var begunWith: (generation: Int64, requestedAt: String) = (0, "")
    /// When the pass began.
    private(set) var begunAt: Duration = .zero
    /// Of a large unit, as the last pass found them.
    var states: ObjectStates?
    /// When more than what changed has to be looked at although nothing happens.
    var wholeLookAt: Duration?
    @Boxed var problem: ClusterError?
    var problemBackoff = Backoff(first: .seconds(1), limit: .seconds(30))
    var pausedUntil: Duration?
    var lastChange = ""
    var isRestored = false
    /// The next tree is one that another process may have begun to apply.
    var isResuming = false
    /// The last commit whose tree could be placed.
    @Boxed var lastGood: Enforced?
    var lastPhase: StatusReport.Phase?
    var shownAt: Duration?
    var progressSince: Duration?
    /// Since when the unit has a newer revision than its status says.
    var revisionSince: Duration?

    /// What the watches were told last: objects of others that concern the unit, and its own rules of health.
    var heededInterests: Interests?
    var heededExpressions = HealthRules()

    /// The losses of watched kinds that are dealt with.
    var seenLosses = 0
    var attemptStart: Duration?
    /// What is enforced was built for a suspended unit, to see what has drifted, and nobody has converged to it.
    var isForLookOnly = false
    /// Nothing is done and nothing is said, until whoever runs the unit ends it.
    private(set) var isLeft = false
    /// Set by whoever runs the unit, to end it.
    private(set) var isStopped = false

    package init(
        spec: UnitSpec, context: UnitContext, source: GitSource?, record: any UnitRecord, object: KustomizationObject? = nil, bell: Bell
    ) {
        self.spec = spec
        self.context = context
        target = context.home
        self.source = source
        self.object = object
        lineage = source.map { ($0.repository.url, $0.reference) }
        store = record
        isRoot = object == nil
        given = Boxed(wrappedValue: object == nil ? spec : nil)
        self.bell = bell
    }

    /// Runs until cancelled or stopped, once `predecessor` has ended; a pass under way stops at its next request.
    ///
    /// What waits here for the next pass is there a thousand times, and a task keeps the memory that its deepest call took for as long as
    /// it lives. So all but the waiting is done in tasks that are gone afterwards.
    package func run(after predecessor: Task<Void, Never>? = nil) async {
        await predecessor?.value
        let keeper = isRoot ? Task { await store.run() } : nil
        await apart { await self.begin() }
        while !Task.isCancelled, !isStopped {
            var next: Duration?
            if await !beginsParentWait() {
                // The agent's own unit makes the others, and waits for none of them.
                let turns = isRoot ? nil : target.turns
                let place = try? await turns?.enter()
                next = await apart { await self.takeTurn(place, of: turns) }
            }
            guard !isStopped else { break }
            context.alarms.set(bell, at: next)
            await bell.wait()
        }
        await apart { await self.end() }
        keeper?.cancel()
        await keeper?.value
    }

    private func begin() async {
        await context.live.attach(spec.owner, bell)
        register()
        source?.state.attach(bell)
        if isRoot { context.leftUnits.attach(bell) }
    }

    private func end() async {
        context.alarms.set(bell, at: nil)
        source?.state.detach(bell)
        if isRoot { context.leftUnits.detach(bell) }
        await leaveTarget()
        await context.live.detach(spec.owner)
        await context.namespaces.leave(spec.owner)
        await context.clusters.leave(spec.owner)
        board.remove(spec.owner)
    }

    func noteAsGood() { _lastGood = _enforced }

    func returnToLastGood() { _enforced = _lastGood }

    private func apart<Result: Sendable>(_ work: @escaping @Sendable () async -> Result) async -> Result {
        let task = Task { await work() }
        return await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// A large unit that is rung all the time must not do nothing but look.
    private func rest(after cost: Duration) async {
        guard cost > .milliseconds(30), (enforced?.tree?.objects.count ?? 0) > 100, spec.isSuspended || !isSuperseded else { return }
        try? await clock.sleep(for: min(cost * 2, .milliseconds(300)))
    }

    package func stop() {
        isStopped = true
        bell.ring()
    }

    /// The Kustomization as it is now; only what a person or a parent unit wrote makes a difference.
    package func take(_ spec: UnitSpec, _ object: KustomizationObject, _ source: GitSource?) {
        if leftBehind != nil { knownKubeconfig = nil }
        // That the agent's own object was made is nothing that anybody asks for.
        let isAsked = !isRoot || self.object != nil
        self.object = object
        if isRoot {
            self.spec.isSuspended = spec.isSuspended
            self.spec.reportsDrift = spec.reportsDrift
            self.spec.prune.maximumCount = spec.prune.maximumCount
            self.spec.prune.maximumPercent = spec.prune.maximumPercent
            self.spec.generation = spec.generation
            self.spec.requestedAt = spec.requestedAt
        } else {
            self.spec = spec
            use(source)
        }
        register()
        if isAsked { retryNow() }
        knownMaterials = nil
        bell.ring()
    }

    /// Flux was told to run in another way.
    package func heed(_ flux: FluxSettings) {
        guard spec.flux != flux else { return }
        spec.flux = flux
        knownMaterials = nil
        register()
        retryNow()
        bell.ring()
    }

    package func use(_ source: GitSource?) {
        guard self.source !== source else { return }
        self.source?.state.detach(bell)
        if let source {
            // Opened anew with another interval or another key it is the same still.
            let next = (url: source.repository.url, reference: source.reference)
            if let lineage, lineage != next { (hasNewSource, pending) = (true, nil) }
            lineage = next
        }
        self.source = source
        source?.state.attach(bell)
        (attempted, held, sourceProblem) = (nil, nil, nil)
        register()
        bell.ring()
    }

    func register() {
        // Until it is reached, another cluster is nobody else's.
        let isReached = spec.kubeconfig == nil || knownKubeconfig != nil || target.identity != context.home.identity
        board.register(
            spec.owner, bell: bell, source: source, cluster: isReached ? target.mark : nil, dependsOn: spec.dependsOn,
            judged: Set(spec.readyExpressions.keys),
            isIdle: spec.isSuspended || spec.isImpossible || source == nil, parent: isRoot ? nil : spec.parent, definition: spec.definition,
            reference: spec.source)
    }

    /// Somebody asks for a look, or changed something: waits after failures are over.
    private func retryNow() {
        for key in failures.keys { failures[key]?.retryAt = clock.now }
        for key in pruneFailures.keys { pruneFailures[key]?.retryAt = clock.now }
        pausedUntil = nil
    }

    /// A pass, where it has a place among those under way.
    private func takeTurn(_ place: InFlightLimit.Place?, of turns: InFlightLimit?) async -> Duration? {
        let start = clock.now
        let next = isRoot || place != nil ? await pass() : nil
        if let place { await turns?.leave(place) }
        await rest(after: clock.now - start)
        return next
    }

    /// One look at everything; gives the moment of the next although nothing happens, nil for none.
    func pass() async -> Duration? {
        let start = clock.now
        (begunAt, begunWith) = (start, (spec.generation, spec.requestedAt))
        var next: Duration?
        do {
            if await object?.isBeingDeleted == true, !isRoot {
                guard let again = try await leave() else { return nil }
                next = again
            } else if !spec.isSuspended, await glance() {
                next = nextLook()
            } else {
                states = nil
                next = try await wholePass()
            }
            problem = nil
            problemBackoff.reset()
        } catch {
            if Task.isCancelled { return nil }
            let wait = take(error)
            // Nothing but a person's help lets this unit look at the commit; those that it makes go on.
            if problem?.isTransient == false, let newest = source?.state.value.commit?.id, newest != attempted {
                board.passOver(spec.owner, newest)
            }
            next = clock.now + wait
        }
        let statusRetry = await publish()
        let duration = clock.now - start
        let failed = problem != nil || !failures.isEmpty || !buildErrors.isEmpty
        monitor.update { $0.countPass(duration: duration, failed: failed) }
        // A commit that could not be read may be readable soon; one that waits for a person wakes us by the person's annotation, and one
        // that is too large by another commit or by other rules.
        let awaitsNews = sourceProblem?.kind == .rewritten || sourceProblem?.kind == .tooLarge
        let heldRetry = held != nil && !awaitsNews ? clock.now + .seconds(10) : nil
        // One that is overdue waits for something else.
        let rebuild = rebuildAt.map { max($0, clock.now + .seconds(1)) }
        wholeLookAt = [next, heldRetry, spec.isSuspended ? nil : rebuild, endOfParentWait].compactMap { $0 }.min()
        return [wholeLookAt, statusRetry].compactMap { $0 }.min()
    }

    private func wholePass() async throws -> Duration? {
        var next: Duration?
        isLeft = false
        try await restore()
        if spec.isSuspended { next = try await awaitResumption() } else { try await object?.forgetSuspension() }
        try await instructWatches()
        if spec.isSuspended, !spec.isImpossible {
            try await lookForDrift()
            if let nextExamination, nextExamination > begunAt { next = min(next ?? nextExamination, nextExamination) }
        }
        if !spec.isSuspended, isForLookOnly { (enforced, isForLookOnly) = (nil, false) }
        if !spec.isSuspended, !spec.isImpossible, try await adoptNewestCommit() {
            isLeft = await isToBeLeft()
            // Whoever ends the unit needs no reminder; one that is to be kept after all does.
            next = isLeft ? clock.now + .seconds(5) : try await converge()
        }
        return next
    }

    /// Whether Flux was told, in the commit that is about to be applied, to leave the unit alone; who stops it for that may be late.
    private func isToBeLeft() async -> Bool {
        guard let object, !isRoot, let flux = context.flux.value, flux.leavesUnits else { return false }
        return flux.reasonToLeave(Manifest(await object.value)) != nil
    }

    /// A suspension with an end is ended here; gives when that is.
    private func awaitResumption() async throws -> Duration? {
        guard let object, let end = await object.suspendedUntil else { return nil }
        let left = clock.timestamp.duration(to: end)
        if left > .zero { return clock.now + left }
        do {
            try await object.resume()
            return nil
        } catch let error as ClusterError where error.kind == .conflict {
            // It is suspended for longer, as the watch will tell.
            return clock.now + .seconds(1)
        }
    }

    /// Notes what stopped the pass; gives the wait before the next.
    private func take(_ error: any Error) -> Duration {
        var floor: Duration?
        switch error {
        case let error as ClusterError:
            // A lost race for a record is no trouble: look again.
            if error.kind == .conflict { return .milliseconds(50) }
            problem = error
            floor = error.retryAfter
        case let error as Diagnostic:
            problem = ClusterError(.invalid, subject: error.subject ?? spec.owner.description, message: error.description)
        default: problem = ClusterError(.unreachable, subject: spec.owner.description, message: String(describing: error))
        }
        return problemBackoff.failed(atLeast: floor)
    }

    /// What the agent before this one left: how far it had come, and the record. Other units need none of the latter, which may be damaged.
    private func restore() async throws {
        try await restoreProgress()
        try await store.load()
    }

    private func restoreProgress() async throws {
        guard !isRestored else { return }
        if isRoot {
            if let last = try await context.status.last(unit: spec.records) {
                applied = ObjectID(last.appliedRevision)
                reconciled = ObjectID(last.reconciledRevision)
                lastChange = last.lastChange
                lastPhase = last.phase
                // As it was kept until now, before the newest commit is read.
                context.flux.update { $0 = $0 ?? last.flux }
            }
        } else if let status = await object?.status {
            applied = KustomizationStatus.commit(of: status.lastSentRevision).flatMap { ObjectID($0) }
            reconciled = KustomizationStatus.commit(of: status.lastAppliedRevision).flatMap { ObjectID($0) }
            lastPhase = status.conditions["Ready"]?.status == "True" ? .ready : nil
        }
        isRestored = true
    }

    /// Whether a pass is not to be carried on.
    var isSuperseded: Bool {
        if isStopped || spec.isSuspended || Task.isCancelled { return true }
        guard let newest = source?.state.value.commit?.id else { return false }
        return newest != attempted && newest != held && newest != awaitedParent?.commit
    }
}
