import Diagnostics
import HTTP
import KubernetesModel
import NodeInventory
import NodePlanning
import Provisioning

/// One call of the node reconciler: looks, admits, carries out, and looks again while there is more that may be done.
struct NodeRun: Sendable {
    struct Outcome: Sendable {
        var report: NodesReport
        /// More may be done at once; it was left to a call of its own.
        var hasMore = false
        /// A machine is left as it is for a reason that may pass without a commit.
        var isHeldBack = false
        /// Seconds since 1970.
        var nextOpening: Int64?
    }

    /// The Lease was given away for a plan, at a moment of this process' clock.
    struct HandOver: Sendable {
        var plan: String
        var at: Duration
    }

    /// So many rounds without a look at the repository, then it is the caller's turn.
    private static let rounds = 8

    let revision: String
    let inventory: InventoryTexts
    let spec: ClusterSpec
    let configuration: AgentConfiguration
    let clock: any AgentClock
    let journal: NodeJournal
    let log: @Sendable (String) -> Void
    let isSuperseded: @Sendable () -> Bool
    let report: @Sendable (NodesReport) async -> Void

    /// - Parameter handOver: the last one of this process; when it was for this very plan a moment ago, nobody has taken it.
    func carryOut(
        _ memory: ChangeMemory, _ approvals: Set<String>, transport: any HTTPTransport, after handOver: HandOver?
    ) async throws -> Outcome {
        var memory = memory
        var failures: [Diagnostic] = []
        let own = OwnNodeChange(configuration: configuration)
        try await takeLeft(own, &memory, &failures)
        // Looking at the machines is no change of them.
        let isAtWork = Shared(false)
        let recorder = try RunRecorder(folder: configuration.stateDirectory + "/log/nodes") { [log, journal] event in
            if isAtWork.value, !event.isLook { journal.record(event) }
            // The service's log keeps what was done and why, not every mebibyte of an upload.
            if case .stepProgress = event { return }
            log(event.description)
        }
        let joiner = try await NodeJoiner(
            spec: spec, configuration: configuration, inventoryDirectory: configuration.stateDirectory, transport: transport,
            recorder: recorder)
        var observation = try await joiner.observe()
        var before: Set<NodeChange> = []
        for round in 1... {
            let changes = PlanChanges(observation.plan, desired: spec, cluster: observation.cluster)
            memory.begin(inventory.digest, asking: changes.changes)
            if round == 1 { take(approvals, changes, &memory) }
            let admission = self.admission(observation, changes, memory, handOver)
            let isStuck = admission.admitted == before
            let isOver = admission.admitted.isEmpty || isStuck || round > Self.rounds || !failures.isEmpty || isSuperseded()
            if isOver {
                await joiner.freeLeftLocks(observation)
                await observation.nodes.close()
                return outcome(observation, admission, memory, failures, approvals, isStuck: isStuck)
            }
            before = admission.admitted
            memory.removed.formUnion(admission.admitted.filter(\.kind.isRemoval).map(\.node))
            var begun = NodesReport(
                revision: revision, spec, observation, admission, memory: memory, failures: [], running: admission.admitted)
            if round == 1 { begun.approvals = approvals }
            await report(begun)
            journal.begin(commit: revision, plan: admission.hash)
            isAtWork.update { $0 = true }
            do {
                let remembered = memory
                let result =
                    admission.ownTurn == .alone
                    ? try await own.run(inventory, admission, commit: revision)
                    : OwnNodeChange.Result(
                        try await joiner.carryOut(observation, isSuperseded: isSuperseded) { seen in
                            let changes = PlanChanges(seen.plan, desired: spec, cluster: seen.cluster)
                            let now = self.admission(seen, changes, remembered, handOver).admitted
                            return changes.limited(to: admission.admitted.intersection(now))
                        })
                if admission.ownTurn == .alone { journal.reload() }
                note(result, for: admission.admitted, &memory, &failures)
                if !failures.isEmpty {
                    // Kept before anything else is tried, so that whoever acts next does not begin again.
                    await report(
                        NodesReport(revision: revision, spec, observation, admission, memory: memory, failures: failures, running: []))
                }
                if admission.ownTurn == .alone {
                    // The report of one that is cancelled may not have come through.
                    try Task.checkCancellation()
                    own.discard()
                }
            } catch let problems as Diagnostics {
                // Nothing was begun: another run works on a node. It is tried again.
                failures += problems.all
            } catch let problem as Diagnostic {
                failures.append(problem)
            }
            isAtWork.update { $0 = false }
            await observation.nodes.close()
            try Task.checkCancellation()
            observation = try await joiner.observe()
        }
        preconditionFailure("the loop ends by returning")
    }

