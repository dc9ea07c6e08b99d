import Cryptography
import Diagnostics
package import Git
package import HTTP
import KubernetesModel
package import NodeInventory
package import NodePlanning
import Provisioning

/// Keeps the machines as the inventory of a commit says: plans, asks the policy what may be done now, carries it out with the executor
/// that `homelab bootstrap` uses, and looks again, until nothing is left that may be done now.
package actor NodeReconciler: NodeReconciling {
    private let configuration: AgentConfiguration
    private let transport: any HTTPTransport
    private let clock: any AgentClock
    private let journal: NodeJournal
    private let log: @Sendable (String) -> Void
    private var backoff = Backoff(first: .seconds(15), limit: .seconds(300))
    /// The plan for which the Lease was given away last, and when.
    private var handedOver: NodeRun.HandOver?

    /// - Parameters:
    ///   - transport: downloads k3s that this server does not run itself.
    ///   - journal: keeps what was done.
    ///   - log: gets a line for everything that happens on a node.
    package init(
        configuration: AgentConfiguration, transport: any HTTPTransport, journal: NodeJournal, clock: any AgentClock = SystemClock(),
        log: @escaping @Sendable (String) -> Void
    ) {
        self.configuration = configuration
        self.transport = transport
        self.journal = journal
        self.clock = clock
        self.log = log
    }

    package func reconcile(
        commit: CommitInfo, tree: GitTree, memory: ChangeMemory, approvals: Set<String>, isSuperseded: @escaping @Sendable () -> Bool,
        report: @escaping @Sendable (NodesReport) async -> Void
    ) async -> NodesReport {
        let revision = commit.id.hex
        var failed: NodesReport
        // What failed before the call itself did is not forgotten by its report.
        let kept = Shared(memory)
        do {
            let inventory = InventoryTexts(tree, configuration.inventory)
            let run = NodeRun(
                revision: revision, inventory: inventory, spec: try ClusterSpec.load(configuration.inventory, files: inventory.files),
                configuration: configuration, clock: clock, journal: journal, log: log, isSuperseded: isSuperseded,
                report: { between in
                    kept.update { $0 = between.memory }
                    await report(between)
                })
            return scheduled(try await run.carryOut(memory, approvals, transport: transport, after: handedOver))
        } catch let problems as Diagnostics {
            // An inventory that cannot be read changes nothing on any machine, until a commit corrects it.
            failed = NodesReport(revision: revision, errors: problems.sorted)
        } catch {
            failed = NodesReport(
                revision: revision, errors: [(error as? Diagnostic) ?? Diagnostic(.error, "\(error)", subject: "nodes")],
                again: backoff.failed())
        }
        failed.memory = kept.value
        return failed
    }

    /// Adds when to look again: machines that are off come back without a commit, and so do Nodes that are not Ready yet.
    private func scheduled(_ outcome: NodeRun.Outcome) -> NodesReport {
        var report = outcome.report
        if report.handsOver { handedOver = NodeRun.HandOver(plan: report.planHash, at: clock.now) }
        let isSettled =
            report.errors.isEmpty && !outcome.isHeldBack && report.nodes.allSatisfy(\.isHealthy)
            && report.changes.allSatisfy { $0.state == .approval }
        if isSettled { backoff.reset() } else { report.again = backoff.failed() }
        if outcome.hasMore {
            backoff.reset()
            report.again = .zero
        }
        if let opening = outcome.nextOpening {
            let wait = Duration.seconds(max(1, opening - clock.timestamp.secondsSinceEpoch))
            report.again = report.changes.allSatisfy { $0.state == .waiting } ? wait : min(wait, report.again ?? wait)
        }
        return report
    }
}

/// The inventory and what belongs to it, as `ClusterSpec.load` wants them.
struct InventoryTexts: Sendable {
    let path: String
    let files: [String: String]

    init(_ tree: GitTree, _ path: String) {
        self.path = path
        let directory = ClusterSpec.nodeDirectory(of: path) + "/"
        var texts: [String: String] = [:]
        for (file, entry) in tree.entries where file == path || file == ClusterSpec.lockFile(of: path) || file.hasPrefix(directory) {
            texts[file] = String(decoding: entry.bytes, as: UTF8.self)
        }
        files = texts
    }

    /// Changes when any of the files does.
    var digest: String {
        SHA256.hex(of: files.sorted { $0.key < $1.key }.map { "\($0.key) \(SHA256.hex(of: $0.value))" }.joined(separator: "\n"))
    }
}
