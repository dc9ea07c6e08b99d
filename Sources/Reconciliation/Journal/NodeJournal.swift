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
        /// What this server's agent wrote, and what operators' runs brought to the same folder.
        var own: [JournalEntry]
        var operators: [JournalEntry] = []
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
    ///   - closesInterrupted: false while another process may still be at the steps that have no end yet.
    ///   - log: told once when the journal cannot be written; the work on nodes goes on.
    package init(
        directory: String, server: String, clock: any AgentClock = SystemClock(), closesInterrupted: Bool = true,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.server = server
        self.clock = clock
        self.log = log
        do {
            let file = try JournalFile(directory: directory)
            state = Mutex(State(file: file, own: file.last(Self.shown), operators: file.operators(Self.shown)))
        } catch {
            log("the journal of node changes cannot be kept: \(error.description)")
            state = Mutex(State(file: nil, own: [], isFailing: true))
        }
        if closesInterrupted { closeInterrupted() }
    }

    /// The newest entries, oldest first; with those of operators' runs.
    package var recent: [JournalEntry] {
        state.withLock { state in
            state.operators.isEmpty ? state.own : (state.own + state.operators).sorted { $0.time < $1.time }.suffix(Self.shown)
        }
    }

    private var own: [JournalEntry] { state.withLock { $0.own } }

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
        if case .phaseStarted(let title, _, _, _) = event { state.withLock { $0.phase = title } }
        guard let told = JournalEntry.Told(event) else { return }
        add(told)
    }

    /// Takes in what other processes wrote to the same folder.
    package func reload() {
        state.withLock { state in
            guard let file = state.file else { return }
            state.own = file.last(Self.shown)
            state.operators = file.operators(Self.shown)
        }
        changes.update { $0 += 1 }
    }

    /// Takes in what operators' runs bring to this server, as it comes.
    package func followOperators() async {
        guard let directory = state.withLock({ $0.file?.directory }), let names = try? FileWatch.changes(in: directory) else { return }
        // What came before the watch.
        reload()
        for await name in names where name == JournalFile.operatorsName || name.isEmpty { reload() }
    }

    /// A commit whose inventory is not taken; the same refusal again is no news.
    package func refuse(commit: String, because reason: String) {
        if let last = own.last(where: { $0.result == .refused }), last.commit == commit, last.message == reason { return }
        begin(commit: commit, plan: "")
        add(JournalEntry.Told("", "take the inventory of a commit", .refused, message: reason))
    }

    private func add(_ told: JournalEntry.Told) {
        let (time, server) = (clock.timestamp, server)
        write { state in JournalEntry(told, time: time, server: server, commit: state.commit, plan: state.plan, phase: state.phase) }
    }

    private func write(_ entry: @Sendable (borrowing State) -> JournalEntry) {
        let problem = state.withLock { state -> String? in
            let entry = entry(state)
            state.own = state.own.suffix(Self.shown - 1) + [entry]
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

    // MARK: What a restart cut off

    /// The steps that were begun and not ended by this server's agent, newest last.
    private var open: [JournalEntry] {
        var open: [JournalEntry] = []
        for entry in own where !entry.step.isEmpty {
            open.removeAll { $0.isAboutSameStep(as: entry) }
            if entry.result == .started { open.append(entry) }
        }
        return open
    }

    /// Says of the steps that have no end that nobody saw one: whoever was at them is gone.
    package func closeInterrupted() {
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
        guard let begun = own.last(where: { $0.node == server && $0.step == name }),
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
