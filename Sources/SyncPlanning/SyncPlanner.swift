import Diagnostics
package import KubernetesModel
import YAML

/// Decides what to do about a unit's objects from what is wanted, recorded and observed. It asks nobody and changes nothing.
package enum SyncPlanner {
    package static func plan(_ request: SyncRequest) -> SyncPlan {
        var plan = SyncPlan(
            unit: request.unit, revision: request.revision, record: request.applied.merged(with: request.desired.inventory))
        planApplies(request, into: &plan)
        planPrunes(request, into: &plan)
        return plan
    }

    private static func planApplies(_ request: SyncRequest, into plan: inout SyncPlan) {
        var applies: [ObjectKey: PlannedApply] = [:]
        for object in request.desired.objects {
            switch decision(on: object, request) {
            case .apply(let reason): applies[object.key] = PlannedApply(object: object, reason: reason)
            case .nothing: plan.unchanged.append(object.key)
            case .report(let cause): plan.drifted.append(PlannedException(object.key, cause, origin: object.origin))
            case .skip(let cause): plan.skipped.append(PlannedException(object.key, cause, origin: object.origin))
            case .wait(let cause): plan.waiting.append(PlannedException(object.key, cause, origin: object.origin))
            case .refuse(let rival): plan.contested.append(PlannedException(object.key, .contested(rival), origin: object.origin))
            }
        }
        plan.stages = ApplyOrder.stages(of: Array(applies.keys)).map { stage, keys in
            PlannedStage(stage: stage, waves: ApplyOrder.waves(of: keys).map { $0.compactMap { applies[$0] } })
        }
    }

    /// Whether there is nothing to do about one object, as far as that can be told from it alone.
    package static func isAsWanted(_ object: DesiredObject, by unit: Ownership, _ observation: Observation) -> Bool {
        guard let live = observation.present else { return false }
        let special: ObjectMarks = [.reconcileDisabled, .ignored, .onlyIfAbsent]
        return object.marks.isDisjoint(with: special) && !live.marks.contains(.reconcileDisabled) && !live.isBeingDeleted
            && live.digest == object.digest && live.owner == unit && live.isCompared && live.differences.isEmpty
    }

    private enum Decision {
        case apply(PlannedApply.Reason)
        case nothing
        case skip(PlannedException.Cause)
        case wait(PlannedException.Cause)
        case report(PlannedException.Cause)
        case refuse(Rival)
    }

    private static func decision(on object: DesiredObject, _ request: SyncRequest) -> Decision {
        if object.marks.contains(.reconcileDisabled) { return .skip(.reconcileDisabled) }
        if object.marks.contains(.ignored) { return .skip(.ignored) }
        let observation = request.live[object.key] ?? .absent
        let reportsDrift = request.reportsDrift || object.marks.contains(.driftReported)
        if let rival = request.rivals[object.key], request.yields || observation.present?.owner != request.unit {
            return rival.isBehind && !request.yields ? .wait(.contested(rival)) : .refuse(rival)
        }
        let namespace = ObjectKey(group: "", kind: "Namespace", name: object.key.namespace)
        if !object.key.namespace.isEmpty, request.live[namespace]?.present?.isBeingDeleted == true { return .wait(.namespaceBeingDeleted) }
        switch observation {
        case .kindUnknown where FluxKinds.isForeign(object.key.groupKind): return .skip(.foreign)
        case .kindUnknown: return .wait(.kindUnknown)
        case .kindUnseen(let reason): return .wait(.kindUnseen(reason))
        case .absent where object.runsOnce && request.completed[object.key] == object.digest: return .skip(.ranAlready)
        case .absent where reportsDrift && request.wasApplied && request.applied.contains(object.key): return .report(.deletedInCluster)
        case .absent: return .apply(.absent)
        case .present(let live):
            if live.marks.contains(.reconcileDisabled) { return .skip(.reconcileDisabled) }
            if live.isBeingDeleted { return .wait(.beingDeleted) }
            if object.marks.contains(.onlyIfAbsent) { return .skip(.presentAlready) }
            var differences = live.differences
            if live.digest != object.digest || live.owner != request.unit {
                guard live.wasAsWanted else { return .apply(.newContent(differences)) }
                if differences.isEmpty { differences = [digestDifference(of: live, from: object)] }
            }
            if !live.isCompared { return reportsDrift ? .nothing : .apply(.newContent(differences)) }
            if differences.isEmpty { return .nothing }
            return reportsDrift ? .report(.drifted(differences)) : .apply(.drift(differences))
        }
    }

    private static func digestDifference(of live: PresentObject, from object: DesiredObject) -> FieldDifference {
        FieldDifference(
            path: "metadata.annotations[\"\(DesiredObject.digestAnnotation)\"]", pointer: PresentObject.digestPointer,
            desired: .string(object.digest), live: live.digest.isEmpty ? nil : .string(live.digest))
    }

    // MARK: What left the repository

    private static func planPrunes(_ request: SyncRequest, into plan: inout SyncPlan) {
        let leaving = request.applied.subtracting(request.desired.inventory)
        let isAllApplied = plan.stages.isEmpty && plan.waiting.isEmpty && plan.contested.isEmpty
        var candidates: [PlannedPrune] = []
        for key in leaving.keys {
            // What nobody has looked at stays recorded.
            guard let observation = request.live[key] else { continue }
            guard let live = observation.present else {
                // Of a kind that the server does not know there is no object: it went with its definition.
                plan.forgotten.append(key)
                continue
            }
            switch fate(of: key, live, request) {
            case .prune(let kind): candidates.append(PlannedPrune(key: key, kind: kind, uid: live.uid))
            case .keep(let cause): plan.kept.append(PlannedException(key, cause))
            case .release(let cause):
                plan.kept.append(PlannedException(key, cause))
                plan.forgotten.append(key)
            case .spare(let cause):
                plan.kept.append(PlannedException(key, cause))
                if isAllApplied { plan.forgotten.append(key) }
            case .going: break
            }
        }
        if let laggard = request.laggard, !laggard.isBroken {
            plan.kept += candidates.map { PlannedException($0.key, .laggard(laggard.unit)) }
            return
        }
        plan.refusals = refusals(of: candidates, request)
        guard plan.refusals.isEmpty else {
            plan.kept += candidates.map { PlannedException($0.key, .refused) }
            return
        }
        if let laggard = request.laggard, !request.prune.confirms(request.revision) {
            plan.kept += candidates.map { PlannedException($0.key, .brokenUnit(laggard.unit, request.confirmation)) }
            return
        }
        let gate = gate(request, plan)
        let ready = candidates.filter { candidate in
            guard let obstacle = gate.obstacle(for: candidate.key) else { return true }
            plan.kept.append(PlannedException(candidate.key, .unhealthy(obstacle.key, obstacle.reason)))
            return false
        }
        plan.prunes = waves(of: ready)
    }

    /// What is not there yet holds up pruning as what is not well does.
    private static func gate(_ request: SyncRequest, _ plan: SyncPlan) -> HealthGate {
        var gate = request.gate
        for exception in plan.waiting { gate.unhealthy[exception.key] = exception.reason }
        guard request.isAfterApplying else { return gate }
        for apply in plan.applies where gate.unhealthy[apply.key] == nil {
            gate.unhealthy[apply.key] = "is not applied as this commit says yet"
        }
        return gate
    }

    private enum Fate {
        case prune(GroupVersionKind)
        case keep(PlannedException.Cause)
        case release(PlannedException.Cause)
        /// Not to be deleted: nobody's once all of the commit is applied, as in Flux. Recorded on, a later setting would delete it.
        case spare(PlannedException.Cause)
        /// Deleted already; it is forgotten when it is gone.
        case going
    }

    private static func fate(of key: ObjectKey, _ live: PresentObject, _ request: SyncRequest) -> Fate {
        if live.owner != request.unit { return .release(.anotherOwner(live.owner)) }
        // Recorded here until the other has it: at no moment does nobody know of it.
        if let other = request.claimed[key] { return .keep(.passes(other)) }
        if live.isBeingDeleted { return .going }
        if live.marks.contains(.reconcileDisabled) { return .keep(.reconcileDisabled) }
        if live.marks.contains(.pruneDisabled) { return .spare(.pruneDisabled) }
        guard request.prune.isEnabled, let kind = request.applied.groupVersionKind(of: key) else { return .spare(.pruneOff) }
        let isFinal = PrunePolicy.kindsToConfirm.contains(key.groupKind)
        return isFinal && !live.marks.contains(.pruneConfirmed) ? .keep(.needsConfirmation) : .prune(kind)
    }

    private static func refusals(of candidates: [PlannedPrune], _ request: SyncRequest) -> [Diagnostic] {
        let policy = request.prune
        guard !candidates.isEmpty, !policy.confirms(request.revision) else { return [] }
        let companions = candidates.reduce(0) { $0 + request.companions[$1.key, default: 0] }
        let (count, total) = (candidates.count + companions, request.applied.count + companions)
        let going = "applied objects would go" + companionNote(of: candidates, request)
        let remedy = "if this is meant, confirm it with `\(request.confirmation)`"
        if request.desired.objects.isEmpty {
            return [
                Diagnostic(
                    .error, "the tree is empty now: nothing is deleted", subject: request.unit.name,
                    cause: "\(count) \(going)", remedy: remedy)
            ]
        }
        guard count > policy.maximumCount, count * 100 > policy.maximumPercent * total else { return [] }
        return [
            Diagnostic(
                .error, "this commit drops more than it may: nothing is deleted", subject: request.unit.name,
                cause: "\(count) of \(total) \(going); the budget is \(policy.maximumCount) "
                    + (policy.maximumCount == 1 ? "object or " : "objects or ")
                    + "\(policy.maximumPercent) %, whichever is more", remedy: remedy)
        ]
    }

    /// `, 200 of them with Kustomization.kustomize.toolkit.fluxcd.io/default/apps`, of the units that take the most along.
    private static func companionNote(of candidates: [PlannedPrune], _ request: SyncRequest) -> String {
        let units = candidates.map { (key: $0.key, count: request.companions[$0.key, default: 0]) }.filter { $0.count > 0 }
        let largest = units.sorted { ($1.count, $0.key) < ($0.count, $1.key) }.prefix(5)
        let note = largest.map { ", \($0.count) of them with \($0.key)" }.joined()
        return units.count > largest.count ? note + " and more with \(units.count - largest.count) further units" : note
    }

    /// In the reverse order of applying; equal ranks side by side.
    package static func waves(of prunes: [PlannedPrune]) -> [[PlannedPrune]] {
        let byRank = Dictionary(grouping: prunes) { ApplyOrder.rank(of: $0.key.groupKind) }
        return byRank.keys.sorted(by: >).map { rank in (byRank[rank] ?? []).sorted { $0.key < $1.key } }
    }
}
