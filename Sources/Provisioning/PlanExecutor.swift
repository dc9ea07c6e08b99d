internal import Cryptography
package import Diagnostics
package import NodeInventory
package import NodePlanning

/// Carries out a `NodePlan` on connected hosts, phase by phase, and tells what happens as it happens.
///
/// - Tasks of a phase run at the same time up to its concurrency; a phase of concurrency 1 stops at its first failure.
/// - A server that fails stops the run after the tasks that were under way: everything later builds on the servers. An agent that fails
///   is left out of the rest of the run while all others go on.
/// - A connection that breaks is made again and the step begun anew, a bounded number of times.
/// - Cancelling stops within the running commands, gives the locks back, and leaves what a further run continues from.
package struct PlanExecutor: Sendable {
    /// The nodes that have to be connected: those with tasks and those steps go through.
    package let hosts: [String: any Host]
    package var limits = WaitLimits()
    /// Where snapshots and the token from before an upgrade are kept on this machine (0600 in a folder per run); nil leaves them on their
    /// node alone.
    package var backups: String?
    /// Names the run in the nodes' locks; nil gives it a name that no run before it had. One that takes up again what its predecessor was
    /// killed at has the same name, and so the same locks.
    package var run: String?
    /// The servers by which the cluster's Lease is taken, those that are known to run first; nil takes none.
    package var leaseServers: [String]?
    /// Asked before each task; when true the ones under way are finished and no other is begun.
    package var isSuperseded: @Sendable () -> Bool = { false }
    private let cluster: String
    private let servers: Set<String>
    private let files: @Sendable (Artifact) throws -> String
    private let secrets: @Sendable (SecretReference, String) throws -> Secret
    private let recorder: RunRecorder
    private let lockOwner: String?

    /// - Parameters:
    ///   - cluster: names the kubeconfig's entries.
    ///   - servers: the names of the server nodes.
    ///   - files: where an artifact's file is on this machine.
    ///   - secrets: fetches a secret; the text is the question when the operator has to be asked.
    ///   - lockOwner: whom another run is told to be waiting for, `alice@laptop, homelab bootstrap`; nil takes no locks, for a caller that
    ///     holds them itself.
    package init(
        cluster: String, servers: Set<String>, hosts: [String: any Host], files: @escaping @Sendable (Artifact) throws -> String,
        secrets: @escaping @Sendable (SecretReference, String) throws -> Secret, recorder: RunRecorder, lockOwner: String?
    ) {
        self.cluster = cluster
        self.servers = servers
        self.hosts = hosts
        self.files = files
        self.secrets = secrets
        self.recorder = recorder
        self.lockOwner = lockOwner
    }

    /// - Parameter confirmed: asked once all is locked, and so nothing changes any more by another run: the plan to be carried out then,
    ///   on no other nodes; an empty one for none.
    /// - Throws: `Diagnostics` when nothing was begun because a node is locked or not connected, or when another run took this one for
    ///   dead; what `confirmed` throws. Failures of steps and a cancellation are in the report.
    package func execute(
        _ plan: NodePlan, confirmed: (@Sendable () async throws -> NodePlan)? = nil
    ) async throws -> ExecutionReport {
        guard !plan.isEmpty else { return ExecutionReport() }
        let involved = try involvedHosts(plan)
        let state = RunState()
        var limits = limits
        // One that is alone waits for no other.
        if servers.count == 1 { limits.serverRestarts = min(limits.serverRestarts, limits.agentRestarts) }
        let runner = StepRunner(
            cluster: cluster, hosts: hosts, files: files, secrets: secrets, limits: limits, backups: backups, recorder: recorder,
            state: state)
        guard let lockOwner else {
            return await PhaseExecution(runner: runner, servers: servers, recorder: recorder, isSuperseded: isSuperseded).run(plan)
        }
        let run = run ?? SecureRandom.hex(bytes: 8)
        let locks = NodeLocks(hosts: involved, run: run, owner: lockOwner, recorder: recorder)
        let lease = leaseServers.map { names in
            ClusterLease(
                cluster: cluster, servers: names.compactMap { hosts[$0] }, run: run, owner: lockOwner, recorder: recorder)
        }
        let execution = PhaseExecution(
            runner: runner, servers: servers, recorder: recorder, isSuperseded: isSuperseded, locks: locks)
        do {
            return try await RunLocks(machines: locks, lease: lease).holding {
                let now = try await confirmed?() ?? plan
                let strangers = Set(now.involvedNodes).subtracting(plan.involvedNodes)
                guard strangers.isEmpty else { throw Self.changed(strangers) }
                return now.isEmpty ? ExecutionReport() : await execution.run(now)
            }
        } catch is CancellationError {
            var report = ExecutionReport()
            report.wasStopped = true
            return report
        }
    }

    private static func changed(_ nodes: Set<String>) -> Diagnostics {
        Diagnostics(
            nodes.sorted().map {
                Diagnostic(
                    .error, "there is something to do on it now, and was not when the plan was made", subject: "node \"\($0)\"",
                    remedy: "Run again.")
            })
    }

    /// Every host the plan touches, each once; a plan for hosts that are not connected is not begun at all.
    private func involvedHosts(_ plan: NodePlan) throws -> [any Host] {
        var problems = Diagnostics()
        var found: [any Host] = []
        for name in plan.involvedNodes {
            if let host = hosts[name] {
                found.append(host)
            } else {
                problems.append(
                    Diagnostic(
                        .error, "is part of the plan but not connected", subject: "node \"\(name)\"",
                        remedy: "Make sure that it can be reached, then run again."))
            }
        }
        try problems.throwIfErrors()
        return found
    }
}

extension NodePlan {
    /// The nodes with tasks, in the order of the plan.
    package var involvedNodes: [String] {
        var names: [String] = []
        for phase in phases {
            for task in phase.tasks where !names.contains(task.node) { names.append(task.node) }
        }
        return names
    }
}
