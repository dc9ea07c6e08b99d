package import KubernetesClient
package import KubernetesModel
import Synchronization

/// A cluster that units apply their objects to, with what the agent knows of it: its own, or another that a kubeconfig leads to.
package struct TargetCluster: Sendable {
    package let api: any ClusterAPI
    package let live: LiveState
    package let namespaces: NamespaceFollowers
    let mark = ClusterMark()
    /// Bounds the passes under way. One cluster that does not answer holds up no other's units.
    let turns: InFlightLimit
    /// A pass that takes longer waits for answers, as behind a webhook that hangs: it goes on without its turn, which another unit gets.
    private static let patience = Duration.seconds(5)

    init(api: any ClusterAPI, clock: any AgentClock, turns: Int) {
        self.api = api
        live = LiveState(api: api, clock: clock)
        namespaces = NamespaceFollowers(api: api, clock: clock)
        self.turns = InFlightLimit(turns, patience: Self.patience)
    }

    /// Equal for units that reach their cluster by the same way; whether two ways lead to one cluster the mark tells.
    var identity: ObjectIdentifier { ObjectIdentifier(live) }

    /// Asks the cluster which one it is, once. A user who may not look at its namespaces leaves that open.
    func identify() async throws {
        guard !mark.isAsked else { return }
        let kind = GroupVersionKind(group: "", version: "v1", kind: "Namespace")
        do {
            mark.set(try await api.get(kind, namespace: "", name: "kube-system")?.uid)
        } catch let error as ClusterError where error.kind == .forbidden {
            mark.set(nil)
        }
    }
}

/// Which cluster a way leads to: the UID of its namespace kube-system, which is there from its beginning to its end.
final class ClusterMark: Sendable {
    private let state = Mutex<(isAsked: Bool, uid: String?)>((false, nil))

    var isAsked: Bool { state.withLock { $0.isAsked } }
    /// nil while it is not known.
    var uid: String? { state.withLock { $0.uid } }

    func set(_ uid: String?) { state.withLock { $0 = (true, uid) } }

    /// Whether both are known to be the same cluster.
    func isSame(as other: ClusterMark) -> Bool { self === other || (uid != nil && uid == other.uid) }
}

/// Makes a client for another cluster.
package typealias ClusterFactory = @Sendable (ClusterConnection) throws -> any ClusterAPI

/// The other clusters that units apply to, each reached and watched once however many units it has, for as long as it has one.
package actor RemoteClusters {
    private struct Entry {
        var cluster: TargetCluster
        var units: Set<Ownership>
        var watching: Task<Void, Never>
    }

    private let clock: any AgentClock
    private let factory: ClusterFactory
    private var entries: [ClusterConnection: Entry] = [:]

    package init(clock: any AgentClock, factory: @escaping ClusterFactory) {
        self.clock = clock
        self.factory = factory
    }

    /// The only one that the unit uses from now on.
    func cluster(at connection: ClusterConnection, for unit: Ownership) throws -> TargetCluster {
        let found = try entries[connection] ?? entry(connection)
        entries[connection] = found
        entries[connection]?.units.insert(unit)
        leave(unit, but: connection)
        return found.cluster
    }

    /// The unit needs none any more.
    func leave(_ unit: Ownership) { leave(unit, but: nil) }

    private func entry(_ connection: ClusterConnection) throws -> Entry {
        let cluster = TargetCluster(api: try factory(connection), clock: clock, turns: 8)
        return Entry(cluster: cluster, units: [], watching: Task { await cluster.live.run() })
    }

    private func leave(_ unit: Ownership, but kept: ClusterConnection?) {
        for connection in entries.keys where connection != kept {
            guard entries[connection]?.units.remove(unit) != nil, entries[connection]?.units.isEmpty == true else { continue }
            entries.removeValue(forKey: connection)?.watching.cancel()
        }
    }
}
