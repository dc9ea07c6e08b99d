package import Diagnostics
import FileSystem
package import HTTP
package import NodeInventory
package import NodePlanning
import Provisioning
import YAML

/// A change that interrupts the only server of a cluster. No other agent can do it, and while it lasts there is no API and so no Lease to
/// act by: a process of its own, under systemd a transient unit, does it beside the agent, waits until the server is well again, goes back where the plan has a way
/// back, and leaves its result in a file for the agent.
package struct OwnNodeChange: Sendable {
    package struct Result: Sendable {
        package var changes: Set<NodeChange> = []
        package var failures: [Diagnostic] = []
        package var wasStopped = false

        init(_ report: ExecutionReport) {
            failures = report.failures
            wasStopped = report.wasStopped
        }
    }

    private static let process = "homelab-node-change"
    private let configuration: AgentConfiguration
    private var folder: String { configuration.stateDirectory + "/node-change" }

    package init(configuration: AgentConfiguration) { self.configuration = configuration }

    // MARK: The agent's side

    /// One was begun whose result was not taken yet.
    package var isUnderWay: Bool { Files.exists(folder) }

    /// Starts the unit and waits for what comes of it, which is to be discarded; when cancelled the unit goes on, and `result` of the next
    /// call tells.
    func run(_ inventory: InventoryTexts, _ admission: NodeAdmission, commit: String) async throws -> Result {
        try Files.removeTree(folder)
        try Files.makeDirectory(folder, mode: 0o700)
        for (path, text) in inventory.files {
            let file = folder + "/tree/" + path
            try Files.makeDirectory(Files.directoryName(file), mode: 0o700)
            try Files.write(text, to: file, mode: 0o600)
        }
        let request: Value = [
            "changes": .array(admission.admitted.map(\.json)), "commit": .string(commit), "plan": .string(admission.hash),
        ]
        try Files.write(JSONWriter.text(request), to: folder + "/request.json", mode: 0o600)
        let start = try await host.run(DetachedProcess.start(Self.process, [NodeLayout.homelab, "node-change"]))
        guard start.succeeded else {
            throw Diagnostic(
                .error, "cannot change the server the agent runs on", subject: "node \"\(configuration.node)\"", cause: start.complaint,
                remedy: "homelab bootstrap does it from another machine")
        }
        guard let result = try await result() else {
            discard()
            throw Diagnostic(
                .error, "the process that changes this server ended without a result", subject: "node \"\(configuration.node)\"",
                remedy: "\(ServiceWords.here.log(Self.process)) there tells why; it is planned anew")
        }
        return result
    }

    /// Waits for a unit that is running and reads its result, which stays until it is discarded; nil when there is none.
    func result() async throws -> Result? {
        guard Files.exists(folder) else { return nil }
        while try await host.run(DetachedProcess.isRunning(Self.process)).succeeded {
            try await Task.sleep(for: .milliseconds(500))
        }
        guard let text = try? Files.readText(folder + "/result.json"), let json = try? JSONReader.value(text) else { return nil }
        return Result(json: json)
    }

    /// For when what the result says is kept elsewhere.
    func discard() { try? Files.removeTree(folder) }

    private var host: LocalHost { LocalHost(name: configuration.node) }

    // MARK: The unit's side

    /// What the unit runs: plans afresh, and carries out what the agent had admitted and is still to do.
    package func carryOut(transport: any HTTPTransport, log: @escaping @Sendable (String) -> Void) async throws {
        var result = Result(ExecutionReport())
        do {
            let request = try JSONReader.value(Files.readText(folder + "/request.json"))
            result.changes = Set((request["changes"]?.array ?? []).compactMap { NodeChange(json: $0) })
            let journal = NodeJournal(directory: configuration.stateDirectory + "/journal", server: configuration.node, log: log)
            journal.begin(commit: request["commit"]?.string ?? "", plan: request["plan"]?.string ?? "")
            let execution = try await carryOut(result.changes, transport, journal, log)
            result.failures = execution.failures
            result.wasStopped = execution.wasStopped
        } catch {
            var problems = Diagnostics()
            problems.append(error, subject: "node \"\(configuration.node)\"")
            result.failures = problems.all
        }
        try Files.write(JSONWriter.text(result.json), to: folder + "/result.json", mode: 0o600)
    }

    private func carryOut(
        _ changes: Set<NodeChange>, _ transport: any HTTPTransport, _ journal: NodeJournal, _ log: @escaping @Sendable (String) -> Void
    ) async throws -> ExecutionReport {
        let spec = try ClusterSpec.load(configuration.inventory, files: try texts(below: folder + "/tree", ""))
        let isAtWork = Shared(false)
        let recorder = try RunRecorder(folder: configuration.stateDirectory + "/log/nodes") { event in
            if isAtWork.value, !event.isLook { journal.record(event) }
            if case .stepProgress = event { return }
            log(event.description)
        }
        let joiner = try await NodeJoiner(
            spec: spec, configuration: configuration, inventoryDirectory: configuration.stateDirectory, transport: transport,
            recorder: recorder)
        let observation = try await joiner.observe()
        isAtWork.update { $0 = true }
        let report = try await joiner.carryOut(observation, isSuperseded: { false }) { seen in
            PlanChanges(seen.plan, desired: spec, cluster: seen.cluster).limited(to: changes)
        }
        await observation.nodes.close()
        return report
    }

    private func texts(below directory: String, _ prefix: String) throws -> [String: String] {
        var texts: [String: String] = [:]
        for name in try Files.list(directory) {
            let path = directory + "/" + name
            if Files.isDirectory(path) {
                texts.merge(try self.texts(below: path, prefix + name + "/")) { $1 }
            } else {
                texts[prefix + name] = try Files.readText(path)
            }
        }
        return texts
    }
}

extension OwnNodeChange.Result {
    fileprivate var json: Value {
        [
            "changes": .array(changes.map(\.json)), "failures": .array(failures.map(\.json)), "stopped": .bool(wasStopped),
        ]
    }

    fileprivate init(json: Value) {
        changes = Set((json["changes"]?.array ?? []).compactMap { NodeChange(json: $0) })
        failures = (json["failures"]?.array ?? []).compactMap { Diagnostic(json: $0) }
        wasStopped = json["stopped"]?.bool ?? false
    }
}

extension NodeChange {
    fileprivate var json: Value { ["kind": .string(kind.rawValue), "node": .string(node), "target": .string(target)] }

    fileprivate init?(json: Value) {
        guard let kind = json["kind"]?.string.flatMap(ChangeClass.init), let node = json["node"]?.string else { return nil }
        self.init(kind, node, target: json["target"]?.string ?? "")
    }
}
