internal import Diagnostics
internal import NodeInventory
internal import NodePlanning
internal import Synchronization

/// One run of a plan's phases: who failed, what was left out, whether to go on.
final class PhaseExecution: Sendable {
    private struct Progress {
        var report = ExecutionReport()
        var failedNodes: Set<String> = []
        var serverFailed = false
        /// Something failed in the present phase.
        var phaseFailed = false
        /// Another run has taken this one for dead, and may be at work on its machines.
        var hasLostLock = false
        /// Nodes with a failure that says nothing of their own k3s.
        var failedElsewhere: Set<String> = []
    }

    private let runner: StepRunner
    private let servers: Set<String>
    private let recorder: RunRecorder
    private let isSuperseded: @Sendable () -> Bool
    /// nil: the caller holds them.
    private let locks: NodeLocks?
    private let progress = Mutex(Progress())

    init(
        runner: StepRunner, servers: Set<String>, recorder: RunRecorder, isSuperseded: @escaping @Sendable () -> Bool = { false },
        locks: NodeLocks? = nil
    ) {
        self.isSuperseded = isSuperseded
        self.locks = locks
        self.runner = runner
        self.servers = servers
        self.recorder = recorder
    }

    func run(_ plan: NodePlan) async -> ExecutionReport {
        let waits = plan.phases.flatMap(\.tasks).flatMap(\.steps).lazy.compactMap { planned -> String? in
            if case .awaitWorkloads(_, let via) = planned.step { via } else { nil }
        }
        if let via = waits.first { await runner.takeBaseline(via: via) }
        for (index, phase) in plan.phases.enumerated() {
            progress.withLock { $0.phaseFailed = false }
            let names = phase.tasks.map(\.node).uniqued
            recorder.emit(.phaseStarted(title: phase.kind.rawValue, nodes: names, index: index + 1, count: plan.phases.count))
            let start = ContinuousClock.now
            let isSerial = phase.concurrency <= 1
            _ = await parallel(phase.tasks, limit: phase.concurrency) { task in
                await self.run(task, stopsAfterFailure: isSerial, endsRun: phase.endsRunOnFailure)
            }
            recorder.emit(.phaseDone(title: phase.kind.rawValue, elapsed: ContinuousClock.now - start))
            if shouldStop || phase.endsRunOnFailure && progress.withLock({ $0.phaseFailed }) {
                noteSkipped(plan.phases[(index + 1)...])
                break
            }
        }
        var report = progress.withLock { $0.report }
        report.deployKeys = runner.state.now.deployKeys
        report.kubeconfig = runner.state.now.kubeconfig
        return report
    }

    private var shouldStop: Bool { progress.withLock { $0.serverFailed || $0.report.wasStopped || $0.hasLostLock } }

    private func run(_ task: NodeTask, stopsAfterFailure: Bool, endsRun: Bool) async {
        if let reason = reasonToSkip(task, stopsAfterFailure: stopsAfterFailure, endsRun: endsRun) {
            skip(task.steps[...], on: task.node, because: reason)
            return
        }
        for (index, planned) in task.steps.enumerated() {
            if Task.isCancelled {
                stop(at: planned.step, on: task.node)
                await leaveInUse(task, at: index)
                return
            }
            if let subject = planned.step.subjectNode, subject != task.node, hasFailed(subject) {
                skip([planned], on: task.node, because: "\(subject) failed before")
                continue
            }
            let failuresBefore = progress.withLock { $0.report.failures.count }
            let isDone = await attempt(planned.step, on: task.node)
            if !isDone {
                let (isOver, isElsewhere) = progress.withLock {
                    ($0.report.wasStopped || $0.hasLostLock, $0.failedElsewhere.contains(task.node))
                }
                if let fallback = task.fallback, planned.step.bringsK3sUp, !isOver, !isElsewhere {
                    await fallBack(fallback, on: task.node, from: failuresBefore)
                } else {
                    await leaveInUse(task, at: index, isUntouched: isElsewhere)
                }
                skip(task.steps[(index + 1)...], on: task.node, because: "a step before failed")
                return
            }
        }
    }

