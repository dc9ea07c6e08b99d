import KubernetesModel
import SyncPlanning

/// Objects of Flux' kinds that this agent does not serve.
extension UnitReconciler {
    /// A controller that is there looks at a new object within seconds.
    private static let patience = Duration.seconds(10)

    /// Notes which of them nobody has looked at, and since when.
    func noteUnserved(_ tree: DesiredTree) async {
        let foreign = tree.objects.map(\.key).filter { FluxKinds.isForeign($0.groupKind) && failures[$0] == nil }
        let health = foreign.isEmpty ? [:] : await live.health(of: foreign, for: spec.owner)
        let untouched = foreign.filter { key in
            guard let state = health[key], state.status != .notFound else { return false }
            return state.message == notReconciledYet || FluxKinds.saysNothing(key.groupKind)
        }
        let before = unservedSince
        unservedSince = Dictionary(uniqueKeysWithValues: untouched.map { ($0, before[$0] ?? clock.now) })
    }

    var unserved: [PlannedException] {
        let due = clock.now - Self.patience
        return unservedSince.filter { $0.value <= due }.keys.sorted().map { PlannedException($0, .unserved) }
    }

    /// When it is said of the next.
    var unservedMoment: Duration? { unservedSince.values.map { $0 + Self.patience }.filter { $0 > clock.now }.min() }

    /// What of the unit nobody works on, and what does that work here, by kind; nil when there is nothing of the sort.
    var unservedNote: String? {
        let leftOut = (lastPlan?.skipped ?? []).filter { $0.cause == .foreign }
        let checked = foreignChecks.filter { kindsOfNobody.contains($0.groupKind) }.map { PlannedException($0, .foreign) }
        let byKind = Dictionary(grouping: leftOut + unserved + checked) { $0.key.groupKind }
        guard !byKind.isEmpty else { return nil }
        let parts = byKind.sorted { $0.key.description < $1.key.description }.map { kind, objects in
            "\(Self.list(objects.map(\.key))) (instead: \(FluxKinds.substitute(for: kind)))"
        }
        return "nothing acts on " + parts.joined(separator: ", ")
    }
}
