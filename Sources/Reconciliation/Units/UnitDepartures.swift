import KubernetesModel
import SyncPlanning

/// What goes along with Kustomizations that are deleted: what each has applied, and what those among that have.
struct UnitDepartures: Sendable {
    /// Of the cluster that the Kustomizations are in.
    let api: any ClusterAPI
    /// Those whose end is not looked after.
    let flux: FluxSettings?
    /// Which objects of a unit others want, so that they pass to them.
    let inherited: @Sendable (_ unit: UnitSpec, _ objects: [ObjectKey]) -> Set<ObjectKey>

    /// How many objects go with each of `units`; what is recorded and not there any more counts, too.
    /// - Throws: `ClusterError` when one of them cannot be looked at.
    func counts(of units: [ObjectKey]) async throws -> [ObjectKey: Int] {
        var counts: [ObjectKey: Int] = [:]
        var seen = Set(units)
        for unit in units {
            var open = [unit]
            while let next = open.popLast() {
                guard let object = try await api.get(FluxKinds.kustomization, namespace: next.namespace, name: next.name) else { continue }
                let spec = UnitSpec(of: object)
                guard spec.deletesOnRemoval, !object.isBeingDeleted, flux?.reasonToLeave(object) == nil else { continue }
                let record = KustomizationStatus(of: object).inventory.keys
                let others = inherited(spec, record)
                let going = record.filter { !others.contains($0) }
                counts[unit, default: 0] += going.count
                open += going.filter { $0.unit != nil && seen.insert($0).inserted }
            }
        }
        return counts
    }
}

extension UnitReconciler {
    /// How many objects go with each unit that leaves; not asked where a person has said that all may go.
    func departures(of leaving: [ObjectKey], _ request: SyncRequest) async throws -> [ObjectKey: Int] {
        guard request.prune.isEnabled, !request.prune.confirms(request.revision) else { return [:] }
        let units = leaving.filter { key in
            guard key.unit != nil, request.claimed[key] == nil, let live = request.live[key]?.present else { return false }
            return live.owner == spec.owner && !live.isBeingDeleted
        }
        guard !units.isEmpty else { return [:] }
        let departures = UnitDepartures(api: api, flux: context.flux.value) {
            [board, owner = spec.owner, wanted = request.desired.inventory] unit, objects in
            // One that leaves may not have begun since a restart, so what is in its maker's cluster is asked for its maker.
            let isHere = unit.kubeconfig == nil
            let heirs = board.heirs(of: isHere ? owner : unit.owner, for: objects)
            return Set(objects.filter { heirs[$0] != nil || (isHere && wanted.contains($0)) })
        }
        return try await departures.counts(of: units)
    }
}
