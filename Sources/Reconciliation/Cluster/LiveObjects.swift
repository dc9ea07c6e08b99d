package import KubernetesModel
package import SyncPlanning
import YAML

/// What the watches know of the objects that units want or have applied: not the objects, only what planning and status need of them.
package struct LiveObjects: Sendable {
    package struct Entry: Hashable, Sendable {
        package var resourceVersion: String
        package var object: PresentObject
        package var health: Health
        /// By the rules of units that have their own for the kind.
        package var judgements: [Ownership: Health] = [:]
        /// The digest of the desired manifest that `object.differences` was computed against.
        package var comparedWith: String?
        /// What this process applied here last.
        package var applied: DesiredObject?
        /// Who else wrote to the object last.
        package var lastForeignManager: String?
        /// Fields that people have set besides what the manifest says, when somebody looked last.
        package var additions: [FieldDifference] = []
        /// Another one where somebody has changed more than the status and the annotations.
        var content = 0
        /// Whether somebody has looked since that changed, or nobody had seen the object before.
        var isExamined = true
        /// Whether the list of its writers has ever been seen beside what is wanted.
        var wasLookedAt = false
        /// Of what carries no owner label; see `mark(of:)`.
        var mark: Int?
    }

    private struct Settled {
        var digest: String
        var differences: [FieldDifference]
    }

    /// How an object is wanted, and by which unit.
    package private(set) var desired: [ObjectKey: DesiredObject] = [:]
    private var wanted: [Ownership: [DesiredObject]] = [:]
    /// What units want to be told of besides: what they check the health of, what their variables come from.
    private var interests: [ObjectKey: Set<Ownership>] = [:]
    private var expressions: [Ownership: HealthRules] = [:]
    /// Each by itself: a table has room for up to twice as many as it holds.
    private var entries: [ObjectKey: Boxed<Entry>] = [:]
    private var settled: [ObjectKey: Settled] = [:]
    /// Applied once, and not said to be wanted by anybody yet, as all are when an agent starts: kept until there is something to compare
    /// them with.
    private var unclaimed: [ObjectKey: PackedManifest] = [:]
    /// Jobs that were seen to come to their end, with the digests of what they ran; they may be gone before anybody asks.
    package private(set) var completedJobs: [ObjectKey: String] = [:]
    package var healthContext = HealthContext()

    package init() {}

    /// What is known of an object.
    package private(set) subscript(key: ObjectKey) -> Entry? {
        get { entries[key]?.wrappedValue }
        set { entries[key] = newValue.map { Boxed(wrappedValue: $0) } }
    }

    package mutating func setDesired(_ objects: [DesiredObject], of unit: Ownership) {
        let keys = Set(objects.map(\.key))
        for key in (wanted[unit] ?? []).lazy.map(\.key) where !keys.contains(key) && desired[key]?.owner == unit {
            desired[key] = nil
            settled[key] = nil
            completedJobs[key] = nil
            forgetUnfollowed(key)
        }
        for object in objects {
            if desired[object.key]?.digest != object.digest { settled[object.key] = nil }
            desired[object.key] = object
            compareUnclaimed(object)
            // Of the same manifest one copy is enough.
            if self[object.key]?.applied == object { self[object.key]?.applied = object }
        }
        wanted[unit] = objects.isEmpty ? nil : objects
    }

    private mutating func compareUnclaimed(_ wanted: DesiredObject) {
        guard let live = unclaimed.removeValue(forKey: wanted.key), live.kind == wanted.kind, var entry = self[wanted.key] else { return }
        let manifest = live.manifest
        entry.object = PresentObject(of: manifest, desired: wanted)
        entry.comparedWith = wanted.digest
        entry.judgements = judgements(of: manifest, owner: entry.object.owner)
        self[wanted.key] = entry
    }

    package mutating func setInterests(_ keys: Set<ObjectKey>, of unit: Ownership) {
        for key in interests.keys where !keys.contains(key) && interests[key]?.contains(unit) == true {
            interests[key]?.remove(unit)
            if interests[key]?.isEmpty == true { interests[key] = nil }
            forgetUnfollowed(key)
        }
        for key in keys { interests[key, default: []].insert(unit) }
    }

    /// Whether it was looked at and carries no owner label: the watches, which go by that, bring no change of it.
    package func isUnlabelled(_ key: ObjectKey) -> Bool { self[key].map { $0.object.owner == nil } ?? false }

    /// Forgets an unlabelled object unless some unit wants it or has asked for it, and so follows it by name: nobody else would notice
    /// what becomes of it.
    package mutating func forgetUnfollowed(_ key: ObjectKey) {
        if desired[key] == nil, interests[key] == nil, isUnlabelled(key) { remove(key) }
    }

    /// Gives the known objects that have to be judged again, which takes a look at them: they are not kept here.
    @discardableResult
    package mutating func setHealthExpressions(_ new: HealthRules, of unit: Ownership) -> [ObjectKey] {
        let old = expressions.updateValue(new, forKey: unit) ?? HealthRules()
        if new.isEmpty { expressions[unit] = nil }
        guard !new.isEmpty || !old.isEmpty else { return [] }
        let affected = entries.keys.filter {
            (new[$0.groupKind] != nil || old[$0.groupKind] != nil) && audience(of: $0).contains(unit)
        }
        for key in affected { self[key]?.judgements[unit] = nil }
        return affected.filter { new[$0.groupKind] != nil }
    }

    /// Whom a change of an object concerns: who wants it, who owns it, who asked.
    package func audience(of key: ObjectKey) -> Set<Ownership> {
        var units = interests[key] ?? []
        if let wanted = desired[key] { units.insert(wanted.owner) }
        if let owner = self[key]?.object.owner { units.insert(owner) }
        return units
    }

    /// Whom anything about a kind concerns.
    package func audience(of kind: GroupKind) -> Set<Ownership> {
        var units = Set(desired.values.lazy.filter { $0.key.groupKind == kind }.map(\.owner))
        for key in entries.keys where key.groupKind == kind { if let owner = self[key]?.object.owner { units.insert(owner) } }
        for (key, others) in interests where key.groupKind == kind { units.formUnion(others) }
        return units
    }

    /// nil when the object is not there.
    package func observation(of key: ObjectKey) -> Observation {
        guard let entry = self[key] else { return .absent }
        var object = entry.object
        guard let wanted = desired[key] else { return .present(object) }
        object.wasAsWanted = entry.applied?.digest == wanted.digest && entry.applied?.owner == wanted.owner
        if object.digest == wanted.digest {
            object.isCompared = entry.comparedWith == wanted.digest
            if object.isCompared { object.differences += entry.additions }
            if object.isCompared, let settled = settled[key] {
                let standing = Set(settled.differences)
                object.differences.removeAll { standing.contains($0) }
            }
            object.isExamined = entry.isExamined
            object.wasLookedAt = entry.wasLookedAt
        }
        return .present(object)
    }

    /// Takes in an object as a watch or a look-up gave it, unless something newer is known. Returns whether anything that counts changed.
    ///
    /// One that is wanted in another version of its kind is taken in only to know that it is there: the fields of two versions cannot be
    /// compared, and the wanted one is watched, too.
    /// - Parameter tellsWriters: whether it has its list of writers, if it has any: lists and watches come without.
    @discardableResult
    package mutating func take(_ live: Manifest, tellsWriters: Bool = false, now: Timestamp) -> Bool {
        let isOtherVersion = desired[live.key].map { $0.kind != live.groupVersionKind } ?? false
        if isOtherVersion, self[live.key]?.object.uid == live.uid { return false }
        return take(live, comparedWith: isOtherVersion ? nil : desired[live.key], as: nil, tellsWriters: tellsWriters, now: now)
    }

    /// Whether this very version of an object has been compared with what is wanted now: an answer that came before its watch event.
    package func knows(_ live: Manifest) -> Bool {
        guard let known = self[live.key] else { return false }
        return known.resourceVersion == live.resourceVersion && known.object.uid == live.uid
            && known.comparedWith == desired[live.key]?.digest
    }

    /// - Parameters:
    ///   - wanted: nil where it cannot be compared.
    ///   - object: what is to be known of it, where that has been found out already.
    private mutating func take(
        _ live: Manifest, comparedWith wanted: DesiredObject?, as object: PresentObject?, tellsWriters: Bool, now: Timestamp
    ) -> Bool {
        let key = live.key
        if let known = self[key], known.object.uid == live.uid, live.isOlder(than: known.resourceVersion) {
            return false
        }
        noteCompletion(of: live)
        if key.kind == "Service", key.group.isEmpty { healthContext.take(service: live) }
        var context = healthContext
        context.now = now
        let object = object ?? PresentObject(of: live, desired: wanted)
        var entry = Entry(
            resourceVersion: live.resourceVersion, object: object, health: KubernetesModel.health(of: live, in: context),
            judgements: judgements(of: live, owner: object.owner), comparedWith: wanted?.digest, applied: self[key]?.applied,
            // Watches come without the list of writers: the last that was seen stays.
            lastForeignManager: Self.lastForeignManager(of: live) ?? self[key]?.lastForeignManager)
        entry.content = Self.content(of: live)
        if object.owner == nil { entry.mark = Self.mark(of: live) }
        if tellsWriters {
            entry.additions = wanted?.additions(in: live) ?? []
            entry.wasLookedAt = wanted != nil
        } else if let known = self[key], known.object.uid == live.uid {
            entry.additions = known.additions
            entry.isExamined = known.isExamined && known.content == entry.content
            entry.wasLookedAt = known.wasLookedAt
        }
        unclaimed[key] = desired[key] == nil && object.owner != nil && !object.digest.isEmpty ? PackedManifest(live) : nil
        var old = self[key]
        self[key] = entry
        old?.resourceVersion = entry.resourceVersion
        return old != entry
    }

    /// Takes in the server's answer to an apply: what it left different from the manifest is how it writes it, not drift.
    /// - Parameter keepsAdditions: whether it has refused to let go of what was added by hand, which is no drift then either.
    package mutating func settle(_ live: Manifest, with wanted: DesiredObject, keepsAdditions: Bool = false, now: Timestamp) {
        guard desired[wanted.key]?.digest == wanted.digest else { return }
        let object = PresentObject(of: live, desired: wanted)
        let additions = wanted.additions(in: live)
        let differences = object.differences + (keepsAdditions ? additions : [])
        settled[wanted.key] = differences.isEmpty ? nil : Settled(digest: wanted.digest, differences: differences)
        _ = take(live, comparedWith: wanted, as: object, tellsWriters: true, now: now)
        self[wanted.key]?.applied = wanted
        // A newer status may have come before the answer.
        guard self[wanted.key]?.content == Self.content(of: live) else { return }
        self[wanted.key]?.additions = additions
        self[wanted.key]?.isExamined = true
        self[wanted.key]?.wasLookedAt = true
    }

    /// Takes in what the server would make of an object, which was only asked: what that leaves different is no drift.
    package mutating func learnStanding(_ answer: Manifest, of wanted: DesiredObject) {
        guard desired[wanted.key]?.digest == wanted.digest else { return }
        let differences = PresentObject(of: answer, desired: wanted).differences
        settled[wanted.key] = differences.isEmpty ? nil : Settled(digest: wanted.digest, differences: differences)
    }

    /// Takes in the last state of an object that is gone.
    package mutating func noteCompletion(of live: Manifest) {
        guard live.kind == "Job", live.groupVersionKind.group == "batch", live.condition("Complete")?.status == "True" else { return }
        completedJobs[live.key] = live.annotation(DesiredObject.digestAnnotation)
    }

    @discardableResult
    package mutating func remove(_ key: ObjectKey) -> Bool {
        unclaimed[key] = nil
        return entries.removeValue(forKey: key) != nil
    }

    /// Takes in a complete list of the labelled objects of a kind.
    package mutating func replace(_ kind: GroupKind, with list: [Manifest], now: Timestamp) {
        let present = Set(list.map(\.key))
        for key in entries.keys where key.groupKind == kind && !present.contains(key) && !isUnlabelled(key) { remove(key) }
        for manifest in list { take(manifest, now: now) }
    }

    /// The cluster was set back to an earlier state: whatever comes next of a kind is news, and what was applied may not be there any more.
    package mutating func forgetVersions(of kind: GroupKind) {
        for key in entries.keys where key.groupKind == kind {
            self[key]?.resourceVersion = ""
            self[key]?.applied = nil
        }
        settled = settled.filter { $0.key.groupKind != kind }
        completedJobs = completedJobs.filter { $0.key.groupKind != kind }
    }

    package mutating func removeAll(_ kind: GroupKind) {
        entries = entries.filter { $0.key.groupKind != kind }
        unclaimed = unclaimed.filter { $0.key.groupKind != kind }
    }

    package func health(of key: ObjectKey, for unit: Ownership) -> Health {
        guard let entry = self[key] else { return Health(.notFound, "not applied yet") }
        return entry.judgements[unit] ?? entry.health
    }

    private func judgements(of live: Manifest, owner: Ownership?) -> [Ownership: Health] {
        guard !expressions.isEmpty else { return [:] }
        var units = interests[live.key] ?? []
        for unit in [desired[live.key]?.owner, owner] { if let unit { units.insert(unit) } }
        return units.reduce(into: [:]) { $0[$1] = expressions[$1]?[live.key.groupKind]?.health(of: live) }
    }

    /// The same for an object without an owner label of which nothing changes that planning goes by.
    static func mark(of live: Manifest) -> Int {
        var hasher = Hasher()
        for field in ["uid", "deletionTimestamp", "labels", "annotations"] { hasher.combine(live.value[path: "metadata", field]) }
        hasher.combine(content(of: live))
        return hasher.finalize()
    }

    /// The same for an object of which nothing but the status changes, and the annotations, by which controllers talk. The server counts
    /// the changes of most kinds. What an object is, lists tell in another order than looks.
    private static func content(of live: Manifest) -> Int {
        var hasher = Hasher()
        hasher.combine(live.value[path: "metadata", "labels"])
        if let generation = live.generation {
            hasher.combine(generation)
        } else {
            let others: Set = ["apiVersion", "kind", "metadata", "status"]
            for member in live.value.object ?? Object() where !others.contains(member.key) { hasher.combine(member) }
        }
        return hasher.finalize()
    }

    private static func lastForeignManager(of live: Manifest) -> String? {
        let writers = (live.value[path: "metadata", "managedFields"]?.array ?? []).filter {
            $0["manager"]?.string != ApplyOptions().fieldManager && $0["subresource"]?.string == nil
        }
        return writers.max { ($0["time"]?.string ?? "") < ($1["time"]?.string ?? "") }?["manager"]?.string
    }
}
