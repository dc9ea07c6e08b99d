package import ArgumentParser
import Diagnostics
import FileSystem
import HTTP
import HTTPNetworking
import KubernetesClient
import KubernetesModel
import NodeInventory
import NodePlanning
import Provisioning
import Reconciliation

/// `homelab agent`: what the unit on every server runs.
package struct AgentCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "agent", abstract: "Keep nodes and objects as the repository says; run by homelab-agent.service on the servers.",
        shouldDisplay: false)

    @Option(help: "The agent's configuration.")
    var config = "/etc/homelab/agent.yaml"

    package init() {}

    package func run() async throws {
        let configuration = try AgentConfiguration.decode(Files.readText(config), file: config)
        let console = Console.standard
        let lock = try onlyAgentHere(configuration)
        defer { withExtendedLifetime(lock) {} }
        let (api, outdated) = try await connect(configuration, console)
        let transport = try AsyncHTTPTransport()
        let journal = NodeJournal(
            directory: configuration.stateDirectory + "/journal", server: configuration.node,
            closesInterrupted: !OwnNodeChange(configuration: configuration).isUnderWay
        ) { console.line($0) }
        let inUse = CommitsInUse(api: api, unit: configuration.cluster)
        let agent = Agent(
            configuration: settings(configuration),
            api: api, repository: try AgentRepository.source(of: configuration, inUse: inUse) { console.line($0) },
            manifests: KustomizeManifests(remotes: try configuration.allowsRemoteBases ? RemoteBases.agent(configuration) : nil),
            nodes: NodeReconciler(configuration: configuration, transport: transport, journal: journal) { console.line($0) },
            journal: journal,
            repositories: AgentRepository.factory(configuration, inUse: inUse) { console.line($0) }, clusters: ClusterOption.client,
            log: { console.line($0) })
        let server = try await listen(configuration, agent)
        let webhook = try await WebhookListener.start(configuration, agent) { console.line($0) }
        console.line("homelab agent \(HomelabVersion.current) on \(configuration.node): follows \(configuration.repository.url)")
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await agent.run() }
            group.addTask { await publishKey(configuration, api) }
            await outdated.wait()
            // Otherwise the agent is stopped.
            if !Task.isCancelled {
                console.line("the API server does not take the kubeconfig that was read: ends, to be started anew with the present one")
            }
            group.cancelAll()
        }
        await webhook?.shutdown()
        await server.shutdown()
    }

    /// Held until the process ends: so the next one knows that whoever held the Lease or a machine's lock for this server is no more.
    private func onlyAgentHere(_ configuration: AgentConfiguration) throws -> FileLock {
        try Files.makeDirectory(configuration.stateDirectory, mode: 0o755)
        let path = configuration.stateDirectory + "/agent.lock"
        guard let lock = try FileLock.tryAcquire(path) else {
            throw Diagnostic(
                .error, "another homelab agent runs on this machine", subject: path,
                remedy: "\(ServiceWords.here.status(NodeLayout.agentUnit)) shows it")
        }
        return lock
    }

    private func settings(_ configuration: AgentConfiguration) -> Agent.Configuration {
        var settings = Agent.Configuration(
            node: configuration.node, version: HomelabVersion.current,
            unit: UnitSpec(
                owner: Ownership(of: configuration.unit, cluster: configuration.cluster), path: configuration.path,
                records: configuration.cluster),
            branch: configuration.repository.branch, inventory: configuration.inventory,
            signersFile: configuration.repository.signersFile, pollInterval: .seconds(configuration.pollInterval))
        settings.trialFiles = [NodeLayout.agentTrial, NodeLayout.agentTrialOpenRC]
        settings.isOnlyAgentHere = true
        settings.answersWebhooks = configuration.webhookListen != nil && configuration.webhookSecretFile != nil
        return settings
    }

    /// k3s writes the kubeconfig when it starts; a server that boots may have to wait for it. The bell rings when it has to be read anew.
    private func connect(_ configuration: AgentConfiguration, _ console: Console) async throws -> (api: KubernetesClient, outdated: Bell) {
        var isFirst = true
        while true {
            do {
                let digest = KubeconfigTransport.digest(of: configuration.kubeconfig)
                let connection = try Kubeconfig.load([configuration.kubeconfig]).connection()
                let transport = KubeconfigTransport(
                    try AsyncHTTPTransport(tls: connection.tls), file: configuration.kubeconfig, digest: digest)
                return (KubernetesClient(connection, transport: transport), transport.outdated)
            } catch let problem as Diagnostic {
                if isFirst { console.line("waiting for \(configuration.kubeconfig): \(problem.summary)") }
                isFirst = false
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func listen(_ configuration: AgentConfiguration, _ agent: Agent) async throws -> HTTPServer {
        let place = try ListenAddress.read(configuration.listen, field: "listen")
        return try await HTTPServer(host: place.host, port: place.port) { request in
            let path = request.url.split(separator: "?").first.map(String.init) ?? "/"
            let answer = agent.monitor.value.response(path: path, now: agent.clock.timestamp)
            return HTTPResponse(status: answer.status, headers: [("content-type", answer.contentType)], body: Array(answer.body.utf8))
        }
    }

    /// Tries until it is done: the API server may not be there yet.
    private func publishKey(_ configuration: AgentConfiguration, _ api: any ClusterAPI) async {
        guard let key = try? Files.readText(configuration.identityFile + ".pub") else { return }
        let line = key.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        while !Task.isCancelled {
            do {
                try await HomelabNamespace.ensure(api)
                return try await AgentKeys.publish(line, of: configuration.node, in: api)
            } catch {
                try? await Task.sleep(for: .seconds(3))
            }
        }
    }
}
