import Git
import KubernetesModel
import SyncPlanning
import Synchronization

/// What the units know of each other: who is ready, who wants which object, and who has looked at the newest commit already. Whoever
/// waits for one of these is rung when it changes.
package final class UnitBoard: Sendable {
    struct Entry {
        var bell: Bell
        /// Which repository it is built from; units of one repository are compared at one commit.
        var source: ObjectIdentifier?
        /// By which name it asks for that; nil for the agent's own.
        var reference: KustomizationSpec.SourceReference?
        /// Where its objects are; those of different clusters are never the same.
        var cluster: ClusterMark?
        var dependsOn: [Ownership] = []
        var isReady = false
        var applied: ObjectID?
        /// The newest commit that it has built, or tried to, and of which generation of its spec.
        var built: ObjectID?
        var generation: Int64 = 0
        /// What it wants, in the memory that the unit has already.
        var claims: [PackedManifest] = []
        /// Suspended, or impossible: nobody waits for it.
        var isIdle = false
        /// The unit that makes it, and the digest of the definition that it carries.
        var parent: Ownership?
        var definition = ""
        /// What was built last could not be.
        var isBroken = false
        /// It is being deleted: it builds nothing more.
        var isEnding = false
        /// The commit that it does not build for now, and whether that is for its parent.
        var aside: ObjectID?
        var awaitsParent = false

        /// Whether it does not build a commit until a person, or whoever serves the repository, does something.
        func hasSetAside(_ commit: ObjectID) -> Bool { aside == commit && !awaitsParent }
    }

    /// The units that a unit's tree makes.
    struct Children {
        var wanted: Set<Ownership> = []
        /// Applied once, and not in the tree any more.
        var leaving: Set<Ownership> = []
        /// The commit whose tree has been sent.
        var sent: ObjectID?
        /// The generation that the server gave each.
        var generations: [Ownership: Int64] = [:]
        /// The digests of definitions that are, perhaps, not those in force.
        var redefined: [Ownership: String] = [:]
        /// What became of definitions at the commit that was sent.
        var outcomes: [Ownership: ChildOutcome] = [:]
        /// What keeps the parent from applying them.
        var trouble = ""
    }

    struct State {
        var entries: [Ownership: Entry] = [:]
        /// The units that wait for one to be ready, so that its news costs no look at all the others.
        var dependents: [Ownership: Set<Ownership>] = [:]
        /// Who wants an object; nearly always one unit, and the others in the order they came.
        var claimants: [ObjectKey: Ownership] = [:]
        var laterClaimants: [ObjectKey: [Ownership]] = [:]
        /// By unit, those whose expressions judge it, so that any change of its object may matter to them.
        var judges: [Ownership: Set<Ownership>] = [:]
        var children: [Ownership: Children] = [:]
        var waiting: Set<Ownership> = []
        /// By parent, the units that wait until it has taken up a commit.
        var awaiting: [Ownership: Set<Ownership>] = [:]
        /// The parents whose waiting units are rung soon in any case.
        var alarms: Set<Ownership> = []
        /// Units that are there and have not registered yet.
        var expected: Set<Ownership> = []
    }

    let state = Mutex(State())

    package init() {}

    /// Changes the state and then rings, outside the lock.
    func update(_ change: (inout State) -> [Bell]) {
        let bells = state.withLock { change(&$0) }
        for bell in bells { bell.ring() }
    }

    /// All units that are there now: those that begin first wait for the makers among the others.
    func expect(_ units: Set<Ownership>) { state.withLock { $0.expected = units.subtracting($0.entries.keys) } }

    // MARK: What a unit tells

    func register(
        _ unit: Ownership, bell: Bell, source: GitSource?, cluster: ClusterMark?, dependsOn: [Ownership],
        judged: Set<Ownership> = [], isIdle: Bool, parent: Ownership? = nil, definition: String = "",
        reference: KustomizationSpec.SourceReference? = nil
    ) {
        update { state in
            let known = state.entries[unit]
            var entry = known ?? Entry(bell: bell)
            entry.source = source.map { ObjectIdentifier($0) }
            entry.reference = reference
            entry.cluster = cluster
            state.setDependencies(dependsOn, of: unit, before: entry.dependsOn)
            entry.dependsOn = dependsOn
            state.setJudged(judged, by: unit)
            entry.isIdle = isIdle
            entry.parent = parent
            entry.definition = definition
            state.entries[unit] = entry
            state.expected.remove(unit)
            if let parent, let wanted = state.children[parent]?.redefined[unit], wanted == definition {
                state.children[parent]?.redefined[unit] = nil
            }
            return state.waitingBells + (isIdle != known?.isIdle ? state.dependentBells(of: unit) : []) + state.takeAwaiting(unit)
        }
    }

    /// The unit's Kustomization is being deleted.
    func end(_ unit: Ownership) {
        update { state in
            state.entries[unit]?.isEnding = true
            return state.waitingBells
        }
    }

    func remove(_ unit: Ownership) {
        update { state in
            state.waiting.remove(unit)
            state.expected.remove(unit)
            let rivals = state.setClaims([], of: unit)
            state.setJudged([], by: unit)
            state.setDependencies([], of: unit, before: state.entries[unit]?.dependsOn ?? [])
            state.entries[unit] = nil
            state.children[unit] = nil
            return rivals + state.waitingBells + state.dependentBells(of: unit) + state.takeAwaiting(unit)
        }
    }

    /// A unit has tried to build a commit; without `claims` (it could not) it goes on wanting what it wanted.
    func built(_ unit: Ownership, _ commit: ObjectID, generation: Int64, claims: [PackedManifest]?) {
        update { state in
            guard state.entries[unit] != nil else { return [] }
            state.entries[unit]?.built = commit
            state.entries[unit]?.generation = generation
            state.entries[unit]?.isBroken = claims == nil
            state.entries[unit]?.aside = nil
            state.entries[unit]?.awaitsParent = false
            let rivals = claims.map { state.setClaims($0, of: unit) } ?? []
            return rivals + state.rivalBells(of: unit) + state.waitingBells + state.takeAwaiting(unit)
        }
    }

    /// Which cluster somebody's objects are in has become known: all may have rivals now.
    func clustersAreKnown() { update { state in state.entries.values.map(\.bell) } }

    /// - Parameter trouble: what keeps it from applying anything; empty for nothing.
    func show(_ unit: Ownership, isReady: Bool, applied: ObjectID?, trouble: String = "") {
        update { state in
            var awaiting: [Bell] = []
            if let known = state.children[unit], known.trouble != trouble {
                state.children[unit]?.trouble = trouble
                awaiting = state.takeAwaiting(unit)
            }
            guard let entry = state.entries[unit], entry.isReady != isReady || entry.applied != applied else { return awaiting }
            state.entries[unit]?.isReady = isReady
            state.entries[unit]?.applied = applied
            return awaiting + state.dependentBells(of: unit)
        }
    }

    /// What is known elsewhere of the unit's objects has changed.
    func ring(_ unit: Ownership) { update { state in [state.entries[unit]?.bell].compactMap { $0 } } }

    /// The unit's object is not as it was.
    func changed(_ unit: Ownership) {
        update { state in (state.judges[unit] ?? []).compactMap { state.entries[$0]?.bell } }
    }

    /// - Parameter redefined: the digests of the definitions that may not be those in force.
    func setChildren(
        of parent: Ownership, wanted: Set<Ownership>, leaving: Set<Ownership>, redefined: [Ownership: String] = [:]
    ) {
        update { state in
            // Few units make others, and what is asked of all parents is asked often.
            if state.children[parent] == nil, wanted.isEmpty, leaving.isEmpty { return [] }
            if state.children[parent]?.redefined.isEmpty == false || !redefined.isEmpty {
                state.children[parent, default: Children()].redefined = redefined.filter { state.entries[$0.key]?.definition != $0.value }
            }
            guard state.children[parent]?.wanted != wanted || state.children[parent]?.leaving != leaving else { return [] }
            state.children[parent, default: Children()].wanted = wanted
            state.children[parent]?.leaving = leaving
            return state.waitingBells + leaving.compactMap { state.entries[$0]?.bell }
        }
    }

    func sent(_ parent: Ownership, _ commit: ObjectID) {
        update { state in
            guard state.children[parent] != nil, state.children[parent]?.sent != commit else { return [] }
            state.children[parent]?.sent = commit
            return state.waitingBells
        }
    }

    /// - Parameter definition: the digest that the server keeps with the child, which is what the child has to carry.
    func sent(_ child: Ownership, generation: Int64, definition: String, by parent: Ownership) {
        update { state in
            state.children[parent, default: Children()].generations[child] = generation
            guard let wanted = state.children[parent]?.redefined[child] else { return [] }
            let isCarried = state.entries[child]?.definition == definition
            state.children[parent]?.redefined[child] = isCarried ? nil : definition
            return isCarried || wanted != definition ? state.entries[child].map { [$0.bell] } ?? [] : []
        }
    }

    // MARK: What a unit asks

    var unitCount: Int { state.withLock { $0.entries.count } }

    /// Whether the unit's own definition has left the repository: it applies nothing more, and what others want passes to them.
    func isLeaving(_ unit: Ownership) -> Bool {
        state.withLock { state in state.children.values.contains { $0.leaving.contains(unit) } }
    }

    /// Why a unit may not apply yet, as Flux words it; nil when all it depends on is ready. A verdict replaces the built-in rule, as in
    /// Flux without its feature gate AdditiveCELDependencyCheck.
    func obstacle(for unit: Ownership, at commit: ObjectID, verdicts: [Ownership: ReadyVerdict] = [:]) -> String? {
        state.withLock { state in
            guard let entry = state.entries[unit] else { return nil }
            if let cycle = state.cycle(from: unit) {
                return "the dependencies lead in a circle: " + cycle.map(\.description).joined(separator: " → ")
            }
            for dependency in entry.dependsOn {
                guard let other = state.entries[dependency] else { return "dependency '\(dependency)' not found" }
                switch verdicts[dependency] {
                case .ready?: continue
                case .notReady(let reason)?: return reason
                case nil: break
                }
                if !other.isReady { return "dependency '\(dependency)' is not ready" }
                if other.source == entry.source, other.applied != commit {
                    return "dependency '\(dependency)' revision is not up to date"
                }
            }
            return nil
        }
    }

    /// The other units that want objects of `unit` too. One that has not looked at the same commit yet may be about to give them up.
    func rivals(of unit: Ownership, for keys: some Sequence<ObjectKey>) -> [ObjectKey: Rival] {
        state.withLock { state in
            guard let entry = state.entries[unit] else { return [:] }
            var result: [ObjectKey: Rival] = [:]
            for key in keys {
                guard state.laterClaimants[key] != nil else { continue }
                for other in state.claimants(of: key) where other != unit && !state.isLeaving(other) {
                    let its = state.entries[other]
                    guard state.share(other, unit) else { continue }
                    let isBehind = its?.source == entry.source && its?.built != entry.built && its?.isIdle == false
                    let origin = its?.claims.first { $0.key == key }?.origin
                    result[key] = Rival(unit: other, origin: origin, isBehind: isBehind)
                    break
                }
            }
            return result
        }
    }

    /// Who wants what `unit` does not want any more.
    func heirs(of unit: Ownership, for keys: some Sequence<ObjectKey>) -> [ObjectKey: Ownership] {
        state.withLock { state in
            Dictionary(
                keys.compactMap { key in
                    state.claimants(of: key).first {
                        $0 != unit && !state.isLeaving($0) && state.share($0, unit)
                    }.map { (key, $0) }
                }, uniquingKeysWith: { $1 })
        }
    }

    /// A unit that may yet claim what `unit` is about to delete, because it has not looked at this commit or could not build it; nil when
    /// there is none. The asker is rung when that changes.
    func laggard(before unit: Ownership, at commit: ObjectID) -> Laggard? {
        state.withLock { state in
            let found = state.laggard(before: unit, at: commit)
            if found == nil { state.waiting.remove(unit) } else { state.waiting.insert(unit) }
            return found
        }
    }
}

