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
        // With the unit that each goes with.
        var open = units.map { ($0, $0) }
        while !open.isEmpty {
            let batch = Array(open.prefix(8))
            open.removeFirst(batch.count)
            let found: [(ObjectKey, [ObjectKey])] = try await withThrowingTaskGroup(of: (ObjectKey, [ObjectKey]).self) { group in
                for (unit, next) in batch { group.addTask { (unit, try await objects(goingWith: next)) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for (unit, going) in found {
                counts[unit, default: 0] += going.count
                open += going.filter { $0.unit != nil && seen.insert($0).inserted }.map { (unit, $0) }
            }
        }
        return counts
    }

    private func objects(goingWith unit: ObjectKey) async throws -> [ObjectKey] {
        guard let object = try await api.get(FluxKinds.kustomization, namespace: unit.namespace, name: unit.name) else { return [] }
        let spec = UnitSpec(of: object)
        guard spec.deletesOnRemoval, !object.isBeingDeleted, flux?.reasonToLeave(object) == nil else { return [] }
        let record = KustomizationStatus(of: object).inventory.keys
        let others = inherited(spec, record)
        return record.filter { !others.contains($0) }
    }
}

extension UnitReconciler {
    /// How many objects go with each unit that leaves; not asked where a person has said that all may go.
    func departures(of leaving: [ObjectKey], _ request: SyncRequest) async throws -> [ObjectKey: Int] {
        guard request.prune.isEnabled, !request.prune.confirms(request.revision), !spec.isSuspended else { return [:] }
        let units = leaving.filter { key in
            guard key.unit != nil, request.claimed[key] == nil, let live = request.live[key]?.present else { return false }
            return live.owner == spec.owner && !live.isBeingDeleted
        }
        guard !units.isEmpty else { return [:] }
        if let known = knownDepartures, known.revision == request.revision, known.units == units, clock.now < known.end {
            return known.counts
        }
        let departures = UnitDepartures(api: api, flux: context.flux.value) {
            [board, owner = spec.owner, wanted = request.desired.inventory] unit, objects in
            // One that leaves may not have begun since a restart, so what is in its maker's cluster is asked for its maker.
            let isHere = unit.kubeconfig == nil
            let heirs = board.heirs(of: isHere ? owner : unit.owner, for: objects)
            return Set(objects.filter { heirs[$0] != nil || (isHere && wanted.contains($0)) })
        }
        let counts = try await departures.counts(of: units)
        knownDepartures = (request.revision, units, counts, clock.now + .seconds(30))
        return counts
    }
}
