import KubernetesModel
import SyncPlanning

extension UnitReconciler {
    /// Finds out who has set what in objects that somebody has changed and that are as their manifests say: watches do not tell the writers.
    /// Who may not read an object finds nothing.
    func examine(_ objects: [DesiredObject], _ observed: inout [ObjectKey: Observation]) async throws {
        let now = clock.now
        examined = examined.filter { $0.value + Self.examinationPause > now }
        let open = objects.filter { mayHaveAdditions($0, observed[$0.key]) }
        let moments = [nextExamination].compactMap { $0 } + open.compactMap { examined[$0.key].map { $0 + Self.examinationPause } }
        nextExamination = moments.filter { $0 > begunAt }.min()
        let due = open.filter { examined[$0.key] == nil }
        for object in due { examined[object.key] = now }
        try await look(at: due, passingOver: .forbidden, &observed)
        // Of what is put back the next change is looked at as soon as this one.
        for object in due where !isToldOnly(object) && observed[object.key]?.present?.differences.isEmpty == false {
            examined[object.key] = nil
        }
    }

    /// An object that somebody changes all the time is looked at no more often.
    private static let examinationPause = Duration.seconds(30)

    /// Whether drift of it is told and not repaired.
    private func isToldOnly(_ object: DesiredObject) -> Bool {
        spec.reportsDrift || spec.isSuspended || object.marks.contains(.driftReported)
    }

    private func mayHaveAdditions(_ object: DesiredObject, _ observation: Observation?) -> Bool {
        let special: ObjectMarks = [.onlyIfAbsent, .ignored, .reconcileDisabled, .merged]
        let isToldOnly = isToldOnly(object)
        // Where it is only told, a new agent does not know yet what the one before it has told.
        guard let live = observation?.present, !live.isExamined || (isToldOnly && !live.wasLookedAt), live.owner == spec.owner,
            live.digest == object.digest,
            !live.isBeingDeleted, object.marks.isDisjoint(with: special), !live.marks.contains(.reconcileDisabled)
        else { return false }
        // Applying what differs tells, too.
        return live.differences.isEmpty || isToldOnly
    }
}
