import KubernetesModel
import SyncPlanning

/// Objects that are looked at one by one, where what the watches bring is not enough or they bring nothing.
extension UnitReconciler {
    /// What nobody has compared with its manifest yet is looked at, not sent; and so is what is made only where it is not there, since it
    /// may be there and carry no owner label.
    func compare(
        _ tree: DesiredTree, with record: ResourceInventory, _ observed: inout [ObjectKey: Observation]
    ) async throws {
        let open = tree.objects.filter { object in
            let mayBeUnseen = object.marks.contains(.onlyIfAbsent) && observed[object.key] == .absent && record.contains(object.key)
            return mayBeUnseen || observed[object.key]?.present?.isCompared == false
        }
        try await look(at: open, &observed)
    }

    /// Looks at the objects themselves, a few at a time.
    /// - Parameter refusal: leaves an object as it was observed, and no other.
    func look(
        at objects: [DesiredObject], passingOver refusal: ClusterError.Kind? = nil, _ observed: inout [ObjectKey: Observation]
    ) async throws {
        for batch in objects.batches(of: spec.parallelism) {
            try Task.checkCancellation()
            let found = try await withThrowingTaskGroup(of: (ObjectKey, Observation)?.self) { [live] group in
                for object in batch {
                    group.addTask {
                        do {
                            return (object.key, try await live.lookUp(object.kind, object.key))
                        } catch let error as ClusterError where error.kind == refusal {
                            return nil
                        }
                    }
                }
                return try await group.reduce(into: [ObjectKey: Observation]()) { found, next in
                    if let next { found[next.0] = next.1 }
                }
            }
            observed.merge(found) { $1 }
        }
    }

    /// What is there without an owner label is followed by name, and looked at again when more than its status has changed or it is gone.
    func lookAtUnlabelled(_ tree: DesiredTree, _ observed: inout [ObjectKey: Observation]) async throws {
        let found = await live.unlabelled(among: tree.objects)
        let kinds = Dictionary(found.map { ($0.object.key, $0.object.kind) }) { $1 }
        await target.namespaces.follow(kinds, for: spec.owner, .unlabelled, bell)
        guard !found.isEmpty else { return }
        let marks = await target.namespaces.marks(of: kinds)
        for (object, mark) in found where observed[object.key]?.present != nil && marks?[object.key] != mark {
            observed[object.key] = try await lookUp(object.kind, object.key)
        }
    }

    /// Health checks of objects that no unit has, or that this one leaves alone: they are followed by name. With the unit's rights, or its
    /// status would tell of what its ServiceAccount may not read.
    func lookAtForeignChecks() async throws {
        var checks: [ObjectKey: GroupVersionKind] = [:]
        for key in foreignChecks { checks[key] = spec.healthCheckKinds.first { $0.groupKind == key.groupKind } }
        let foreign = Set(checks.values.filter { FluxKinds.isForeign($0.groupKind) })
        let known = try await live.resources(for: foreign)
        kindsOfNobody = Set(foreign.map(\.groupKind)).subtracting(known.keys.map(\.groupKind))
        checks = checks.filter { !kindsOfNobody.contains($0.key.groupKind) }
        await target.namespaces.follow(checks.filter { refusedChecks[$0.key] == nil }, for: spec.owner, .healthChecks, bell)
        let user = spec.user
        var refused: [ObjectKey: String] = [:]
        for (key, kind) in checks {
            do {
                _ = try await lookUp(kind, key, as: user)
            } catch let error as ClusterError where [.forbidden, .badRequest, .invalid, .serverFailure].contains(error.kind) {
                // It keeps the unit from being ready, and nothing from being applied, which may be its remedy.
                refused[key] = error.message
            }
        }
        // From the next pass on what is refused is followed no more, and what is not any more is.
        if Set(refused.keys) != Set(refusedChecks.keys) { bell.ring() }
        refusedChecks = refused
        lookedAtChecks = (Set(checks.keys), user)
    }

    /// Why the health of an object that the unit only checks is not told; nil where it is.
    func concealment(of check: ObjectKey) -> String? {
        if let refusal = refusedChecks[check] { return "it cannot be looked at: \(refusal)" }
        guard let user = spec.user, lookedAtChecks.user != user || !lookedAtChecks.keys.contains(check) else { return nil }
        return "it has not been looked at yet"
    }

    private func lookUp(_ kind: GroupVersionKind, _ key: ObjectKey, as user: String? = nil) async throws -> Observation {
        do {
            return try await live.lookUp(kind, key, as: user)
        } catch let error as ClusterError where error.kind == .unknownKind || error.kind == .notFound {
            return .kindUnknown
        }
    }

    /// In the version that the server had a moment ago, or in the one that it has instead.
    func lookUpRecorded(_ kind: GroupVersionKind, _ key: ObjectKey) async throws -> Observation {
        do {
            return try await live.lookUp(kind, key)
        } catch let error as ClusterError where error.kind == .unknownKind {
            guard let served = try await api.resource(for: key.groupKind)?.kind else { return .kindUnknown }
            return try await live.lookUp(served, key)
        }
    }
}
