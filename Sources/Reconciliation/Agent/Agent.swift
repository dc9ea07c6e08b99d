import FileSystem
package import HTTP
package import KubernetesModel

/// The agent of one server: it keeps its mirror of the repository current, and while it leads, the cluster as the repository says.
package struct Agent: Sendable {
    package struct Configuration: Sendable {
        package var node: String
        package var version: String
        package var unit: UnitSpec
        package var branch: String
        /// The inventory in the repository's tree, and on this server the keys that may sign it; nil: nothing has to be signed.
        package var inventory: String
        package var signersFile: String?
        package var pollInterval: Duration
        /// Whether the agents hear git hosts' webhooks, and so those of Flux' Receivers.
        package var answersWebhooks = false
        /// One is there while this very agent is on trial; it leaves the nodes alone until then, since it may have to go.
        package var trialFiles: [String] = []
        /// No other agent runs on this server, and none that ran before is alive.
        package var isOnlyAgentHere = false
        package var election: LeaderElection.Settings

        package init(
            node: String, version: String, unit: UnitSpec, branch: String = "main", inventory: String = "inventory/home.yaml",
            signersFile: String? = nil, pollInterval: Duration = .seconds(30),
            election: LeaderElection.Settings = LeaderElection.Settings()
        ) {
            self.inventory = inventory
            self.signersFile = signersFile
            self.node = node
            self.version = version
            self.unit = unit
            self.branch = branch
            self.pollInterval = pollInterval
            self.election = election
        }
    }

    package let configuration: Configuration
    package let api: any ClusterAPI
    package let clock: any AgentClock
    package let source: GitSource
    /// Counts the pushes that git hosts told of: each is a reason to look at every repository.
    private let pushes = Shared(0)
    package let manifests: any ManifestSource
    package let nodes: (any NodeReconciling)?
    package let journal: NodeJournal?
    /// Reaches the repositories of GitRepository objects.
    package let repositories: RepositoryFactory?
    /// Reaches the clusters that Kustomizations name by a kubeconfig.
    package let clusters: ClusterFactory?
    package let election: LeaderElection
    /// What this process knows of itself; `/healthz`, `/readyz` and `/metrics` are functions of it.
    package let monitor: Shared<AgentState>

    package init(
        configuration: Configuration, api: any ClusterAPI, repository: any RepositorySource, manifests: any ManifestSource,
        nodes: (any NodeReconciling)? = nil, journal: NodeJournal? = nil, repositories: RepositoryFactory? = nil,
        clusters: ClusterFactory? = nil, clock: any AgentClock = SystemClock(), log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.api = api
        self.clock = clock
        self.manifests = manifests
        self.nodes = nodes
        self.journal = journal
        self.repositories = repositories
        self.clusters = clusters
        source = GitSource(
            repository: repository, clock: clock, pollInterval: configuration.pollInterval, reference: configuration.branch)
        // The start is part of the identity: a restarted agent does not take its predecessor's lease for its own while that may be alive.
        let start = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        let identity = "\(configuration.node)_\(start)"
        election = LeaderElection(
            api: api, clock: clock, identity: identity, predecessors: configuration.isOnlyAgentHere ? "\(configuration.node)_" : nil,
            settings: configuration.election, log: log)
        monitor = Shared(
            AgentState(node: configuration.node, version: configuration.version, identity: identity, startedAt: clock.timestamp))
    }

    /// Runs until the task is cancelled; then stops what is under way at the next request and gives the Lease back.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await source.run() }
            group.addTask { await announcements.run() }
            group.addTask { await observe() }
            group.addTask { await election.run { await lead() } }
            if let journal {
                group.addTask { await JournalPublication(journal: journal, api: api, clock: clock).run() }
                group.addTask { await journal.followSwitch() }
                group.addTask { await journal.followOperators() }
            }
            await group.waitForAll()
        }
    }

    private var announcements: PushAnnouncements { PushAnnouncements(api: api, clock: clock, source: source, pushes: pushes) }

    /// A git host says that there was a push. The agent that leads may be another.
    package func hearOfPush() async throws {
        source.wake()
        pushes.update { $0 += 1 }
        try await announcements.tell()
    }

    /// The answer to a webhook that is meant for one of Flux' Receivers; nil when it is not.
    package func answer(toReceiver request: HTTPRequest) async -> Webhook.Answer? {
        await ReceiverHook(api: api, clock: clock).answer(to: request)
    }

    private func lead() async {
        let events = EventRecorder(api: api, clock: clock, node: configuration.node)
        let status = StatusWriter(api: api)
        let context = UnitContext(
            api: api, clock: clock, manifests: manifests, events: events, status: status, monitor: monitor, clusters: clusters)
        let units = UnitSupervisor(
            root: configuration.unit, context: context,
            own: UnitSupervisor.OwnSource(source: source, url: repositoryURL, branch: configuration.branch), factory: repositories,
            pushes: pushes, answersWebhooks: configuration.answersWebhooks)
        // What was taken until now may be anybody's; nothing is done by it.
        await source.awaitTrust()
        source.wake()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await events.run() }
            group.addTask { await units.run() }
            if let nodes {
                let approvals = NodeApprovals(api: api, clock: clock)
                let loop = NodesLoop(
                    nodes: nodes, source: source, status: status, approvals: approvals,
                    machines: MachineWriter(api: api, clock: clock, events: events, journal: journal),
                    trust: InventoryTrust(
                        repository: source.repository, api: api, inventory: configuration.inventory,
                        signersFile: configuration.signersFile),
                    journal: journal, clock: clock, monitor: monitor,
                    handOver: { [election] in await election.standBack(for: .seconds(45)) })
                group.addTask { await approvals.follow() }
                group.addTask {
                    await awaitEndOfTrial()
                    await loop.run()
                }
            }
            await group.waitForAll()
        }
        await source.trustAnybody()
    }

    private func awaitEndOfTrial() async {
        while !Task.isCancelled, configuration.trialFiles.contains(where: Files.exists) { try? await clock.sleep(for: .seconds(1)) }
    }

    /// A GitRepository's URL has a scheme; a directory on this server is reached from elsewhere over SSH.
    private var repositoryURL: String {
        let url = source.repository.url
        return url.hasPrefix("/") ? "ssh://\(configuration.node)\(url)" : url
    }

    /// Carries what the other parts know into the monitor.
    private func observe() async {
        let bell = Bell()
        journal?.changes.attach(bell)
        source.state.attach(bell)
        source.lastContact.attach(bell)
        election.isLeading.attach(bell)
        election.leader.attach(bell)
        while !Task.isCancelled {
            let (state, contact) = (source.state.value, source.lastContact.value)
            let (isLeading, leader) = (election.isLeading.value, election.leader.value)
            let steps = journal?.counts ?? [:]
            monitor.update { monitor in
                monitor.source = state
                monitor.lastContact = contact
                monitor.isLeading = isLeading
                monitor.leader = leader
                monitor.nodeSteps = steps
            }
            await bell.wait()
        }
    }
}
