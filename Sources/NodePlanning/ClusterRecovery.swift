package import NodeInventory

/// What can be done for a cluster whose API does not answer: start the servers that hold its data, and say what more it takes when
/// those are too few (docs.k3s.io/datastore/backup-restore, etcd's rule of the majority).
package struct ClusterRecovery: Hashable, Sendable {
    /// The starts of servers that hold the cluster's data; empty when all of those that can be reached run.
    package var plan: NodePlan
    /// What stands in the way, each with what a person does.
    package var notes: [NodeNote] = []

    /// - Parameter plan: of a look at all nodes, with an API that does not answer.
    package init(_ plan: NodePlan, desired: ClusterSpec, observed: [String: NodeObservation]) {
        let servers = desired.nodes.filter { $0.role == .server && $0.state != .absent }
        let holders = servers.filter { observed[$0.name]?.facts?.holdsCluster == true }
        let unseen = servers.filter { observed[$0.name]?.facts == nil }
        let names = Set(holders.map(\.name))
        self.plan = plan
        self.plan.pending = []
        self.plan.phases = plan.phases.filter { $0.kind == .firstServer || $0.kind == .servers }.compactMap { phase in
            var phase = phase
            phase.tasks = phase.tasks.filter { names.contains($0.node) }
            // With what is on their disks: a change of the configuration is no part of a recovery.
            for index in phase.tasks.indices { phase.tasks[index].steps.removeAll(where: \.step.writesConfiguration) }
            phase.tasks.removeAll(where: \.steps.isEmpty)
            return phase.tasks.isEmpty ? nil : phase
        }
        for server in unseen {
            if case .unreachable(let reason)? = observed[server.name] {
                notes.append(NodeNote(node: server.name, reason, remedy: "switch it on and see that it is reachable"))
            }
        }
        let usesEtcd = holders.contains { observed[$0.name]?.facts?.k3s.datastore == .etcd }
        let members = holders.count + unseen.count
        guard usesEtcd, holders.count < Quorum.majority(of: members), let survivor = holders.first else { return }
        let words = observed[survivor.name]?.facts?.system.words ?? .systemd
        let unit = NodeRole.server.unit
        // Servers without the majority come up and wait for ever.
        notes.append(
            NodeNote(
                node: nil, "etcd needs \(Quorum.majority(of: members)) of its \(members) members, and only \(holders.count) can be reached",
                remedy: "bring \(unseen.map(\.name).joined(separator: " or ")) back; when they are lost for good: on \(survivor.name) "
                    + "\(words.stop(unit)), `k3s server --cluster-reset` (it keeps the newest data it has), \(words.start(unit)), then "
                    + "write state: absent for the lost ones"))
    }
}

extension Step {
    fileprivate var writesConfiguration: Bool {
        switch self {
        case .writeFile, .writeToken, .enableUnit: true
        default: false
        }
    }
}