    /// What came of a change of this server that an agent before this one began.
    private func takeLeft(_ own: OwnNodeChange, _ memory: inout ChangeMemory, _ failures: inout [Diagnostic]) async throws {
        guard own.isUnderWay else { return }
        let result = try await own.result()
        journal.reload()
        journal.closeInterrupted()
        if let result { note(result, for: result.changes, &memory, &failures) }
        if !failures.isEmpty {
            // Kept before the machines are looked at: that takes minutes, and this agent may end meanwhile.
            var kept = NodesReport(revision: revision, errors: failures)
            kept.memory = memory
            await report(kept)
        }
        // Read twice it does no harm, and the report of one that is cancelled may not have come through.
        try Task.checkCancellation()
        own.discard()
    }

    private func take(_ approvals: Set<String>, _ changes: PlanChanges, _ memory: inout ChangeMemory) {
        for hash in approvals.sorted() where !memory.approve(hash, of: changes) {
            log("the approval \(hash.prefix(12)) is of another plan than \(changes.hash.prefix(12)) and is dropped")
        }
        // What git approves lifts no freeze: the same line would lift it again and again.
        for hash in spec.policy.approved where changes.hash.hasPrefix(hash.lowercased()) && hash.count >= 8 {
            memory.approved.formUnion(changes.changes.map(\.id))
        }
    }

    private func admission(
        _ observation: ProvisioningObservation, _ changes: PlanChanges, _ memory: ChangeMemory, _ handOver: HandOver?
    ) -> NodeAdmission {
        var circumstances = Circumstances(
            desired: spec, observed: observation.nodes.observed, cluster: observation.cluster, findings: observation.findings,
            memory: memory, own: configuration.node, now: clock.timestamp.secondsSinceEpoch, zones: spec.zones)
        circumstances.wasLeftAlone = handOver.map { $0.plan == changes.hash && clock.now - $0.at < .seconds(600) } ?? false
        return NodeAdmission(changes, circumstances)
    }

    private func note(
        _ result: OwnNodeChange.Result, for changes: Set<NodeChange>, _ memory: inout ChangeMemory, _ failures: inout [Diagnostic]
    ) {
        failures += result.failures
        if result.failures.isEmpty, result.wasStopped { return }
        memory.note(
            result.failures.map { failure in
                let node = spec.nodes.map(\.name).first { failure.subject == "node \"\($0)\"" }
                return (node, failure.cause.map { "\(failure.summary): \($0)" } ?? failure.summary)
            }, of: changes)
    }

    private func outcome(
        _ observation: ProvisioningObservation, _ admission: NodeAdmission, _ memory: ChangeMemory, _ failures: [Diagnostic],
        _ approvals: Set<String>, isStuck: Bool
    ) -> Outcome {
        var report = NodesReport(
            revision: revision, spec, observation, admission, memory: memory, failures: failures, running: [])
        report.approvals = approvals
        report.handsOver = admission.ownTurn == .handOver && failures.isEmpty && !isSuperseded()
        let hasMore = !admission.admitted.isEmpty && !isStuck && failures.isEmpty
        let isHeldBack = admission.pending.contains { note in
            note.node.flatMap { spec.node(named: $0) }.map { $0.state != .paused && !spec.paused } ?? false
        }
        return Outcome(report: report, hasMore: hasMore, isHeldBack: isHeldBack, nextOpening: admission.nextOpening)
    }
}
