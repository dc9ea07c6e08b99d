import Diagnostics
import FileSystem
package import Git
package import HTTP
package import NodeInventory
import NodePlanning
import Provisioning

/// Lets machines that git added join the cluster, and reports every other difference between inventory and machines as pending.
package actor NodeReconciler: NodeReconciling {
    private let configuration: AgentConfiguration
    private let transport: any HTTPTransport
    private let journal: NodeJournal
    private let log: @Sendable (String) -> Void
    private var backoff = Backoff(first: .seconds(15), limit: .seconds(300))

    /// - Parameters:
    ///   - transport: downloads k3s for machines of another architecture than this server's.
    ///   - journal: keeps what was done.
    ///   - log: gets a line for everything that happens on a node.
    package init(
        configuration: AgentConfiguration, transport: any HTTPTransport, journal: NodeJournal, log: @escaping @Sendable (String) -> Void
    ) {
        self.configuration = configuration
        self.transport = transport
        self.journal = journal
        self.log = log
    }

    package func reconcile(
        commit: CommitInfo, tree: GitTree, isSuperseded: @escaping @Sendable () -> Bool,
        report: @escaping @Sendable (NodesReport) async -> Void
    ) async -> NodesReport {
        let revision = commit.id.hex
        do {
            let spec = try ClusterSpec.load(configuration.inventory, files: tree.inventoryTexts(configuration.inventory))
            return try await reconcile(spec, revision, isSuperseded, report)
        } catch let problems as Diagnostics {
            // An inventory that cannot be read changes nothing on any machine.
            return NodesReport(revision: revision, errors: problems.sorted, again: nil)
        } catch {
            return NodesReport(revision: revision, errors: [Diagnostic(.error, "\(error)", subject: "nodes")], again: backoff.failed())
        }
    }

    private func reconcile(
        _ spec: ClusterSpec, _ revision: String, _ isSuperseded: @Sendable () -> Bool, _ report: @Sendable (NodesReport) async -> Void
    ) async throws -> NodesReport {
        let recorder = try RunRecorder(folder: configuration.stateDirectory + "/log/nodes") { [log, journal] event in
            journal.record(event)
            // The service's log keeps what was done and why, not every mebibyte of an upload.
            if case .stepProgress = event { return }
            log(event.description)
        }
        let joiner = try await NodeJoiner(
            spec: spec, configuration: configuration, inventoryDirectory: configuration.stateDirectory, transport: transport,
            recorder: recorder)
        let observation = try await joiner.observe()
        let admission = NodeAdmission(
            spec: spec, plan: observation.plan, observed: observation.nodes.observed, cluster: observation.cluster)
        var execution: ExecutionReport?
        var after = observation
        if !admission.joining.isEmpty, !isSuperseded() {
            await report(NodesReport(revision: revision, spec, observation, admission, failures: [], isJoining: true))
            journal.begin(commit: revision, plan: observation.plan.hash)
            execution = try await joiner.carryOut(observation, for: admission.joining)
            await observation.nodes.close()
            after = try await joiner.observe()
        }
        await after.nodes.close()
        let now = NodeAdmission(spec: spec, plan: after.plan, observed: after.nodes.observed, cluster: after.cluster)
        var result = NodesReport(revision: revision, spec, after, now, failures: execution?.failures ?? [], isJoining: false)
        // Machines that are off, or refuse the key, come back without a commit; so do Nodes that are not Ready yet.
        let isWaiting = result.nodes.contains { !$0.isHealthy }
        if isWaiting { result.again = backoff.failed() } else { backoff.reset() }
        return result
    }
}

extension GitTree {
    /// The inventory and what belongs to it, as `ClusterSpec.load` wants them.
    fileprivate func inventoryTexts(_ path: String) -> [String: String] {
        let directory = ClusterSpec.nodeDirectory(of: path) + "/"
        var texts: [String: String] = [:]
        for (file, entry) in entries where file == path || file == ClusterSpec.lockFile(of: path) || file.hasPrefix(directory) {
            texts[file] = String(decoding: entry.bytes, as: UTF8.self)
        }
        return texts
    }
}

extension NodesReport {
    init(
        revision: String, _ spec: ClusterSpec, _ observation: ProvisioningObservation, _ admission: NodeAdmission, failures: [Diagnostic],
        isJoining: Bool
    ) {
        let names = spec.nodes.map(\.name) + observation.cluster.nodes.map(\.name).filter { spec.node(named: $0) == nil }
        let nodes = names.map { name in
            var node = Node(name, spec.node(named: name), observation, admission, failures, isJoining: isJoining)
            node.address = spec.node(named: name)?.address ?? ""
            return node
        }
        let clusterWide = admission.pending.filter { $0.node == nil }.map {
            Diagnostic(.warning, $0.text, subject: "nodes", remedy: $0.remedy)
        }
        self.init(revision: revision, nodes: nodes, errors: failures + clusterWide)
    }
}

extension NodesReport.Node {
    /// One line about a node: the worst that is known of it.
    init(
        _ name: String, _ spec: NodeSpec?, _ observation: ProvisioningObservation, _ admission: NodeAdmission, _ failures: [Diagnostic],
        isJoining: Bool
    ) {
        let live = observation.cluster.node(named: name)
        let role = spec?.role.rawValue ?? ""
        let version = live?.kubeletVersion ?? ""
        if let failure = failures.first(where: { $0.subject == "node \"\(name)\"" }) {
            self.init(name: name, role: role, phase: "Failed", isHealthy: false, version: version, message: failure.shortText)
        } else if isJoining && admission.joining.contains(name) {
            self.init(name: name, role: role, phase: "Joining", isHealthy: false, version: version)
        } else if spec == nil {
            self.init(
                name: name, role: role, phase: "Orphan", isHealthy: live?.ready ?? false, version: version,
                message: admission.pending.first { $0.node == name }?.text ?? "")
        } else if let note = admission.pending.first(where: { $0.node == name }) {
            let isRunning = live?.ready ?? false
            self.init(
                name: name, role: role, phase: isRunning ? "Ready" : "Pending", isHealthy: isRunning, version: version,
                message: note.remedy.map { "\(note.text); \($0)" } ?? note.text)
        } else if let live {
            self.init(
                name: name, role: role, phase: live.ready ? "Ready" : "NotReady", isHealthy: live.ready, version: version,
                message: live.ready ? "" : live.reason)
        } else {
            self.init(name: name, role: role, phase: "Pending", isHealthy: false, version: version, message: "not in the cluster yet")
        }
    }
}

extension Diagnostic {
    fileprivate var shortText: String { cause.map { "\(summary): \($0)" } ?? summary }
}
