import KubernetesModel
import SyncPlanning

/// The states of a large unit's objects, kept from one pass to the next, so that an event costs a look at the objects it is about and not
/// at all of them.
struct ObjectStates {
    private let places: [ObjectKey: Int]
    private(set) var counts: [HealthStatus: Int] = [:]
    /// Those that are not current, by their place in the tree.
    private var exceptional: [Int: StatusReport.ObjectStatus] = [:]

    /// - Parameter tree: whose objects `states` are, in the tree's order, but for those that are left alone.
    init(of tree: DesiredTree, _ states: [StatusReport.ObjectStatus]) {
        places = Dictionary(tree.objects.enumerated().map { ($1.key, $0) }) { $1 }
        for state in states {
            counts[state.health, default: 0] += 1
            if state.health != .current, let place = places[state.key] { exceptional[place] = state }
        }
    }

    var total: Int { counts.values.reduce(0, +) }

    func object(_ key: ObjectKey, in tree: DesiredTree) -> DesiredObject? { places[key].map { tree.objects[$0] } }

    mutating func set(_ state: StatusReport.ObjectStatus) {
        guard let place = places[state.key] else { return }
        counts[exceptional[place]?.health ?? .current, default: 0] -= 1
        counts[state.health, default: 0] += 1
        exceptional[place] = state.health == .current ? nil : state
    }

    /// The first that are not current, in the tree's order.
    func notCurrent(limit: Int) -> [StatusReport.ObjectStatus] { exceptional.keys.sorted().prefix(limit).compactMap { exceptional[$0] } }
}