extension UnitBoard.State {
    var waitingBells: [Bell] { waiting.compactMap { entries[$0]?.bell } }

    fileprivate func dependentBells(of unit: Ownership) -> [Bell] { (dependents[unit] ?? []).compactMap { entries[$0]?.bell } }

    fileprivate mutating func setDependencies(_ new: [Ownership], of unit: Ownership, before old: [Ownership]) {
        guard new != old else { return }
        for other in old {
            dependents[other]?.remove(unit)
            if dependents[other]?.isEmpty == true { dependents[other] = nil }
        }
        for other in new { dependents[other, default: []].insert(unit) }
    }

    fileprivate mutating func setJudged(_ judged: Set<Ownership>, by unit: Ownership) {
        for other in judges.keys where !judged.contains(other) {
            judges[other]?.remove(unit)
            if judges[other]?.isEmpty == true { judges[other] = nil }
        }
        for other in judged { judges[other, default: []].insert(unit) }
    }

    /// Whether the objects of both are in one cluster, as far as that is known.
    fileprivate func share(_ a: Ownership, _ b: Ownership) -> Bool {
        guard let a = entries[a]?.cluster, let b = entries[b]?.cluster else { return false }
        return a.isSame(as: b)
    }

    /// A unit has left the repository when its definition has, or when all that make it have: these may not even be built any more.
    fileprivate func isLeaving(_ unit: Ownership) -> Bool { isLeaving(unit, below: []) }

