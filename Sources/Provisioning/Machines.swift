internal import Cryptography
package import Diagnostics
package import NodeInventory
internal import NodePlanning

/// The machines of an inventory, reached as bootstrap reaches them, for commands that are no part of a plan.
package struct Machines: Sendable {
    package let spec: ClusterSpec
    package let recorder: RunRecorder
    /// Whom another run is told to wait for while this one holds machines.
    let owner: String
    private let connector: SSHConnector

    /// - Parameters:
    ///   - inventoryDirectory: relative names of secrets in the inventory start here.
    ///   - logDirectory: one log file per node goes to a folder in here; nil keeps none.
    ///   - owner: `alice@laptop, homelab reset`, for a command that changes something.
    /// - Throws: `Diagnostic` about `~/.ssh/config`, `FileError` about the log folder.
    package init(
        _ spec: ClusterSpec, inventoryDirectory: String, logDirectory: String?, owner: String = "homelab", interaction: BootstrapInteraction
    ) throws {
        self.spec = spec
        self.owner = owner
        let recorder = try RunRecorder(
            folder: logDirectory.map { RunLogs.begin(in: $0, cluster: spec.name) }, forward: interaction.events)
        self.recorder = recorder
        let secrets = SecretSource(base: inventoryDirectory, prompt: interaction.prompt, onFetched: { recorder.conceal($0) })
        connector = try SSHConnector(trust: .person(confirm: interaction.confirmHostKey), secrets: secrets)
    }

    /// Connects to these nodes at once and calls `body` with the hosts; closes them afterwards.
    /// - Throws: `Diagnostics` with the reasons of all nodes that cannot be reached, unless `needsAll` is false: then they are handed over.
    package func with<Result: Sendable>(
        _ nodes: [NodeSpec], needsAll: Bool = true, _ body: ([String: any Host], Diagnostics) async throws -> Result
    ) async throws -> Result {
        let reached = await parallel(nodes, limit: 20) { node in await reach(node) }
        var hosts: [String: any Host] = [:]
        var problems = Diagnostics()
        for (node, outcome) in zip(nodes, reached) {
            switch outcome {
            case .success(let host): hosts[node.name] = host
            case .failure(let problem): problems.append(problem)
            }
        }
        let opened = Array(hosts.values)
        do {
            try Task.checkCancellation()
            if needsAll { try problems.throwIfErrors() }
            let result = try await body(hosts, problems)
            _ = await parallel(opened, limit: 20) { await $0.close() }
            return result
        } catch {
            await shielded { for host in opened { await host.close() } }
            // Whatever a node said is shown next.
            throw recorder.scrubbed(error)
        }
    }

    /// Looks at these nodes at once. What cannot be reached, or looked at to the end, is told beside the results.
    func look<Result: Sendable>(
        at nodes: [NodeSpec], _ body: @escaping @Sendable (NodeSpec, any Host) async throws -> Result
    ) async throws -> ([Result], Diagnostics) {
        try await with(nodes, needsAll: false) { hosts, unreached in
            try await look(at: nodes, hosts, unreached, body)
        }
    }

    /// The same over connections that are there.
    func look<Result: Sendable>(
        at nodes: [NodeSpec], _ hosts: [String: any Host], _ unreached: Diagnostics,
        _ body: @escaping @Sendable (NodeSpec, any Host) async throws -> Result
    ) async throws -> ([Result], Diagnostics) {
        let outcomes = await parallel(nodes, limit: 20) { node -> Swift.Result<Result, Diagnostic>? in
            guard let host = hosts[node.name] else { return nil }
            do { return .success(try await body(node, host)) } catch { return .failure(FactGatherer.diagnostic(error, node: node.name)) }
        }
        try Task.checkCancellation()
        var (results, problems) = ([Result](), unreached)
        for outcome in outcomes.compactMap({ $0 }) {
            switch outcome {
            case .success(let result): results.append(result)
            case .failure(let problem): problems.append(recorder.scrubbed(problem))
            }
        }
        return (results, problems)
    }

    /// Brings a file to all of these nodes at once, as a binary is brought before the step that verifies and installs it.
    package func upload(_ file: String, to destination: String, nodes: [NodeSpec]) async throws {
        // While the machines are being reached.
        let sum = Task { try SHA256.hex(ofFile: file) }
        try await with(nodes) { hosts, _ in
            let upload = FileUpload(
                source: file, destination: destination, mode: 0o644, sha256: try await sum.value, verification: .atInstallation)
            let outcomes = await parallel(Array(hosts.values), limit: 20) { host -> Diagnostic? in
                do {
                    try await host.upload(upload, progress: { _, _ in })
                    return nil
                } catch {
                    return FactGatherer.diagnostic(error, node: host.name)
                }
            }
            try Diagnostics(outcomes.compactMap { $0 }).throwIfErrors()
        }
    }

    /// Waits until the machine lets us in, for as long as a boot may take.
    package func wait(for node: NodeSpec, limit: Duration, waiting: @escaping @Sendable (String) -> Void) async throws {
        let host = connector.host(for: node)
        try await host.reconnect(within: limit, waiting: waiting)
        await host.close()
    }

    /// The hosts on the way to it: what the inventory says, else `~/.ssh/config`.
    func jumps(to node: NodeSpec) -> [JumpHost] { connector.jumps(to: node) }

    private func reach(_ node: NodeSpec) async -> Swift.Result<any Host, Diagnostic> {
        let host = connector.host(for: node)
        do {
            try await recorder.tellingSlowness(.note(node: node.name, text: "does not answer yet")) { try await host.connect() }
            return .success(host)
        } catch {
            return .failure(FactGatherer.diagnostic(error, node: node.name))
        }
    }
}

extension ClusterSpec {
    /// Where kubeconfigs point: the endpoint, or a server that is there.
    func apiURL(through server: NodeSpec) -> String {
        endpoint.map { K3sConfiguration.url(of: $0.host, port: $0.port) } ?? K3sConfiguration.url(of: server.host)
    }

    /// The nodes of these names, all when there are none.
    /// - Throws: `Diagnostic` for a name the inventory does not have.
    package func nodes(named names: [String]) throws(Diagnostic) -> [NodeSpec] {
        if names.isEmpty { return nodes.filter { $0.state != .absent } }
        var found: [NodeSpec] = []
        for name in names {
            guard let node = node(named: name) else {
                throw Diagnostic(
                    .error, "the inventory has no node \(name)",
                    remedy: Suggestion.nearest(to: name, in: nodes.map(\.name)).map { "did you mean \($0)?" }
                        ?? "it has " + nodes.map(\.name).joined(separator: ", "))
            }
            found.append(node)
        }
        return found
    }
}
