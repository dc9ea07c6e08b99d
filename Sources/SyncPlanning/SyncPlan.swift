package import Diagnostics
package import KubernetesModel

/// What is going to happen to a unit's objects, and what is not and why; printed by `diff`, executed by the agent.
package struct SyncPlan: Hashable, Sendable {
    package var unit: Ownership
    package var revision: String
    /// What the record must hold before the first apply: everything recorded, and everything about to be applied.
    package var record: ResourceInventory
    package var stages: [PlannedStage] = []
    package var unchanged: [ObjectKey] = []
    package var skipped: [PlannedException] = []
    /// Wanted, but not possible yet: the rest does not wait for these.
    package var waiting: [PlannedException] = []
    /// Wanted by another unit too, which has it: nothing is done to these until one of the two gives way.
    package var contested: [PlannedException] = []
    /// Changed in the cluster, and only told of.
    package var drifted: [PlannedException] = []
    /// One after the other; the objects of one wave side by side.
    package var prunes: [[PlannedPrune]] = []
    /// Recorded, not wanted any more, and deleted only when something happens: health, a confirmation.
    package var kept: [PlannedException] = []
    /// Recorded objects that are gone, or not this unit's any more, or left the repository and are not to be deleted.
    package var forgotten: [ObjectKey] = []
    /// Why nothing is pruned at all.
    package var refusals: [Diagnostic] = []

    package init(unit: Ownership, revision: String, record: ResourceInventory) {
        self.unit = unit
        self.revision = revision
        self.record = record
    }

    package var applies: [PlannedApply] { stages.flatMap { $0.waves.flatMap { $0 } } }
    /// Whether executing it would send anything.
    package var hasChanges: Bool { !stages.isEmpty || !prunes.isEmpty }
}

package struct PlannedStage: Hashable, Sendable {
    package var stage: ApplyStage
    /// One after the other; the objects of one wave side by side.
    package var waves: [[PlannedApply]]
}

package struct PlannedApply: Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
        case absent
        /// It was applied from another manifest, or never by us.
        case newContent([FieldDifference])
        /// The manifest is the same and the object is not.
        case drift([FieldDifference])
    }

    package var object: DesiredObject
    package var reason: Reason

    package var key: ObjectKey { object.key }
    package var isDrift: Bool { if case .drift = reason { true } else { false } }
}

package struct PlannedPrune: Hashable, Sendable {
    package var key: ObjectKey
    package var kind: GroupVersionKind
    /// Guards against deleting a namesake made since.
    package var uid: String

    package init(key: ObjectKey, kind: GroupVersionKind, uid: String) {
        self.key = key
        self.kind = kind
        self.uid = uid
    }
}

/// An object the plan does nothing to, and why.
package struct PlannedException: Hashable, Sendable {
    package enum Cause: Hashable, Sendable {
        case ignored
        case reconcileDisabled
        case presentAlready
        case kindUnknown
        case kindUnseen(String)
        case beingDeleted
        case namespaceBeingDeleted
        case pruneDisabled
        case pruneOff
        case needsConfirmation
        case unhealthy(ObjectKey, String)
        case refused
        case anotherOwner(Ownership?)
        case contested(Rival)
        case passes(Ownership)
        case laggard(Ownership)
        /// With the command by which a person lets it go all the same.
        case brokenUnit(Ownership, String)
        case inUse(ObjectKey)
        case usersUnknown
        case ranAlready
        case drifted([FieldDifference])
        case deletedInCluster
        case fluxItself
        case foreign
        case unserved
    }

    package var key: ObjectKey
    package var cause: Cause
    package var origin: SourceLocation?

    package init(_ key: ObjectKey, _ cause: Cause, origin: SourceLocation? = nil) {
        self.key = key
        self.cause = cause
        self.origin = origin
    }

    /// The reason as a clause, with what to do where a person can do something.
    package var reason: String {
        switch cause {
        case .ignored: "is marked `ssa: Ignore`"
        case .reconcileDisabled: "is marked `reconcile: disabled`"
        case .presentAlready: "is marked `ssa: IfNotPresent` and exists"
        case .kindUnknown where key.groupKind.isBuiltIn:
            "waits for a Kubernetes that serves \(key.groupKind) in the version that the manifest names; this one does not"
        case .kindUnknown: "waits for the cluster to know \(key.groupKind); the CustomResourceDefinition has not been applied yet"
        case .kindUnseen(let reason): "waits, because the cluster does not list \(key.groupKind): \(reason)"
        case .beingDeleted: "is being deleted; it is made anew when it is gone"
        case .namespaceBeingDeleted: "waits until the deletion of its namespace is through"
        case .pruneDisabled: "is marked `prune: disabled`"
        case .pruneOff: "stays, because pruning is off"
        case .needsConfirmation:
            "left the repository; deleting a \(key.kind) is final, confirm it with "
                + "`kubectl annotate \(key.kind.lowercased()) \(key.name)\(key.namespace.isEmpty ? "" : " -n " + key.namespace)"
                + " homelab.dev/prune=confirmed`"
        case .unhealthy(let other, let reason): "is deleted when \(other) is healthy (\(reason.isEmpty ? "in progress" : reason))"
        case .refused: "stays, because pruning was refused"
        case .anotherOwner(let owner?): "belongs to \(owner) now"
        case .contested(let rival) where rival.isBehind: "waits until \(rival.unit) has looked at this commit, since it has the object now"
        case .contested(let rival):
            "is also wanted by \(rival.unit)" + (rival.origin.map { " at \($0)" } ?? "")
                + "; remove it from one of the two"
        case .inUse(let user): "is deleted when \(user) does not use it any more"
        case .usersUnknown: "is deleted when it is known that no pod uses it"
        case .ranAlready: "has run to its end and was cleared away; it runs again when its manifest changes"
        case .drifted(let differences):
            "was changed in the cluster, which is only reported: " + differences.prefix(5).map(\.description).joined(separator: "; ")
        case .deletedInCluster: "was deleted in the cluster, which is only reported"
        case .fluxItself: "is Flux itself, whose work this agent does; it is left out"
        case .foreign:
            "is not handled yet and is left out, since the cluster does not know \(key.groupKind) either; "
                + FluxKinds.substitute(for: key.groupKind)
        case .unserved:
            "is applied as it is, and nothing in this cluster acts on it; " + FluxKinds.substitute(for: key.groupKind)
        case .passes(let owner): "passes to \(owner), which wants it now"
        case .laggard(let unit): "is deleted when \(unit), which may want it, has been built from this commit"
        case .brokenUnit(let unit, let command):
            "stays while \(unit), which may want it, cannot be built from this commit; mend that unit, or let it go with `\(command)`"
        case .anotherOwner(nil): "does not carry this unit's labels any more and is left alone"
        }
    }
}
