internal import Diagnostics

/// All that a run holds while it changes machines, so that no other run and no agent works there at the same time: the locks on the machines
/// and the cluster's Lease.
struct RunLocks: Sendable {
    let machines: NodeLocks
    /// nil takes none.
    let lease: ClusterLease?
    /// False for a run that puts the data back which the Lease is in, or takes the cluster away: it only sees to it that nobody else is at
    /// work when it begins.
    var keepsLease = true

    /// Takes all of them, does the work while they are kept alive, and gives them back. When one is lost to another run the work is stopped.
    /// - Throws: `Diagnostics` naming who holds one of them; `CancellationError`; what the work throws.
    func holding<Result: Sendable>(_ work: @escaping @Sendable () async throws -> Result) async throws -> Result {
        let dead = try await machines.acquire()
        let outcome = await withTaskGroup(of: Swift.Result<Result, any Error>?.self) { group in
            let hearts = heartbeats()
            for heart in hearts { group.addTask { await heart.value.map { .failure($0) } } }
            group.addTask {
                defer { for heart in hearts { heart.cancel() } }
                do {
                    try await machines.awaitEarlierWork()
                    try await lease?.acquire(besides: dead)
                    if !keepsLease { await lease?.release() }
                    return .success(try await work())
                } catch {
                    return .failure(error)
                }
            }
            var outcome: Swift.Result<Result, any Error>?
            while outcome == nil, let result = await group.next() { outcome = result }
            group.cancelAll()
            await group.waitForAll()
            return outcome ?? .failure(CancellationError())
        }
        async let given: Void = shielded { await lease?.release() }
        await machines.release()
        await given
        return try outcome.get()
    }

    /// In tasks of their own, which no cancellation of the run reaches: work that is stopped may still bring k3s back for minutes, and
    /// needs the locks until it has returned. One for each machine, as one that hangs or is lost must not end the others'. Each ends when it
    /// is cancelled, or with who has what it kept alive.
    private func heartbeats() -> [Task<Diagnostics?, Never>] {
        let ofMachines = machines.hosts.map { host in Task { await machines.keepAlive(host) } }
        guard let lease, keepsLease else { return ofMachines }
        return ofMachines + [Task { await lease.keepAlive() }]
    }
}
