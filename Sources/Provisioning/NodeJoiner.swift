internal import Cryptography
internal import Diagnostics
internal import FileSystem
package import HTTP
package import NodeInventory
package import NodePlanning
internal import Synchronization

/// The agent's way to the machines: what it sees of them, and how it changes them.
///
/// It acts through the server it runs on: tokens are made there, a k3s binary of the wanted version is taken from there, and the other
/// machines are reached with the agent's own key and pinned host keys only.
package struct NodeJoiner: Sendable {
    private let spec: ClusterSpec
    private let configuration: AgentConfiguration
    private let recorder: RunRecorder
    private let secrets: SecretSource
    /// See `PlanningContext.borrowed`.
    private let borrowed: [SecretReference: Secret]
    private let connector: SSHConnector
    private let observer: ProvisioningObserver
    private let artifacts: Artifacts

    /// - Parameters:
    ///   - inventoryDirectory: what relative file names of the inventory are relative to on this server.
    ///   - transport: downloads k3s for machines of another architecture or when this server runs another version.
    /// - Throws: `Diagnostic`, `CryptographyError`.
    package init(
        spec: ClusterSpec, configuration: AgentConfiguration, inventoryDirectory: String, transport: (any HTTPTransport)?,
        recorder: RunRecorder
    ) async throws {
        let spec = spec.asServersHoldIt()
        self.spec = spec
        self.configuration = configuration
        self.recorder = recorder
        secrets = SecretSource(base: inventoryDirectory, prompt: nil, onFetched: { recorder.conceal($0) })
        borrowed = spec.borrowedSecrets(from: try? Files.readText(NodeLayout.registries, limit: 1 << 20), lackedBy: secrets)
        for secret in borrowed.values { recorder.conceal(secret) }
        connector = try SSHConnector(trust: .pinsOnly(identityFile: configuration.identityFile), secrets: secrets)
        let own = BinaryArchitecture.own.flatMap { Architecture(rawValue: $0.rawValue) }
        var homelab: [Architecture: LocalBinary] = [:]
        if let own, Files.exists(NodeLayout.homelab) {
            homelab[own] = LocalBinary(path: NodeLayout.homelab, sha256: try SHA256.hex(ofFile: NodeLayout.homelab))
        }
        artifacts = Artifacts(
            store: BinaryStore(cache: configuration.stateDirectory + "/cache", transport: transport), spec: spec.k3s,
            folderBase: inventoryDirectory, homelab: homelab, agent: spec.agent, own: try await Self.ownRelease(spec.k3s, own))
        var observer = ProvisioningObserver(spec: spec, artifacts: artifacts, secrets: secrets, recorder: recorder)
        observer.replacesHomelab = false
        observer.acting = configuration.node
        observer.borrowed = borrowed
        self.observer = observer
    }

    /// This server's own k3s, when it is the version the inventory wants and, where a hash is pinned, the very file; with the images that
    /// came with it.
    private static func ownRelease(_ k3s: K3sSpec, _ own: Architecture?) async throws -> OwnRelease? {
        guard let own, Files.exists(NodeLayout.k3s) else { return nil }
        let version = try await LocalHost(name: "this server").run(RemoteCommand([NodeLayout.k3s, "--version"]).asLook)
        guard version.output.split(whereSeparator: \.isWhitespace).contains(Substring(k3s.version.description)) else { return nil }
        let hash = try SHA256.hex(ofFile: NodeLayout.k3s)
        if let pin = k3s.sha256[own], pin != hash { return nil }
        return OwnRelease(
            architecture: own, k3s: LocalBinary(path: NodeLayout.k3s, sha256: hash),
            images: try BinaryStore.installedImages(in: NodeLayout.imageDirectory))
    }

    /// Looks at all machines and plans; changes nothing. Nodes without a pinned key are not reached at all. Close the connections with `observation.nodes.close()`.
    package func observe() async throws -> ProvisioningObservation {
        let own = configuration.node
        let observation = try await observer.observe { [connector] node in
            if node.name == own { return LocalHost(name: own, user: node.user) }
            let host = connector.host(for: node)
            try await host.connect()
            return host
        }
        return acting(observation)
    }

    private func acting(_ observation: ProvisioningObservation) -> ProvisioningObservation {
        var observation = observation
        observation.plan = observation.plan.acting(through: configuration.node)
        return observation
    }

    /// Carries out what of an observation's plan is to be done.
    /// - Parameter admitted: what that is; asked again of a second look once the machines are locked, since another run may have changed
    ///   them after the first.
    /// - Throws: `Diagnostics` and `Diagnostic` when nothing was begun: a file is not to be had, a node is locked by another run, there is
    ///   now something to do on a machine that is not locked. What failed later is in the report.
    package func carryOut(
        _ observation: ProvisioningObservation, isSuperseded: @escaping @Sendable () -> Bool,
        admitted: @escaping @Sendable (ProvisioningObservation) -> NodePlan
    ) async throws -> ExecutionReport {
        let plan = admitted(observation)
        guard !plan.isEmpty else { return ExecutionReport() }
        let files = Mutex(try await artifacts.fetch(for: plan, recorder: recorder))
        var hosts = observation.nodes.hosts
        hosts[configuration.node] = hosts[configuration.node] ?? LocalHost(name: configuration.node)
        var executor = PlanExecutor(
            cluster: spec.name, servers: Set(spec.servers.map(\.name)), hosts: hosts,
            files: { artifact in try files.withLock { $0 }.path(of: artifact) },
            secrets: { [secrets, borrowed] reference, question in
                try borrowed[reference] ?? secrets.secret(reference, question: question, subject: question)
            },
            recorder: recorder, lockOwner: "the homelab agent on \(configuration.node)")
        executor.backups = configuration.stateDirectory + "/backups"
        // Of one server's agent there is one at a time: it goes on at once with what the one before it held.
        executor.run = run
        executor.isSuperseded = isSuperseded
        executor.leaseServers = observation.leaseServers(spec, first: configuration.node)
        return try await executor.execute(plan) {
            let now = admitted(acting(try await observer.observeAgain(observation.nodes.hosts)))
            let fetched = try await artifacts.fetch(for: now, recorder: recorder)
            files.withLock { $0 = fetched }
            return now
        }
    }

    private var run: String { "agent-\(configuration.node)" }

    /// Frees the machines that a predecessor of this server's agent had locked when it was killed, and on which nothing is left to do; for
    /// when nothing is being carried out.
    package func freeLeftLocks(_ observation: ProvisioningObservation) async {
        for (name, host) in observation.nodes.hosts
        where observation.nodes.observed[name]?.facts?.access.lock?.hasPrefix(run + " ") == true {
            _ = try? await host.run(RemoteCommand(["sh", "-c", HostLock.release(run: run)]))
        }
    }
}
