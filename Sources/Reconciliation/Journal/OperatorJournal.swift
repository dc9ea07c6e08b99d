package import Diagnostics
import KubernetesModel
import NodePlanning
package import Provisioning
import Synchronization

/// What an operator's own run does to the machines, kept on every server beside the journals of the agents, which show it with theirs.
///
/// The lines go to the servers while the run goes on, over the run's own connections; the run does not wait for them before its end.
package final class OperatorJournal: RunJournal {
    private struct State {
        var lines: [String] = []
        var plan = ""
        var phase = ""
        var isOver = false
        var bells: [AsyncStream<Void>.Continuation] = []
        var writers: [Task<Diagnostic?, Never>] = []
    }

    private let who: String
    private let commit: String
    private let clock: any AgentClock
    private let state = Mutex(State())

    /// - Parameters:
    ///   - who: `alice@laptop`.
    ///   - commit: the one whose inventory is carried out; empty when the file is not what was committed.
    package init(who: String, commit: String, clock: any AgentClock = SystemClock()) {
        self.who = who
        self.commit = commit
        self.clock = clock
    }

    package func begin(plan: String, servers: [any Host]) {
        state.withLock { state in
            state.plan = plan
            for host in servers {
                let (rings, bell) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
                state.bells.append(bell)
                // Not a child of the run's task: what was done before a Ctrl-C is kept as well.
                state.writers.append(Task.detached { await self.write(to: host, rings) })
            }
        }
    }

    package func record(_ event: ProvisioningEvent) {
        let time = clock.timestamp
        let bells = state.withLock { state -> [AsyncStream<Void>.Continuation] in
            if case .phaseStarted(let title, _, _, _) = event { state.phase = title }
            guard !state.plan.isEmpty, let told = JournalEntry.Told(event) else { return [] }
            state.lines.append(JournalEntry(told, time: time, server: who, commit: commit, plan: state.plan, phase: state.phase).line)
            return state.bells
        }
        for bell in bells { bell.yield() }
    }

    package func end() async -> [Diagnostic] {
        let (bells, writers) = state.withLock { state in
            state.isOver = true
            return (state.bells, state.writers)
        }
        for bell in bells { bell.yield() }
        var problems: [Diagnostic] = []
        for writer in writers { if let problem = await writer.value { problems.append(problem) } }
        return problems
    }

    // MARK: One server

    private func write(to host: any Host, _ rings: AsyncStream<Void>) async -> Diagnostic? {
        var written = 0
        for await _ in rings {
            let (lines, isOver) = state.withLock { ($0.lines, $0.isOver) }
            if written < lines.count {
                let text = lines[written...].joined()
                // One that is rebooted has its lines with the next ones, or at the end.
                if await Self.append(text, to: host, reconnecting: isOver) { written = lines.count }
            }
            if isOver {
                if written == lines.count { return nil }
                return Diagnostic(
                    .warning, "the journal there lacks the last \(lines.count - written) lines of this run",
                    subject: "node \"\(host.name)\"", remedy: "`homelab history` has them where another server got them")
            }
        }
        return nil
    }

    private static func append(_ text: String, to host: any Host, reconnecting: Bool) async -> Bool {
        let command = RemoteCommand(["sh", "-c", script], input: .text(text))
        if (try? await host.run(command))?.succeeded == true { return true }
        guard reconnecting, (try? await host.reconnect(within: .seconds(5), waiting: { _ in })) != nil else { return false }
        return (try? await host.run(command))?.succeeded == true
    }

    /// A server may have nothing of homelab's yet. At most two files of 1 MiB are kept.
    private static let script = """
        set -eu
        umask 077
        folder=\(NodeLayout.state)/journal
        mkdir -p -m 0755 \(NodeLayout.state)
        mkdir -p "$folder"
        cd "$folder"
        if [ -f \(JournalFile.operatorsName) ] && [ "$(wc -c <\(JournalFile.operatorsName))" -gt 1048576 ]; then
        mv -f \(JournalFile.operatorsName) \(JournalFile.olderOperatorsName)
        fi
        cat >>\(JournalFile.operatorsName)
        sync \(JournalFile.operatorsName)
        """
}
