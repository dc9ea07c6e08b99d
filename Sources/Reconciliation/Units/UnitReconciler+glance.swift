import Diagnostics
import Git
import KubernetesModel
import SyncPlanning

extension UnitReconciler {
    /// Looks only at the objects that changed. False when the unit is not so large that this pays, or when it takes more than their states:
    /// then a whole pass has to be made.
    func glance() async -> Bool {
        let isDue = wholeLookAt.map { $0 <= clock.now } ?? false
        guard !bell.takeWholeLook(), !isDue else {
            // What is known now is in the pass that follows.
            _ = await live.takeNews(of: spec.owner)
            return false
        }
        let news = await live.takeNews(of: spec.owner)
        guard isSettled, var states, let tree = enforced?.tree else { return false }
        let objects = news.compactMap { states.object($0, in: tree) }
        // Something that left the repository, or belongs to another.
        guard objects.count == news.count else { return false }
        var observed = await live.observations(of: news)
        guard (try? await examine(objects, &observed)) != nil else { return false }
        let health = await live.health(of: news, for: spec.owner)
        for object in objects {
            guard SyncPlanner.isAsWanted(object, by: spec.owner, observed[object.key] ?? .absent) else { return false }
            let state = health[object.key] ?? Health(.unknown)
            if state.isCurrent { unsettled.remove(object.key) }
            states.set(status(of: object, state))
        }
        self.states = states
        monitor.update { $0.glances += 1 }
        return true
    }

    /// Whether the last pass left nothing to be done, so that only the objects' states can have changed.
    private var isSettled: Bool {
        guard let plan = lastPlan, pending == nil, !hasNewTree, held == nil, buildErrors.isEmpty, problem == nil,
            applied == enforced?.commit.id
        else { return false }
        let exceptions = [plan.waiting, plan.contested, plan.drifted, plan.kept, inUse]
        return plan.stages.isEmpty && plan.prunes.isEmpty && plan.forgotten.isEmpty && plan.refusals.isEmpty
            && exceptions.allSatisfy(\.isEmpty) && failures.isEmpty && pruneFailures.isEmpty && deleting.isEmpty
            && guards.values.allSatisfy { !$0.isFighting } && rivals.isEmpty && foreignChecks.isEmpty
            && enforced?.unknownKinds.isEmpty == true && unseenKinds.isEmpty
    }

    func status(of object: DesiredObject, _ health: Health) -> StatusReport.ObjectStatus {
        StatusReport.ObjectStatus(
            key: object.key, health: health.status, message: health.message, origin: object.origin.map { "\($0.file):\($0.line)" } ?? "")
    }
}
