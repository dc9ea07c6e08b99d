import Git
import KubernetesModel
import Synchronization

/// What a unit waits for before it builds a commit: that the unit which makes it has taken up what the commit says of it.
struct ParentWait {
    var reason: String
    /// Nobody knows yet whether there is anything to wait for: it is not waited for without end.
    var isBounded = false
}

/// What a unit could do about the definition of one that it makes.
enum ChildOutcome: Equatable {
    /// It stays as it is, whatever the tree says.
    case stays
    case waits(String)
    /// The server does not take it.
    case refused(String)

    var reason: String? {
        switch self {
        case .stays: nil
        case .waits(let reason), .refused(let reason): reason
        }
    }
}

/// A unit made by another from the same repository builds no commit before that one has taken it up: it would build the new files by the
/// old definition, be it a path that the commit gave to another unit. The maker has taken it up when it has built it and the definition in
/// force is the one it found there; what else becomes of it there does not matter, and neither does a maker that cannot build it.
extension UnitBoard {
    /// What the unit waits for at a commit; the asker is rung when that may be over.
    /// - Parameter isAccepted: whether a person has accepted the commit for all units, so that a maker which holds it is about to go on.
    func parentWait(of unit: Ownership, at commit: ObjectID, isAccepted: Bool = false) -> ParentWait? {
        var found: ParentWait?
        update { state in
            found = state.parentWait(of: unit, at: commit, isAccepted: isAccepted)
            let wait = found != nil
            guard wait || state.entries[unit]?.awaitsParent == true else { return [] }
            state.entries[unit]?.awaitsParent = wait
            if wait { state.entries[unit]?.aside = commit }
            // What is refused holds up no pruning.
            return state.isRefused(unit, at: commit) ? state.waitingBells : []
        }
        return found
    }

    /// Rings the units that wait for a parent when a short time is over. One alarm for all of them: a thousand would take their memory.
    func ringSoon(those parent: Ownership?, clock: any AgentClock) {
        guard let parent, state.withLock({ $0.alarms.insert(parent).inserted }) else { return }
        Task {
            try? await clock.sleep(for: .milliseconds(500))
            update { state in
                state.alarms.remove(parent)
                return state.takeAwaiting(parent)
            }
        }
    }

    /// A unit cannot take up a commit for now, and nobody waits until it can.
    func passOver(_ unit: Ownership, _ commit: ObjectID) {
        update { state in
            guard state.entries[unit] != nil, state.entries[unit]?.aside != commit || state.entries[unit]?.awaitsParent == true else {
                return []
            }
            state.entries[unit]?.aside = commit
            state.entries[unit]?.awaitsParent = false
            return state.takeAwaiting(unit)
        }
    }

    /// The units whose new definition a unit has not been seen to apply.
    func redefined(by parent: Ownership) -> Set<Ownership> { state.withLock { Set($0.children[parent]?.redefined.keys.map { $0 } ?? []) } }

    func tell(_ outcomes: [Ownership: ChildOutcome], of parent: Ownership) {
        update { state in
            guard let known = state.children[parent] else { return [] }
            // What is not to be deleted is forgotten, and stays all the same.
            let spared = known.outcomes.filter { $0.value == .stays && known.leaving.contains($0.key) }
            let outcomes = outcomes.merging(spared) { new, _ in new }
            guard known.outcomes != outcomes else { return [] }
            state.children[parent]?.outcomes = outcomes
            return state.waitingBells + state.takeAwaiting(parent)
        }
    }
}

extension UnitBoard.State {
    /// The bells of those that wait for what a unit takes up; who still has to, asks again.
    mutating func takeAwaiting(_ parent: Ownership) -> [Bell] {
        (awaiting.removeValue(forKey: parent) ?? []).compactMap { entries[$0]?.bell }
    }

    fileprivate mutating func parentWait(of unit: Ownership, at commit: ObjectID, isAccepted: Bool) -> ParentWait? {
        guard let entry = entries[unit], let parent = entry.parent, parent != unit else { return nil }
        guard let its = entries[parent] else {
            guard expected.contains(parent) else { return nil }
            awaiting[parent, default: []].insert(unit)
            return ParentWait(reason: "waits until \(parent) has begun", isBounded: true)
        }
        guard !its.isIdle, its.source == entry.source else { return nil }
        let short = commit.hex.prefix(12)
        func wait(_ what: String, because reason: String? = nil, isBounded: Bool = false) -> ParentWait? {
            guard !leads(from: parent, to: unit) else { return nil }
            let trouble = reason ?? children[parent]?.trouble ?? ""
            return ParentWait(reason: trouble.isEmpty ? what : "\(what): \(trouble)", isBounded: isBounded)
        }
        var found: ParentWait?
        if its.built != commit {
            let isHeld = its.hasSetAside(commit)
            if isHeld, !isAccepted { return nil }
            found = wait("waits until \(parent) has looked at \(short)", isBounded: its.aside != commit || isHeld)
        } else if !its.isBroken {
            let made = children[parent] ?? UnitBoard.Children()
            let outcome = made.sent == commit ? made.outcomes[unit] : nil
            if outcome == .stays { return nil }
            if !made.wanted.contains(unit), let heir = heir(to: unit, of: parent) {
                let reason = children[heir]?.sent == commit ? children[heir]?.outcomes[unit]?.reason : nil
                found = wait("waits until \(heir) has taken it over from \(parent) in \(short)", because: reason)
            } else if made.leaving.contains(unit) {
                found = wait("is not in \(short) any more and waits until \(parent) deletes it", because: outcome?.reason)
            } else if let definition = made.redefined[unit], definition != entry.definition {
                found = wait("waits until \(parent) has applied what \(short) says of it", because: outcome?.reason)
            }
        }
        if found != nil { awaiting[parent, default: []].insert(unit) }
        return found
    }

    /// The unit that takes over the definition of one which its maker has given up, unless that one does nothing now or leaves it as it is.
    private func heir(to unit: Ownership, of parent: Ownership) -> Ownership? {
        claimants(of: ObjectKey(unit: unit)).first { other in
            guard other != parent, let its = entries[other] else { return false }
            return !its.isIdle && !its.isBroken && children[other]?.outcomes[unit] != .stays
        }
    }

    /// Whether a unit waits, by what it depends on and by who makes it, for another: the two must not wait for each other.
    private func leads(from start: Ownership, to goal: Ownership) -> Bool {
        var seen: Set<Ownership> = []
        var open = [start]
        while let here = open.popLast() {
            guard let entry = entries[here] else { continue }
            let next = entry.dependsOn + (entry.parent.map { [$0] } ?? [])
            if next.contains(goal) { return true }
            open += next.filter { seen.insert($0).inserted }
        }
        return false
    }

    /// Whether a unit waits for a definition that the server does not take, its own or that of one above it.
    func isRefused(_ unit: Ownership, at commit: ObjectID, below path: Set<Ownership> = []) -> Bool {
        guard let entry = entries[unit], entry.awaitsParent, entry.aside == commit, let parent = entry.parent, !path.contains(unit) else {
            return false
        }
        if let made = children[parent], made.sent == commit, case .refused? = made.outcomes[unit] { return true }
        return isRefused(parent, at: commit, below: path.union([unit]))
    }
}
