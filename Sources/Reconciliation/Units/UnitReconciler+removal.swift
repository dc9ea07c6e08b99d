import KubernetesModel
import SyncPlanning

extension UnitReconciler {
    /// The Kustomization is being deleted: what it applied goes first, as its deletion policy says; what another unit wants stays, and so
    /// does what only a person may delete. Gives when to look again.
    func leave() async throws -> Duration? {
        guard let object else { return nil }
        let record = await object.inventory
        if !spec.isSuspended, deletesOnRemoval, !record.isEmpty, try await hasKubeconfig(record) {
            if try await reachCluster() { return clock.now }
            guard try await mayDelete(record) else { return try await release(object) }
            let kinds = Set(record.keys.compactMap { record.groupVersionKind(of: $0) })
            try await live.prepare(Array(try await live.resources(for: kinds).values))
            let present = try await deleteRecorded(record)
            if spec.deletionPolicy == .waitForTermination, !present.isEmpty { return clock.now + .seconds(10) }
        }
        return try await release(object)
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
        if try await api.get(kind, namespace: spec.owner.namespace, name: account) != nil { return true }
        events.record(
            unitEvent(
                "Kept", "the unit is deleted and its ServiceAccount \(account) is gone, so these are left: \(Self.list(record.keys))",
                isWarning: true))
        return false
    }

    private var deletesOnRemoval: Bool {
        switch spec.deletionPolicy {
        case .mirrorPrune: spec.prune.isEnabled
        case .delete, .waitForTermination: true
        case .orphan: false
        }
    }

    /// Asks for the deletion of what is the unit's own; gives those that are not gone yet.
    private func deleteRecorded(_ record: ResourceInventory) async throws -> [ObjectKey] {
        let heirs = board.heirs(of: spec.owner, for: record.keys)
        let observed = await live.observations(of: record.keys)
        var present: [ObjectKey] = []
        var kept: [ObjectKey] = []
        for key in ApplyOrder.sortedForDeletion(record.keys) where heirs[key] == nil {
            guard let kind = record.groupVersionKind(of: key), let found = observed[key]?.present, found.owner == spec.owner else {
                continue
            }
            if found.marks.contains(.reconcileDisabled) || found.marks.contains(.pruneDisabled)
                || (PrunePolicy.kindsToConfirm.contains(key.groupKind) && !found.marks.contains(.pruneConfirmed))
            {
                kept.append(key)
                continue
            }
            present.append(key)
            if deleting[key] == found.uid { continue }
            _ = try await api.delete(
                kind, namespace: key.namespace, name: key.name,
                options: DeleteOptions(uid: found.uid, user: spec.user))
            deleting[key] = found.uid
        }
        if !kept.isEmpty {
            events.record(
                unitEvent("Kept", "the unit is deleted, and these are left: \(Self.list(kept)); deleting them is final", isWarning: true))
        }
        return present
    }
}