    /// A task that ends in its middle leaves no node without use: k3s that was stopped for a moment is started again, and, when the task
    /// failed, a node that was emptied takes pods again, unless another k3s was begun with on it. Where another run is at work nothing is done.
    /// - Parameter isUntouched: the step that failed has done nothing to the node.
    private func leaveInUse(_ task: NodeTask, at index: Int, isUntouched: Bool = false) async {
        if progress.withLock({ $0.hasLostLock }) { return }
        let (begun, left) = (task.steps[..<(isUntouched ? index : index + 1)].map(\.step), task.steps[index...].map(\.step))
        var steps: [Step] = begun.compactMap { step in
            guard case .stopUnit(let unit) = step, left.contains(.startUnit(unit)) else { return nil }
            return .startUnit(unit)
        }
        let isCordoned = begun.contains { if case .cordon(_, .upgrade, _) = $0 { true } else { false } }
        if isCordoned, !begun.contains(where: \.bringsK3sUp), !progress.withLock({ $0.report.wasStopped }) {
            steps += left.filter { if case .uncordon = $0 { true } else { false } }
        }
        guard !steps.isEmpty else { return }
        recorder.emit(.note(node: task.node, text: "is left in use: \(steps.map(\.activity).joined(separator: ", "))"))
        await shielded { [self, steps] in
            // What a stopped run had begun there goes on, perhaps with the data of the k3s that is down for it.
            try? await EarlierWork.awaitEnd(on: runner.host(task.node, for: "leave it in use")) {
                recorder.emit(.stepDetail(node: task.node, step: steps[0].activity, text: $0))
            }
            // The step may have been stopped because another run has the machine; the others may be this run's still.
            if let locks, let host = try? runner.host(task.node, for: steps[0].activity), let lost = await locks.renew(host) {
                fail(steps[0], on: task.node, with: lost, since: .now)
                return
            }
            let patience = progress.withLock { $0.report.wasStopped } ? Self.patienceOfTheStopped : runner.limits.reconnect
            for step in steps {
                guard await attempt(step, on: task.node, reconnecting: patience) else {
                    if case .startUnit(let unit) = step {
                        recorder.emit(.note(node: task.node, text: "\(unit) is left stopped there: a further run starts it"))
                    }
                    return
                }
            }
        }
    }

    /// Goes back to what ran before, or says how that is done; either way the failure tells what the node runs now.
    private func fallBack(_ fallback: Fallback, on node: String, from first: Int) async {
        let before = fallback.version.map { "k3s \($0)" } ?? "the k3s from before"
        var isBack = !fallback.steps.isEmpty
        if isBack { recorder.emit(.note(node: node, text: "goes back to \(before)")) }
        for planned in fallback.steps where isBack { isBack = await attempt(planned.step, on: node) }
        let backup = runner.state.now.backup
        progress.withLock { progress in
            for index in progress.report.failures.indices.dropFirst(first).prefix(1) {
                let found = progress.report.failures[index]
                var told = found
                told.cause = found.cause.map { "\(found.summary): \($0)" } ?? found.summary
                if fallback.steps.isEmpty {
                    told.summary = "the upgrade of \(node) failed, and the run stops here"
                    told.remedy = (fallback.recipe ?? found.remedy).map { recipe in recipe + (backup.map { " " + $0.text } ?? "") }
                } else {
                    told.summary =
                        isBack
                        ? "the upgrade failed, and the node runs \(before) again"
                        : "the upgrade failed, and so did the way back to \(before)"
                    if !isBack, let recipe = fallback.recipe { told.remedy = recipe }
                }
                progress.report.failures[index] = told
            }
        }
    }

    private func reasonToSkip(_ task: NodeTask, stopsAfterFailure: Bool, endsRun: Bool) -> String? {
        let isSuperseded = isSuperseded()
        return progress.withLock { progress in
            if isSuperseded { return "a newer commit replaces this plan" }
            if endsRun, progress.phaseFailed { return "another node failed before" }
            if progress.failedNodes.contains(task.node) { return "the node failed before" }
            if progress.report.wasStopped { return "the run was stopped" }
            if progress.hasLostLock { return "another run has the machines" }
            if progress.serverFailed, stopsAfterFailure { return "a server failed before" }
            return nil
        }
    }

    private func hasFailed(_ node: String) -> Bool { progress.withLock { $0.failedNodes.contains(node) } }

    /// Whoever pressed Ctrl-C does not wait long for a machine that is cut off.
    private static let patienceOfTheStopped: Duration = .seconds(15)

