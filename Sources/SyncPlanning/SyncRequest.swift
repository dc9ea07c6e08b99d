package import Diagnostics
package import KubernetesModel

/// Everything a plan follows from.
package struct SyncRequest: Sendable {
    package var unit: Ownership
    package var revision: String
    package var desired: DesiredTree
    package var applied: ResourceInventory
    /// For every desired and every applied object. A desired one that is missing counts as absent; a recorded one as not looked at.
    package var live: [ObjectKey: Observation]
    package var prune: PrunePolicy
    /// Objects that other units want: they pass to them and are not deleted.
    package var claimed: [ObjectKey: Ownership]
    package var gate: HealthGate
    /// Desired objects that another unit wants too.
    package var rivals: [ObjectKey: Rival] = [:]
    /// The unit itself is on its way out: what another wants it gives up at once.
    package var yields = false
    /// A unit that may yet want what this one does not want any more.
    package var laggard: Laggard?
    /// How many objects go with the units among what leaves: they count as if they left, too.
    package var companions: [ObjectKey: Int] = [:]
    /// What can be sent has been: what is still to be applied holds the pruning up.
    package var isAfterApplying = false
    /// Changes made in the cluster are told, and not undone.
    package var reportsDrift = false
    /// Everything of this revision has been applied before: what is not there now was deleted since.
    package var wasApplied = false
    /// The Jobs that ran to their end, with the digests of what they ran.
    package var completed: [ObjectKey: String] = [:]
    /// What `kubectl annotate` needs to reach the record, for a confirmation.
    package var recordPlace: String

    package init(
        unit: Ownership, revision: String, desired: DesiredTree, applied: ResourceInventory, live: [ObjectKey: Observation],
        prune: PrunePolicy = PrunePolicy(), claimed: [ObjectKey: Ownership] = [:], gate: HealthGate = HealthGate()
    ) {
        self.unit = unit
        self.revision = revision
        self.desired = desired
        self.applied = applied
        self.live = live
        self.prune = prune
        self.claimed = claimed
        self.gate = gate
        recordPlace = "configmap -n homelab-system homelab-inventory-\(unit.name)"
    }
}

extension SyncRequest {
    /// How a person says that this commit may delete as much as it does.
    package var confirmation: String { Self.confirmation(at: recordPlace, of: revision) }

    package static func confirmation(at place: String, of revision: String) -> String {
        "kubectl annotate \(place) --overwrite homelab.dev/confirm-prune=\(revision.prefix(12))"
    }
}

/// A unit of which it is not known what it wants at a commit: it has not looked at it yet, or could not build it.
package struct Laggard: Hashable, Sendable {
    package var unit: Ownership
    /// Only a person can end that: by another commit, or by saying that what left may go all the same.
    package var isBroken: Bool

    package init(_ unit: Ownership, isBroken: Bool = false) {
        self.unit = unit
        self.isBroken = isBroken
    }
}

/// Another unit that wants the same object.
package struct Rival: Hashable, Sendable {
    package var unit: Ownership
    package var origin: SourceLocation?
    /// It has not looked at the commit at hand yet, and may be about to give the object up.
    package var isBehind: Bool

    package init(unit: Ownership, origin: SourceLocation? = nil, isBehind: Bool = false) {
        self.unit = unit
        self.origin = origin
        self.isBehind = isBehind
    }
}

/// When objects that left the repository may be deleted.
package struct PrunePolicy: Hashable, Sendable {
    package var isEnabled: Bool
    /// A commit that drops more objects than `maximumCount` and also more than `maximumPercent` of what is applied deletes nothing
    /// until it is confirmed: a moved folder or a broken template looks just like that.
    package var maximumCount: Int
    package var maximumPercent: Int
    /// The revision for which a person has confirmed that this much may go; any unambiguous prefix of it.
    package var confirmedRevision: String?

    package init(isEnabled: Bool = true, maximumCount: Int = 20, maximumPercent: Int = 50, confirmedRevision: String? = nil) {
        self.isEnabled = isEnabled
        self.maximumCount = maximumCount
        self.maximumPercent = maximumPercent
        self.confirmedRevision = confirmedRevision
    }

    package func confirms(_ revision: String) -> Bool {
        guard let confirmedRevision, confirmedRevision.count >= 7 else { return false }
        return revision.hasPrefix(confirmedRevision)
    }

    /// Deleting one of these takes data or foreign objects along, so a person says yes to each.
    package static let kindsToConfirm: Set<GroupKind> = [
        GroupKind(group: "", kind: "Namespace"), GroupKind(group: "", kind: "PersistentVolumeClaim"),
        GroupKind(group: "", kind: "PersistentVolume"), GroupKind(group: "apiextensions.k8s.io", kind: "CustomResourceDefinition"),
    ]
}

/// What stands between the applied objects and the pruning: nothing old goes while the new is not well.
package struct HealthGate: Hashable, Sendable {
    /// The changed objects that are not current, with the reason.
    package var unhealthy: [ObjectKey: String]
    /// Whether they had their time. Then only their own namespaces, and what has none, wait on.
    package var isExpired: Bool

    package init(unhealthy: [ObjectKey: String] = [:], isExpired: Bool = false) {
        self.unhealthy = unhealthy
        self.isExpired = isExpired
    }

    /// Why `key` may not go yet.
    package func obstacle(for key: ObjectKey) -> (key: ObjectKey, reason: String)? {
        let relevant = unhealthy.filter { !isExpired || key.namespace.isEmpty || $0.key.namespace == key.namespace }
        return relevant.min { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
