import Diagnostics
import Git
import NodePlanning

/// Calls the node reconciler with each new commit, with each approval, and when its own wait is over, and shows what it says.
struct NodesLoop: Sendable {
    let nodes: any NodeReconciling
    let source: GitSource
    let status: StatusWriter
    let approvals: NodeApprovals
    let machines: MachineWriter
    let trust: InventoryTrust
    let journal: NodeJournal?
    let clock: any AgentClock
    let monitor: Shared<AgentState>
    /// Gives the Lease to another server's agent; this loop is cancelled soon after.
    let handOver: @Sendable () async -> Void

    func run() async {
        let bell = Bell()
        source.state.attach(bell)
        approvals.given.attach(bell)
        defer {
            source.state.detach(bell)
            approvals.given.detach(bell)
        }
        guard var memory = await remembered() else { return }
        var done: ObjectID?
        var againAt: Duration?
        // The approvals that the last round left: another one at once would leave them as well.
        var tried: Set<String> = []
        while !Task.isCancelled {
            // A look at the repository that finds nothing new is no reason to look at the machines.
            let isDue = againAt.map { clock.now >= $0 } ?? false
            let given = approvals.given.value
            guard let commit = source.state.value.commit, commit.id != done || isDue || !given.isSubset(of: tried) else {
                await bell.wait(until: againAt, clock: clock)
                continue
            }
            let report = await reconcile(commit, memory, given)
            memory = report.memory
            let isShown = await show(report)
            await approvals.use(up: report.approvals)
            tried = given.subtracting(report.approvals)
            done = commit.id
            let again = isShown ? report.again : min(report.again ?? .seconds(60), .seconds(60))
            againAt = again.map { clock.now + $0 }
            if report.handsOver { await handOver() }
        }
    }

    /// What the agent before knew. Without it nothing is begun: a frozen plan would be tried again.
    private func remembered() async -> ChangeMemory? {
        var backoff = Backoff(first: .seconds(1), limit: .seconds(15))
        while !Task.isCancelled {
            do {
                return try await status.lastNodes()?.memory ?? ChangeMemory()
            } catch {
                try? await clock.sleep(for: backoff.failed())
            }
        }
        return nil
    }

    private func reconcile(_ commit: CommitInfo, _ memory: ChangeMemory, _ given: Set<String>) async -> NodesReport {
        do {
            let choice = try await trust.choose(commit)
            let refusals = choice.refusal.map { [$0] } ?? []
            for refusal in refusals { journal?.refuse(commit: commit.id.hex, because: refusal.cause ?? refusal.summary) }
            guard let taken = choice.commit else { return unchanged(commit, memory, refusals) }
            let tree = try await source.repository.tree(of: taken.id, under: ["inventory"])
            var report = await nodes.reconcile(
                commit: taken, tree: tree, memory: memory, approvals: given,
                isSuperseded: { source.state.value.commit?.id != commit.id || Task.isCancelled },
                report: { between in
                    var between = between
                    between.errors += refusals
                    await show(between)
                    // What is begun is remembered by now: another agent that takes over must not take the approval for a new one.
                    await approvals.use(up: between.approvals)
                })
            report.errors += refusals
            // A person may accept it, or correct the list of signers, without a commit.
            if !refusals.isEmpty { report.again = min(report.again ?? .seconds(60), .seconds(60)) }
            return report
        } catch {
            let cause = (error as? SourceProblem)?.message ?? "\(error)"
            return unchanged(commit, memory, [Diagnostic(.error, "the inventory could not be read", cause: cause)])
        }
    }

    /// Nothing is done by this commit.
    private func unchanged(_ commit: CommitInfo, _ memory: ChangeMemory, _ errors: [Diagnostic]) -> NodesReport {
        var report = NodesReport(revision: commit.id.hex, errors: errors, again: .seconds(30))
        report.memory = memory
        return report
    }

    /// False when the Machine objects could not be written, which the status then says.
    @discardableResult
    private func show(_ report: NodesReport) async -> Bool {
        await publish(report)
        guard let problem = await machines.show(report) else { return true }
        var report = report
        report.errors.append(problem)
        await publish(report)
        return false
    }

    private func publish(_ report: NodesReport) async {
        monitor.update { $0.nodes = report }
        _ = try? await status.write(report.manifest)
    }
}
