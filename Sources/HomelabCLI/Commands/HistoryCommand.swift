package import ArgumentParser
import Diagnostics
import KubernetesModel
import NodeInventory
import NodePlanning
import Provisioning
import Reconciliation
import YAML

/// `homelab history`: the journal of everything that was done to nodes, by the agents and by operators' runs.
package struct HistoryCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show what agents and operators did to the machines: commit, plan, node, step, result, duration.",
        discussion: """
            Reads the newest part of each server's journal from the cluster. With --servers the whole journals are read from the servers
            over SSH, which works without the API, too.
            """)

    @OptionGroup var cluster: ClusterOption
    @OptionGroup var inventory: InventoryOption

    @Flag(help: "Read the whole journals from the servers over SSH.")
    var servers = false

    @Option(help: "Only what was done to this node.")
    var node: String?

    @Option(help: "Only what was done for this commit (its first characters).")
    var commit: String?

    @Option(name: [.customShort("n"), .long], help: "How many entries, the newest ones; 0: all.")
    var limit = 50

    @Flag(help: "Also show the beginning of each step.")
    var starts = false

    @Option(name: .shortAndLong, help: "text or json (one object a line).")
    var output = OutputFormat.text

    package init() {}

    package func run() async throws {
        let all = servers ? try await fromServers() : try await cluster.withCluster { try await JournalPublication.entries(in: $0) }
        var shown = all.filter { entry in
            (node.map { $0 == entry.node } ?? true) && (commit.map { entry.commit.hasPrefix($0) } ?? true)
        }
        if !starts { shown = Self.withoutEndedStarts(shown) }
        if limit > 0 { shown = shown.suffix(limit) }
        switch output {
        case .json: for entry in shown { Console.standard.line(JSONWriter.text(entry.json)) }
        case .text: Console.standard.line(shown.isEmpty ? "nothing was done to a node yet" : Self.table(shown).text)
        }
    }

    /// A beginning is shown only while there is no end.
    static func withoutEndedStarts(_ entries: [JournalEntry]) -> [JournalEntry] {
        entries.indices.filter { index in
            let entry = entries[index]
            return entry.result != .started
                || !entries[(index + 1)...].contains { $0.server == entry.server && $0.isAboutSameStep(as: entry) }
        }.map { entries[$0] }
    }

    static func table(_ entries: [JournalEntry]) -> Table {
        var table = Table(header: ["TIME", "COMMIT", "PLAN", "NODE", "PHASE", "STEP", "RESULT", "SECONDS", "BY", "MESSAGE"])
        for entry in entries {
            let style: Console.Style =
                switch entry.result {
                case .done: .green
                case .failed, .refused: .red
                default: .yellow
                }
            table.append([
                entry.time.description, String(entry.commit.prefix(12)), String(entry.plan.prefix(12)), entry.node, entry.phase, entry.step,
                Console.standard.styled(entry.result.rawValue, style), entry.seconds.map { "\(($0 * 10).rounded() / 10)" } ?? "",
                entry.server,
                entry.message,
            ])
        }
        return table
    }

    private func fromServers() async throws -> [JournalEntry] {
        let machines = try await inventory.machines()
        let texts = try await machines.with(machines.spec.servers, needsAll: false) { hosts, problems in
            for problem in problems.sorted { Console.standard.problem(problem.description) }
            var texts: [String] = []
            for host in hosts.values {
                let result = try await host.run(RemoteCommand(["sh", "-c", Self.readScript]))
                guard result.succeeded else {
                    throw Diagnostic(.error, "cannot read the journal", subject: "node \"\(host.name)\"", cause: result.complaint)
                }
                texts.append(result.output)
            }
            return texts
        }
        return JournalPublication.together(texts)
    }

    private static let readScript = """
        cd \(NodeLayout.state)/journal 2>/dev/null || exit 0
        for n in 9 8 7 6 5 4 3 2 1; do if [ -f nodes.$n.jsonl ]; then cat nodes.$n.jsonl; fi; done
        for name in nodes operator.1 operator; do if [ -f $name.jsonl ]; then cat $name.jsonl; fi; done
        """
}