    private func isLeaving(_ unit: Ownership, below path: Set<Ownership>) -> Bool {
        if entries[unit]?.isEnding == true || children.values.contains(where: { $0.leaving.contains(unit) }) { return true }
        let path = path.union([unit])
        let makers = children.filter { $0.value.wanted.contains(unit) && !path.contains($0.key) }.keys
        return !makers.isEmpty && makers.allSatisfy { isLeaving($0, below: path) }
    }

    /// As `share`, and also where it is not known yet in which cluster one of them is.
    private func mayShare(_ a: Ownership, _ b: Ownership) -> Bool {
        entries[a]?.cluster?.uid == nil || entries[b]?.cluster?.uid == nil || share(a, b)
    }

    /// Gives the bells of those who want, or wanted, the same.
    fileprivate mutating func setClaims(_ claims: [PackedManifest], of unit: Ownership) -> [Bell] {
        guard let old = entries[unit]?.claims else { return [] }
        let (before, after) = (Set(old.map(\.key)), Set(claims.map(\.key)))
        var touched: Set<Ownership> = []
        for key in before.subtracting(after) {
            let others = claimants(of: key).filter { $0 != unit }
            setClaimants(others, of: key)
            touched.formUnion(others)
        }
        for key in after.subtracting(before) {
            let others = claimants(of: key)
            touched.formUnion(others)
            setClaimants(others + [unit], of: key)
        }
        entries[unit]?.claims = claims
        return touched.compactMap { entries[$0]?.bell }
    }

