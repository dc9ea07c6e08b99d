package import KubernetesModel
package import SyncPlanning
import YAML

/// What the watches know of the objects that units want or have applied: not the objects, only what planning and status need of them.
package struct LiveObjects: Sendable {
    package struct Entry: Hashable, Sendable {
        package var resourceVersion: String
        package var object: PresentObject
        package var health: Health
        /// The digest of the desired manifest that `object.differences` was computed against.
        package var comparedWith: String?
        /// Who else wrote to the object last.
        package var lastForeignManager: String?
    }

    private struct Settled {
        var digest: String
        var differences: [FieldDifference]
    }

    package private(set) var desired: [ObjectKey: DesiredObject] = [:]
    package private(set) var entries: [ObjectKey: Entry] = [:]
    private var settled: [ObjectKey: Settled] = [:]
    package var healthContext = HealthContext()

    package init() {}

    package mutating func setDesired(_ objects: [DesiredObject]) {
        desired = Dictionary(objects.map { ($0.key, $0) }) { $1 }
        settled = settled.filter { desired[$0.key]?.digest == $0.value.digest }
    }

    /// nil when the object is not there.
    package func observation(of key: ObjectKey) -> Observation {
        guard let entry = entries[key] else { return .absent }
        var object = entry.object
        if let wanted = desired[key], object.digest == wanted.digest {
            if entry.comparedWith == wanted.digest {
                if let settled = settled[key] {
                    let standing = Set(settled.differences)
                    object.differences.removeAll { standing.contains($0) }
                }
            } else {
                // It was last compared with another manifest; applying it once tells.
                object.digest = ""
            }
        }
        return .present(object)
    }

    /// Takes in an object as a watch or a look-up gave it, unless something newer is known. Returns whether anything that counts changed.
    @discardableResult
    package mutating func take(_ live: Manifest, now: Timestamp) -> Bool {
        let key = live.key
        if let known = entries[key], known.object.uid == live.uid, isOlder(live.resourceVersion, than: known.resourceVersion) {
            return false
        }
        var context = healthContext
        context.now = now
        let wanted = desired[key]
        let entry = Entry(
            resourceVersion: live.resourceVersion, object: PresentObject(of: live, desired: wanted),
            health: KubernetesModel.health(of: live, in: context), comparedWith: wanted?.digest,
            lastForeignManager: Self.lastForeignManager(of: live))
        var old = entries.updateValue(entry, forKey: key)
        old?.resourceVersion = entry.resourceVersion
        return old != entry
    }

    /// Takes in the server's answer to an apply: what it left different from the manifest is how it writes it, not drift.
    package mutating func settle(_ live: Manifest, with wanted: DesiredObject, now: Timestamp) {
        guard desired[wanted.key]?.digest == wanted.digest else { return }
        let differences = PresentObject(of: live, desired: wanted).differences
        settled[wanted.key] = differences.isEmpty ? nil : Settled(digest: wanted.digest, differences: differences)
        take(live, now: now)
    }

    @discardableResult
    package mutating func remove(_ key: ObjectKey) -> Bool { entries.removeValue(forKey: key) != nil }

    /// Takes in a complete list of a kind.
    package mutating func replace(_ kind: GroupKind, with list: [Manifest], now: Timestamp) {
        let present = Set(list.map(\.key))
        for key in entries.keys where key.groupKind == kind && !present.contains(key) { entries[key] = nil }
        for manifest in list { take(manifest, now: now) }
    }

    package mutating func removeAll(_ kind: GroupKind) {
        entries = entries.filter { $0.key.groupKind != kind }
    }

    package func health(of key: ObjectKey) -> Health {
        entries[key]?.health ?? Health(.notFound, "not applied yet")
    }

    /// resourceVersions of one kind grow; where they are no numbers, the later to arrive counts.
    private func isOlder(_ a: String, than b: String) -> Bool {
        guard let a = UInt64(a), let b = UInt64(b) else { return false }
        return a < b
    }

    private static func lastForeignManager(of live: Manifest) -> String? {
        let writers = (live.value[path: "metadata", "managedFields"]?.array ?? []).filter {
            $0["manager"]?.string != ApplyOptions().fieldManager && $0["subresource"]?.string == nil
        }
        return writers.max { ($0["time"]?.string ?? "") < ($1["time"]?.string ?? "") }?["manager"]?.string
    }
}