    /// Carries a step out, over a new connection when the old one breaks; false when it failed or was stopped.
    /// - Parameter limit: for making the connection again; what the runner's limits say when it is nil.
    private func attempt(_ step: Step, on node: String, reconnecting limit: Duration? = nil) async -> Bool {
        let start = ContinuousClock.now
        recorder.emit(.stepStarted(node: node, step: step.activity))
        for attempt in 1... {
            do {
                try await runner.carryOut(step, on: runner.host(node, for: step.activity))
                progress.withLock { $0.report.stepsDone += 1 }
                recorder.emit(.stepDone(node: node, step: step.activity, elapsed: ContinuousClock.now - start))
                return true
            } catch is CancellationError {
                stop(at: step, on: node)
                return false
            } catch let error as HostError where error.kind == .connectionLost && attempt < runner.limits.attempts && !Task.isCancelled {
                recorder.emit(.note(node: error.node, text: "\(error.diagnostic.cause ?? error.diagnostic.summary); connecting again"))
                do {
                    try await runner.host(error.node, for: step.activity).reconnect(within: limit ?? runner.limits.reconnect) {
                        [recorder] in
                        recorder.emit(.stepDetail(node: node, step: step.activity, text: $0))
                    }
                    // Whoever was cut off for long may have been taken for dead.
                    if let lost = try await locks?.renew(runner.host(error.node, for: step.activity)) {
                        progress.withLock { $0.hasLostLock = true }
                        throw lost
                    }
                } catch is CancellationError {
                    stop(at: step, on: node)
                    return false
                } catch {
                    fail(step, on: node, with: error, since: start)
                    return false
                }
            } catch {
                if Task.isCancelled {
                    stop(at: step, on: node)
                } else {
                    fail(step, on: node, with: error, since: start)
                }
                return false
            }
        }
        return false
    }

    private func fail(_ step: Step, on node: String, with error: any Error, since start: ContinuousClock.Instant) {
        var found = Diagnostics()
        var isElsewhere = false
        if let lost = error as? HostError {
            found.append(lost.diagnostic)
            isElsewhere = lost.node != node
        } else if let other = error as? FailureElsewhere {
            found.append(other.diagnostic)
            isElsewhere = true
        } else {
            found.append(error, subject: "node \"\(node)\"")
        }
        found = Diagnostics(found.all.map { recorder.scrubbed($0) })
        progress.withLock { progress in
            progress.report.failures += found.all
            progress.failedNodes.insert(node)
            if isElsewhere { progress.failedElsewhere.insert(node) }
            progress.phaseFailed = true
            if let subject = step.subjectNode { progress.failedNodes.insert(subject) }
            if servers.contains(node), step.subjectNode.map({ servers.contains($0) }) ?? true { progress.serverFailed = true }
        }
        for diagnostic in found.all {
            recorder.emit(.stepFailed(node: node, step: step.activity, elapsed: ContinuousClock.now - start, diagnostic: diagnostic))
        }
    }

    private func stop(at step: Step, on node: String) {
        progress.withLock {
            $0.report.wasStopped = true
            $0.report.stoppedAt.append("\(node): \(step.activity)")
        }
        recorder.emit(.stepSkipped(node: node, step: step.activity, reason: "stopped"))
    }

    private func skip(_ steps: ArraySlice<PlannedStep>, on node: String, because reason: String) {
        for planned in steps {
            progress.withLock { $0.report.skipped.append(NodeNote(node: node, planned.step.activity, remedy: nil)) }
            recorder.emit(.stepSkipped(node: node, step: planned.step.activity, reason: reason))
        }
    }

    private func noteSkipped(_ phases: ArraySlice<Phase>) {
        for phase in phases {
            for task in phase.tasks {
                progress.withLock { progress in
                    progress.report.skipped += task.steps.map { NodeNote(node: task.node, $0.step.activity, remedy: nil) }
                }
            }
        }
    }
}

/// A step failed for a reason that says nothing of the k3s on its node: no ground to go back to the one from before.
struct FailureElsewhere: Error {
    let diagnostic: Diagnostic
}

extension Step {
    /// A step whose failure means that the k3s just put there does not come up.
    fileprivate var bringsK3sUp: Bool {
        switch self {
        case .startUnit, .restartUnit, .awaitK3s, .awaitNode: true
        default: false
        }
    }
}

extension Backup {
    fileprivate var text: String {
        "The copy from before is \(path) on \(node)" + (folder.map { ", and with the cluster's token in \($0) here." } ?? ".")
    }
}

extension [String] {
    /// Each text once, in the order of first appearance.
    var uniqued: [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