    /// The bells of those who want the same, and may have waited until this one has looked at the commit.
    fileprivate func rivalBells(of unit: Ownership) -> [Bell] {
        if laterClaimants.isEmpty { return [] }
        var rivals: Set<Ownership> = []
        for claim in entries[unit]?.claims ?? [] where laterClaimants[claim.key] != nil { rivals.formUnion(claimants(of: claim.key)) }
        rivals.remove(unit)
        return rivals.compactMap { entries[$0]?.bell }
    }

    func claimants(of key: ObjectKey) -> [Ownership] {
        guard let first = claimants[key] else { return [] }
        return [first] + (laterClaimants[key] ?? [])
    }

    private mutating func setClaimants(_ units: [Ownership], of key: ObjectKey) {
        claimants[key] = units.first
        laterClaimants[key] = units.count > 1 ? Array(units.dropFirst()) : nil
    }

    fileprivate func laggard(before unit: Ownership, at commit: ObjectID) -> Laggard? {
        guard let entry = entries[unit] else { return nil }
        var broken: Ownership?
        for (other, its) in entries where other != unit && its.source == entry.source && !its.isIdle {
            if entry.isEnding, its.isEnding || its.hasSetAside(commit) { continue }
            if its.built != commit {
                if !isLeaving(other), !isRefused(other, at: commit) { return Laggard(other) }
            } else if its.isBroken, broken.map({ other < $0 }) ?? true, mayShare(other, unit), !isLeaving(other) {
                broken = other
            }
        }
        for (parent, children) in children where !isLeaving(parent) {
            guard let its = entries[parent], its.source == entry.source, !its.isIdle else { continue }
            if entry.isEnding, its.hasSetAside(commit) { continue }
            // What cannot be built is not sent.
            let isBroken = its.isBroken && its.built == commit
            if parent != unit, !isBroken, !children.wanted.isEmpty || !children.leaving.isEmpty, children.sent != commit {
                return Laggard(parent)
            }
            for child in children.wanted where child != unit && children.outcomes[child] != .stays {
                guard let its = entries[child] else {
                    if isElsewhere(child, of: parent) { continue }
                    return Laggard(child)
                }
                if !its.isIdle, its.source == entry.source, its.generation < children.generations[child] ?? 0 { return Laggard(child) }
            }
        }
        return broken.map { Laggard($0, isBroken: true) }
    }

    /// Whether a unit that is not there yet will be built from another repository than its maker, as far as other units tell.
    private func isElsewhere(_ child: Ownership, of parent: Ownership) -> Bool {
        let key = ObjectKey(unit: child)
        guard let maker = entries[parent], let definition = maker.claims.first(where: { $0.key == key })?.manifest else { return false }
        let reference = KustomizationSpec(of: definition).source
        return entries.values.first { $0.reference == reference }.map { $0.source != maker.source } ?? false
    }

    /// A path of dependencies from a unit back to itself.
    fileprivate func cycle(from unit: Ownership) -> [Ownership]? {
        var seen: Set<Ownership> = []
        func search(_ here: Ownership, _ path: [Ownership]) -> [Ownership]? {
            for next in entries[here]?.dependsOn ?? [] {
                if next == unit { return path + [next] }
                if seen.insert(next).inserted, let found = search(next, path + [next]) { return found }
            }
            return nil
        }
        return search(unit, [unit])
    }
}
