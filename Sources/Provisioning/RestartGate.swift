internal import Diagnostics
internal import NodeInventory
internal import NodePlanning

/// Keeps etcd's majority while servers are restarted one after the other by no plan: asks before each what holds now, and waits after each
/// until it is a member again that votes.
struct RestartGate: Sendable {
    private let machines: Machines
    private let hosts: [String: any Host]
    /// How long a server that is not well yet is waited for before a restart is refused.
    private let patience: Duration
    private let limits: WaitLimits

    /// - Parameter hosts: all servers that can be reached, by node name; they are asked about themselves and about the others.
    init(_ machines: Machines, hosts: [String: any Host], patience: Duration = .seconds(60), limits: WaitLimits = WaitLimits()) {
        self.machines = machines
        self.hosts = hosts
        self.patience = patience
        self.limits = limits
    }

    /// Until a restart of this server leaves etcd its majority by what is seen now.
    /// - Throws: `Diagnostic` when it does not, or nobody can tell, for so long.
    func open(for server: NodeSpec, tell: (String) -> Void) async throws {
        let deadline = ContinuousClock.now + patience
        while true {
            let began = ContinuousClock.now
            guard let refusal = try await refusal(server) else { return }
            tell("is not restarted yet: \(refusal.text)")
            if .now >= deadline {
                throw Diagnostic(
                    .error, "is not restarted: \(refusal.text)", subject: "node \"\(server.name)\"", remedy: refusal.remedy)
            }
            try await limits.pause(since: began)
        }
    }

    /// Until the node is Ready by a report of its new k3s and, on a server of etcd, its member votes: as after an upgrade.
    func awaitReturn(of node: NodeSpec, via server: NodeSpec) async throws {
        guard let host = hosts[node.name] else { return }
        let runner = StepRunner(
            cluster: machines.spec.name, hosts: hosts, files: { throw Self.noPart($0.path) }, secrets: { throw Self.noPart($1) },
            limits: limits, backups: nil, recorder: machines.recorder, state: RunState())
        let votes = node.role == .server && machines.spec.datastore == .etcd
        let step = Step.awaitNode(name: node.name, via: server.name, votingMember: votes)
        try await machines.step(step.activity, host) {
            do { try await runner.carryOut(step, on: host) } catch let other as FailureElsewhere { throw other.diagnostic }
        }
    }

    private static func noPart(_ what: String) -> Diagnostic { Diagnostic(.error, "\(what) is no part of a restart") }

    /// Why the server may not be restarted now; nil when it may.
    private func refusal(_ server: NodeSpec) async throws -> (text: String, remedy: String)? {
        guard let cluster = try await look(server) else { return try await refusalUnseen(server) }
        return try await MajorityCheck(hosts: hosts).reasonToKeep(server.name, in: cluster)
    }

    /// A k3s that does not run gives no vote away, and to start it may be what brings the majority back.
    private func refusalUnseen(_ server: NodeSpec) async throws -> (text: String, remedy: String)? {
        guard machines.spec.servers.count > 1, let host = hosts[server.name] else { return nil }
        var watch = UnitWatch(unit: server.role.unit, cursor: nil)
        guard watch.read(try await host.run(watch.command).output).active == "active" else { return nil }
        return ("no server's API answers, and nobody can tell whether etcd keeps its majority", "`homelab recover`, then run again")
    }

    /// The cluster as one of the servers sees it, the others before the one in question; nil when no API answers.
    private func look(_ server: NodeSpec) async throws -> ClusterFacts? {
        let observer = ClusterObserver(recorder: machines.recorder)
        for asked in machines.spec.servers.filter({ $0.name != server.name }) + [server] {
            guard let host = hosts[asked.name] else { continue }
            do { return try await observer.ask(host).facts } catch is CancellationError { throw CancellationError() } catch { continue }
        }
        return nil
    }
}
