internal import Cryptography
internal import Diagnostics
internal import NodeInventory

extension Machines {
    /// Does the work while this run holds these machines' locks and, where one of the servers' APIs answers, the cluster's Lease, as a run of
    /// `homelab bootstrap` does.
    /// - Parameter keepsLease: see `RunLocks`.
    /// - Throws: `Diagnostics` naming who works there already; `CancellationError`; what the work throws.
    func holding<Result: Sendable>(
        _ nodes: [NodeSpec], _ hosts: [String: any Host], keepsLease: Bool = true,
        _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let run = SecureRandom.hex(bytes: 8)
        let locks = NodeLocks(hosts: nodes.compactMap { hosts[$0.name] }, run: run, owner: owner, recorder: recorder)
        let lease = ClusterLease(
            cluster: spec.name, servers: spec.servers.compactMap { hosts[$0.name] }, run: run, owner: owner, recorder: recorder)
        return try await RunLocks(machines: locks, lease: lease, keepsLease: keepsLease).holding(work)
    }

    /// Connects to these nodes and to what others of them can be reached.
    /// - Throws: `Diagnostics` with the reasons of those that have to be reached and cannot.
    func with<Result: Sendable>(
        _ nodes: [NodeSpec], besides others: [NodeSpec], _ body: ([String: any Host]) async throws -> Result
    ) async throws -> Result {
        let needed = Set(nodes.map { "node \"\($0.name)\"" })
        let rest = others.filter { other in !nodes.contains { $0.name == other.name } }
        return try await with(nodes + rest, needsAll: false) { hosts, unreached in
            try Diagnostics(unreached.all.filter { needed.contains($0.subject ?? "") }).throwIfErrors()
            return try await body(hosts)
        }
    }
}
