import Diagnostics
import FileSystem
import KubernetesModel
import NodePlanning
package import Provisioning
import Synchronization

/// What this server's agent did to nodes, step by step: written to disk before and after each step, kept across restarts, and the newest
/// part shown in the cluster by `JournalPublication`.
///
/// Calls write and wait for the disk: a step must not begin before its line is safe, and there are two short lines a step.
package final class NodeJournal: Sendable {
    /// As many entries as are held in memory and shown in the cluster.
    package static let shown = 300

    private struct State {
        var file: JournalFile?
        var recent: [JournalEntry]
        var commit = ""
        var plan = ""
        var phase = ""
        var isFailing = false
        /// Steps by what came of them, since the start.
        var counts: [JournalEntry.Result: Int] = [:]
    }

    package let server: String
    /// Counts up with every entry.
    package let changes = Shared(0)
    private let clock: any AgentClock
    private let log: @Sendable (String) -> Void
    private let state: Mutex<State>

    /// - Parameters:
    ///   - directory: made when missing, `<state directory>/journal`.
    ///   - log: told once when the journal cannot be written; the work on nodes goes on.
    package init(directory: String, server: String, clock: any AgentClock = SystemClock(), log: @escaping @Sendable (String) -> Void) {
        self.server = server
        self.clock = clock
        self.log = log
        do {
            let file = try JournalFile(directory: directory)
            state = Mutex(State(file: file, recent: file.last(Self.shown)))
        } catch {
            log("the journal of node changes cannot be kept: \(error.description)")
            state = Mutex(State(file: nil, recent: [], isFailing: true))
        }
        closeInterrupted()
    }

    /// The newest entries, oldest first.
    package var recent: [JournalEntry] { state.withLock { $0.recent } }

    package var counts: [JournalEntry.Result: Int] { state.withLock { $0.counts } }

    /// What was last done to each node.
    package var lastChanges: [String: JournalEntry] {
        Dictionary(recent.filter { !$0.node.isEmpty && $0.result != .note }.map { ($0.node, $0) }) { $1 }
    }

    /// From now on steps are of this plan.
    package func begin(commit: String, plan: String) {
        state.withLock { state in
            state.commit = commit
            state.plan = plan
            state.phase = ""
        }
    }

    /// Takes down what the executor tells; progress and waits are not kept.
    package func record(_ event: ProvisioningEvent) {
        switch event {
        case .phaseStarted(let title, _, _, _): state.withLock { $0.phase = title }
        case .phaseDone, .stepDetail, .stepProgress: break
        case .stepStarted(let node, let step): add(node, step, .started)
        case .stepDone(let node, let step, let elapsed): add(node, step, .done, elapsed)
        case .stepFailed(let node, let step, let elapsed, let finding):
            add(node, step, .failed, elapsed, message: finding.cause.map { "\(finding.summary): \($0)" } ?? finding.summary)
        case .stepSkipped(let node, let step, let reason): add(node, step, .skipped, message: reason)
        case .note(let node?, let text): add(node, "", .note, message: text)
        case .note: break
        }
    }

    /// Takes in what another process of this server wrote to the same file.
    package func reload() {
        state.withLock { state in
            if let file = state.file { state.recent = file.last(Self.shown) }
        }
        changes.update { $0 += 1 }
    }

    /// A commit whose inventory is not taken; the same refusal again is no news.
    package func refuse(commit: String, because reason: String) {
        if let last = recent.last(where: { $0.result == .refused }), last.commit == commit, last.message == reason { return }
        begin(commit: commit, plan: "")
        add("", "take the inventory of a commit", .refused, message: reason)
    }

    private func add(
        _ node: String, _ step: String, _ result: JournalEntry.Result, _ elapsed: Duration? = nil, message: String = ""
    ) {
        let (time, server) = (clock.timestamp, server)
        write { state in
            JournalEntry(
                time: time, server: server, commit: state.commit, plan: state.plan, phase: state.phase, node: node, step: step,
                result: result, seconds: elapsed.map(Self.seconds), message: String(message.prefix(1000)))
        }
    }

    private func write(_ entry: @Sendable (borrowing State) -> JournalEntry) {
        let problem = state.withLock { state -> String? in
            let entry = entry(state)
            state.recent = state.recent.suffix(Self.shown - 1) + [entry]
            state.counts[entry.result, default: 0] += 1
            do throws(FileError) {
                try state.file?.append(entry)
                if state.file != nil { state.isFailing = false }
                return nil
            } catch {
                defer { state.isFailing = true }
                return state.isFailing ? nil : error.description
            }
        }
        if let problem { log("the journal of node changes cannot be written: \(problem)") }
        changes.update { $0 += 1 }
    }

    private static func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) + Double(attoseconds / 1_000_000_000_000_000) / 1000
    }

    // MARK: What a restart cut off

    /// The steps that were begun and not ended by this server's agent, newest last.
    private var open: [JournalEntry] {
        var open: [JournalEntry] = []
        for entry in recent where !entry.step.isEmpty {
            open.removeAll { $0.isAboutSameStep(as: entry) }
            if entry.result == .started { open.append(entry) }
        }
        return open
    }

    private func closeInterrupted() {
        for entry in open { close(entry, .interrupted, "the agent ended in the middle of it; the next run looks at the node afresh") }
    }

    private func close(_ begun: JournalEntry, _ result: JournalEntry.Result, _ message: String) {
        let now = clock.timestamp
        write { _ in
            var entry = begun
            entry.time = now
            entry.result = result
            entry.message = message
            return entry
        }
    }

    /// An agent that was ended by its own upgrade learns from the node how that went.
    package func followSwitch(_ path: String = NodeLayout.agentSwitch) async {
        let name = Step.switchActivity
        guard let begun = recent.last(where: { $0.node == server && $0.step == name }),
            begun.result == .interrupted || begun.result == .skipped && begun.message == "stopped"
        else { return }
        let deadline = clock.now + .seconds(300)
        while !Task.isCancelled, clock.now < deadline {
            if let text = try? Files.readText(path), let outcome = AgentSwitchOutcome(text: text) {
                return close(begun, outcome.result == .done ? .done : .failed, outcome.reason)
            }
            try? await clock.sleep(for: .seconds(1))
        }
    }
}
