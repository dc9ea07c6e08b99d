import Diagnostics
import Git
package import KubernetesModel
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
        var manifests: [Manifest]
        var tree: DesiredTree?
        /// Kinds that the server did not know when the tree was made.
        var unknownKinds: Set<GroupKind> = []
        /// The kinds it does know.
        var resources: [APIResource] = []
    }

    struct Failure {
        var digest: String
        var diagnostic: Diagnostic
        var backoff: Backoff
        var retryAt: Duration
    }

    let spec: UnitSpec
    let api: any ClusterAPI
    let clock: any AgentClock
    let source: GitSource
    let manifests: any ManifestSource
    let live: LiveState
    let store: InventoryStore
    let status: StatusWriter
    let events: EventRecorder
    let monitor: Shared<AgentState>
    let bell: Bell

    var enforced: Enforced?
    var attempted: ObjectID?
    /// The newest commit, when it may not or cannot be used.
    var held: ObjectID?
    var buildErrors: [Diagnostic] = []
    var sourceProblem: SourceProblem?
    var failures: [ObjectKey: Failure] = [:]
    var guards: [ObjectKey: RepairGuard] = [:]
    /// Objects that were applied and not seen healthy since: pruning waits for them.
    var unsettled: Set<ObjectKey> = []
    /// When their time is over.
    var healthDeadline: Duration?
    var pruneFailures: [ObjectKey: Failure] = [:]
    /// Deletions that were accepted, by UID; not asked for again.
    var deleting: [ObjectKey: String] = [:]
    var applied: ObjectID?
    var lastPlan: SyncPlan?
    var problem: ClusterError?
    var problemBackoff = Backoff(first: .seconds(1), limit: .seconds(30))
    var pausedUntil: Duration?
    var lastChange = ""
    var isRestored = false
    /// The next tree is one that another process may have begun to apply.
    var isResuming = false
    /// The last commit whose tree could be placed.
    var lastGood: Enforced?
    var lastPhase: StatusReport.Phase?
    var shownAt: Duration?

    package init(
        spec: UnitSpec, api: any ClusterAPI, clock: any AgentClock, source: GitSource, manifests: any ManifestSource,
        events: EventRecorder, status: StatusWriter, monitor: Shared<AgentState>
    ) {
        self.spec = spec
        self.api = api
        self.clock = clock
        self.source = source
        self.manifests = manifests
        self.events = events
        self.status = status
        self.monitor = monitor
        bell = Bell()
        live = LiveState(api: api, clock: clock, bell: bell)
        store = InventoryStore(api: api, clock: clock, unit: spec.name, bell: bell)
    }

    /// Runs until cancelled; a pass under way stops at its next request.
    package func run() async {
        source.state.attach(bell)
        defer { source.state.detach(bell) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.live.run() }
            group.addTask { await self.store.run() }
            while !Task.isCancelled {
                let next = await pass()
                await bell.wait(until: next, clock: clock)
            }
            group.cancelAll()
        }
    }

    /// One look at everything; gives the moment of the next although nothing happens, nil for none.
    func pass() async -> Duration? {
        let start = clock.now
        var next: Duration?
        do {
            try await restore()
            if try await adoptNewestCommit() {
                next = try await converge()
            }
            problem = nil
            problemBackoff.reset()
        } catch {
            if Task.isCancelled { return nil }
            let wait = take(error)
            next = clock.now + wait
        }
        let statusRetry = await publish()
        let duration = clock.now - start
        let failed = problem != nil || !failures.isEmpty || !buildErrors.isEmpty
        monitor.update { $0.countPass(duration: duration, failed: failed) }
        // A commit that could not be read may be readable soon; one that waits for a person wakes us by the person's annotation.
        let heldRetry = held != nil && sourceProblem?.kind != .rewritten ? clock.now + .seconds(10) : nil
        return [next, statusRetry, heldRetry].compactMap { $0 }.min()
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
        case let error as Diagnostic: problem = ClusterError(.invalid, subject: error.subject ?? spec.name, message: error.description)
        default: problem = ClusterError(.unreachable, subject: spec.name, message: String(describing: error))
        }
        return problemBackoff.failed(atLeast: floor)
    }

    /// What the agent before this one left: the record, and how far it had come.
    private func restore() async throws {
        try await store.load()
        guard !isRestored else { return }
        if let last = try await status.last(unit: spec.name) {
            applied = ObjectID(last.appliedRevision)
            lastChange = last.lastChange
            lastPhase = last.phase
        }
        isRestored = true
    }

    var isSuperseded: Bool {
        guard let newest = source.state.value.commit?.id else { return false }
        return (newest != attempted && newest != held) || Task.isCancelled
    }
}
