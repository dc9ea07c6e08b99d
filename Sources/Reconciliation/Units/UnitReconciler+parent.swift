import Diagnostics
import Git
import KubernetesModel
import SyncPlanning

extension UnitReconciler {
    /// A commit that is left aside until the unit's maker has taken it up.
    struct AwaitedParent {
        var commit: ObjectID
        var since: Duration
        var wait: ParentWait
    }

    /// A maker that does not come to look at a commit is not waited for any longer than this.
    private static let longestLook = Duration.seconds(15)

    /// Whether the newest commit is not to be built yet, because what it says of the unit itself is not in force.
    func mustAwaitParent() -> Bool {
        guard !isRoot, !spec.isSuspended, !spec.isImpossible, let state = source?.state.value, let newest = state.commit?.id,
            newest != attempted,
            let wait = board.parentWait(of: spec.owner, at: newest, isAccepted: state.accepts(newest, in: repositoryKey))
        else {
            awaitedParent = nil
            return false
        }
        if awaitedParent?.commit != newest { board.ringSoon(those: spec.parent, clock: clock) }
        let since = awaitedParent?.commit == newest ? awaitedParent?.since ?? clock.now : clock.now
        if wait.isBounded, passedParent == newest || clock.now >= since + Self.longestLook {
            awaitedParent = nil
            passedParent = newest
            return false
        }
        awaitedParent = AwaitedParent(commit: newest, since: since, wait: wait)
        return true
    }

    /// Whether to do nothing at all for now, for a maker that is about to take up the newest commit, as nearly every one is: what was to be
    /// done for the commit before is done when the board rings.
    func beginsParentWait() async -> Bool {
        let before = awaitedParent?.commit
        guard mustAwaitParent(), awaitedParent?.commit != before else { return false }
        return await object?.isBeingDeleted != true
    }

    var endOfParentWait: Duration? {
        awaitedParent.flatMap { $0.wait.isBounded ? $0.since + Self.longestLook : nil }
    }

    /// Of the units that this one has made, those that a commit may define anew, with the digests of their definitions. What is written as
    /// it was before costs a look only.
    func redefinitions(in built: Enforced, since before: [PackedManifest]?) async -> [Ownership: String] {
        let units = built.manifests.filter { $0.key.unit != nil }
        guard !units.isEmpty else { return [:] }
        let recorded = await store.inventory
        let open = board.redefined(by: spec.owner)
        let old = Dictionary((before ?? []).lazy.filter { $0.key.unit != nil }.map { ($0.key, $0) }) { $1 }
        let ignored = try? IgnoredFields(built.buildKey?.ignoreRules ?? []).pointers
        var result: [Ownership: String] = [:]
        for manifest in units where recorded.contains(manifest.key) {
            guard let child = manifest.key.unit, old[manifest.key] != manifest || open.contains(child) else { continue }
            result[child] = DesiredObject(manifest, owner: spec.owner, ignored: ignored ?? { _ in [] }).digest
        }
        return result
    }

    /// Tells the units that this one makes what becomes of their definitions where it is not simply applied.
    func tellChildren(_ plan: SyncPlan) {
        var outcomes: [Ownership: ChildOutcome] = [:]
        for exception in plan.kept + plan.waiting + plan.contested + plan.skipped {
            guard let child = exception.key.unit else { continue }
            switch exception.cause {
            case .pruneOff, .pruneDisabled, .reconcileDisabled, .ignored, .presentAlready, .anotherOwner: outcomes[child] = .stays
            default: outcomes[child] = .waits(exception.reason)
            }
        }
        for (key, failure) in failures.merging(pruneFailures, uniquingKeysWith: { $1 }) {
            guard let child = key.unit else { continue }
            outcomes[child] = .refused(failure.diagnostic.cause ?? failure.diagnostic.summary)
        }
        board.tell(outcomes, of: spec.owner)
    }
}
