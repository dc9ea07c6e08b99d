import Diagnostics
import Git
import KubernetesModel
import SyncPlanning

extension UnitReconciler {
    /// The Kustomization is being deleted: what it applied goes first, as its deletion policy says; what another unit wants stays, and so
    /// does what only a person may delete. Gives when to look again.
    func leave() async throws -> Duration? {
        guard let object else { return nil }
        if !isEnding {
            (isEnding, pruneFailures) = (true, [:])
            board.end(spec.owner)
        }
        let record = await object.inventory
        if spec.deletesOnRemoval, !record.isEmpty, try await hasKubeconfig(record) {
            if try await reachCluster() { return clock.now }
            guard try await mayDelete(record) else { return try await release(object) }
            if let obstacle = await obstacleToRemoval() {
                removal = (.progressing, obstacle)
                // The board rings when that is over.
                return clock.now + .seconds(30)
            }
            let kinds = Set(record.keys.compactMap { record.groupVersionKind(of: $0) })
            let served = try await live.resources(forRecorded: kinds)
            try await live.prepare(Array(served.values))
            let present = try await deleteRecorded(record, served)
            if let refused = pruneFailures.min(by: { $0.key < $1.key }) {
                removal = (.pruneFailed, refused.value.diagnostic.description)
                return pruneFailures.values.map(\.retryAt).min()
            }
            if spec.deletionPolicy == .waitForTermination, let end = terminationWait(for: present) { return end }
        }
        return try await release(object)
    }

    /// A unit that may yet want what this one has: nothing is deleted before that is known, unless a person says so.
    private func obstacleToRemoval() async -> String? {
        guard let commit = source?.state.value.commit?.id, let laggard = board.laggard(before: spec.owner, at: commit) else { return nil }
        var policy = spec.prune
        policy.confirmedRevision = await store.annotation(InventoryStore.confirmPrune)
        if policy.confirms(commit.hex) { return nil }
        let command = SyncRequest.confirmation(at: store.place, of: commit.hex)
        let short = commit.hex.prefix(12)
        let reason =
            laggard.isBroken
            ? "\(laggard.unit), which may want them, cannot be built from \(short); mend that unit"
            : "\(laggard.unit), which may want them, has not been built from \(short)"
        return "the unit is deleted, and its objects stay while \(reason), or let them go with `\(command)`"
    }

    /// When to look again whether what was deleted is gone; nil when it is, or has had its time (as in Flux).
    private func terminationWait(for present: [ObjectKey]) -> Duration? {
        guard !present.isEmpty else { return nil }
        let deadline = terminationDeadline ?? clock.now + spec.healthTimeout
        terminationDeadline = deadline
        if deadline > clock.now {
            removal = (.progressing, "the unit is deleted and waits until these are gone: \(Self.list(present))")
            return min(deadline, clock.now + .seconds(10))
        }
        events.record(
            unitEvent(
                "TerminationTimeout",
                "the unit is deleted, and these are not gone within \(spec.healthTimeout) of it: \(Self.list(present)); "
                    + "look who holds them by their metadata.finalizers", isWarning: true))
        return nil
    }

    private func release(_ object: KustomizationObject) async throws -> Duration? {
        try await object.release()
        return nil
    }

    /// Nobody can delete anything in a cluster whose kubeconfig is gone (as in Flux); one that only does not answer is waited for.
    private func hasKubeconfig(_ record: ResourceInventory) async throws -> Bool {
        if let lost = try await kubeconfig?.loss(context.api) {
            events.record(
                unitEvent(
                    "Kept",
                    "the unit is deleted and \(lost), which leads to its cluster, is gone, so these are left: \(Self.list(record.keys))",
                    isWarning: true))
            return false
        }
        return true
    }

    /// Without the ServiceAccount that it acts as, a unit may delete nothing; it must not hang about for ever for that (as in Flux).
    private func mayDelete(_ record: ResourceInventory) async throws -> Bool {
        guard let account = spec.actingAccount else { return true }
        let kind = GroupVersionKind(group: "", version: "v1", kind: "ServiceAccount")
        if try await api.get(kind, namespace: spec.namespace, name: account) != nil { return true }
        events.record(
            unitEvent(
                "Kept", "the unit is deleted and its ServiceAccount \(account) is gone, so these are left: \(Self.list(record.keys))",
                isWarning: true))
        return false
    }

    /// Asks for the deletion of what is the unit's own, one kind after the other; gives those that are not gone yet. One that is refused
    /// does not keep the others.
    private func deleteRecorded(_ record: ResourceInventory, _ served: [GroupKind: APIResource]) async throws -> [ObjectKey] {
        let heirs = board.heirs(of: spec.owner, for: record.keys)
        let observed = await live.observations(of: record.keys)
        var present: [PlannedPrune] = []
        var kept: [ObjectKey] = []
        for key in record.keys where heirs[key] == nil {
            guard let kind = served[key.groupKind]?.kind, let found = observed[key]?.present, found.owner == spec.owner else { continue }
            if found.marks.contains(.reconcileDisabled) || found.marks.contains(.pruneDisabled)
                || (PrunePolicy.kindsToConfirm.contains(key.groupKind) && !found.marks.contains(.pruneConfirmed))
            {
                kept.append(key)
            } else {
                present.append(PlannedPrune(key: key, kind: kind, uid: found.uid))
            }
        }
        let keys = Set(present.map(\.key))
        pruneFailures = pruneFailures.filter { keys.contains($0.key) }
        for wave in SyncPlanner.waves(of: present) {
            let due = wave.filter { deleting[$0.key] != $0.uid && (pruneFailures[$0.key]?.retryAt ?? .zero) <= clock.now }
            for batch in due.batches(of: spec.parallelism) { _ = try await delete(Array(batch)) }
        }
        if !kept.isEmpty {
            let message = "the unit is deleted, and these are left: \(Self.list(kept)); deleting them is final"
            if toldWarnings.insert(message).inserted { events.record(unitEvent("Kept", message, isWarning: true)) }
        }
        return present.map(\.key)
    }
}
