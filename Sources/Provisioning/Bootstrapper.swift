package import Diagnostics
internal import Glibc
package import HTTP
package import NodeInventory
package import NodePlanning
internal import Synchronization

/// What a run is told by its caller.
package struct BootstrapOptions: Sendable {
    /// The inventory file's directory: relative names in it start here.
    package var inventoryDirectory: String
    /// This program's binaries for the servers' architectures.
    package var homelabBinaries: [Architecture: String] = [:]
    /// Downloads are kept here.
    package var cacheDirectory: String
    /// The nodes' log files of each run go to a folder in here; nil keeps none.
    package var logDirectory: String?
    /// Snapshots from before an upgrade are brought to a folder in here; nil leaves them on their node.
    package var backupDirectory: String?
    /// Where the kubeconfig is written (0600); nil: it is not fetched.
    package var kubeconfig: String?
    /// Put the cluster's entries into an existing kubeconfig instead of replacing the file.
    package var mergesKubeconfig = false
    /// Work only on these nodes; empty means all.
    package var only: Set<String> = []
    /// Only start what holds the cluster's data, for a cluster whose API does not answer: what else differs is no matter.
    package var recovers = false
    /// Whom another run is told to wait for.
    package var owner: String
    /// Keeps what was done, on the servers.
    package var journal: (any RunJournal)?
    package var limits = WaitLimits()

    package init(inventoryDirectory: String, cacheDirectory: String, owner: String) {
        self.inventoryDirectory = inventoryDirectory
        self.cacheDirectory = cacheDirectory
        self.owner = owner
    }
}

/// The person (or nobody) in front of a run.
package struct BootstrapInteraction: Sendable {
    /// Gets everything that happens, as it happens.
    package var events: @Sendable (ProvisioningEvent) -> Void
    /// Answers a question without echo; nil where nobody can be asked.
    package var prompt: SecretSource.Prompt?
    /// Decides about an unknown host key; nil where nobody can be asked.
    package var confirmHostKey: SSHConnector.HostKeyConfirmation?
    /// Shows the plan with the preflight's warnings and says whether it is to be carried out.
    package var confirmPlan: @Sendable (NodePlan, Diagnostics) async -> Bool

    package init(
        events: @escaping @Sendable (ProvisioningEvent) -> Void, prompt: SecretSource.Prompt? = nil,
        confirmHostKey: SSHConnector.HostKeyConfirmation? = nil,
        confirmPlan: @escaping @Sendable (NodePlan, Diagnostics) async -> Bool = { _, _ in true }
    ) {
        self.events = events
        self.prompt = prompt
        self.confirmHostKey = confirmHostKey
        self.confirmPlan = confirmPlan
    }
}

/// What came of a run, for the last lines the operator reads.
package struct BootstrapReport: Sendable {
    package var plan: NodePlan
    /// nil: the operator said no, or there was nothing to do.
    package var execution: ExecutionReport?
    /// Preflight's warnings, which were shown with the plan, and what went wrong beside the plan.
    package var findings = Diagnostics()
    /// What the look after the run found.
    package var afterwards = Diagnostics()
    /// Where the kubeconfig was written.
    package var kubeconfig: String?
    /// A copy of the file from before, when it had entries of this name that led to another cluster.
    package var earlierKubeconfig: String?
    /// The folder with the nodes' log files.
    package var logs: String?
    package var wasDeclined = false

    package var succeeded: Bool { (execution?.succeeded ?? true) && !findings.hasErrors && !afterwards.hasErrors && !wasDeclined }
}

/// From an inventory to a running cluster: look, check, plan, ask, carry out, look again.
///
/// Everything is observed afresh, so a second run continues what a first one left, and does nothing where nothing is left to do.
package struct Bootstrapper: Sendable {
    let spec: ClusterSpec
    let options: BootstrapOptions
    let interaction: BootstrapInteraction
    let recorder: RunRecorder
    let secrets: SecretSource
    let connector: SSHConnector
    let observer: ProvisioningObserver
    let artifacts: Artifacts

    /// - Parameter transport: downloads k3s; nil where only folders are used.
    /// - Throws: `Diagnostics` about the given binaries, `Diagnostic` about `~/.ssh/config`, `FileError` about the log folder.
    package init(
        spec: ClusterSpec, options: BootstrapOptions, interaction: BootstrapInteraction, transport: (any HTTPTransport)?
    ) throws {
        self.spec = spec
        self.options = options
        self.interaction = interaction
        let recorder = try RunRecorder(
            folder: options.logDirectory.map { RunLogs.begin(in: $0, cluster: spec.name) },
            forward: { event in
                options.journal?.record(event)
                interaction.events(event)
            })
        self.recorder = recorder
        secrets = SecretSource(base: options.inventoryDirectory, prompt: interaction.prompt, onFetched: { recorder.conceal($0) })
        connector = try SSHConnector(trust: .person(confirm: interaction.confirmHostKey), secrets: secrets)
        artifacts = Artifacts(
            store: BinaryStore(cache: options.cacheDirectory, transport: transport), spec: spec.k3s,
            folderBase: options.inventoryDirectory, homelab: try Artifacts.homelabBinaries(options.homelabBinaries), agent: spec.agent)
        var observer = ProvisioningObserver(spec: spec, artifacts: artifacts, secrets: secrets, recorder: recorder)
        observer.kubeconfig = options.kubeconfig.map { KubeconfigFile(path: $0) }
        observer.only = options.only
        self.observer = observer
    }

    /// Looks and plans, and changes nothing. The connections stay open: close them with `observation.nodes.close()`.
    package func observe() async throws -> ProvisioningObservation {
        try await withNotes(
            observer.observe { [connector, recorder] node in
                let host = connector.host(for: node)
                let slow = ProvisioningEvent.stepDetail(node: node.name, step: ProvisioningEvent.gatherFacts, text: "does not answer yet")
                try await recorder.tellingSlowness(slow) { try await host.connect() }
                return host
            })
    }

    /// With what connecting told, and what concerns the time of the run.
    private func withNotes(_ looked: ProvisioningObservation) -> ProvisioningObservation {
        var observation = looked
        observation.findings.append(contentsOf: connector.notes(on: spec.nodes))
        // Agents log in from a server to every other machine.
        let reached = spec.nodes.filter { node in node.state != .absent && spec.servers.contains { $0.name != node.name } }
        observation.findings.append(contentsOf: connector.findings(on: reached))
        if spec.endpoint == nil, let server = spec.servers.first, !reached.contains(where: { $0.name == server.name }) {
            observation.findings.append(contentsOf: connector.findings(onTheOnlyServer: server))
        }
        if let finding = observation.outsideOfWindows(spec, now: Int64(time(nil))) { observation.findings.append(finding) }
        observation.findings = aboutChosen(observation.findings)
        return observation
    }

    /// What is wrong with a machine that was not chosen is no matter of this run.
    private func aboutChosen(_ findings: Diagnostics) -> Diagnostics {
        if options.only.isEmpty { return findings }
        let others = Set(spec.nodes.map(\.name)).subtracting(options.only).map { "node \"\($0)\"" }
        return Diagnostics(findings.all.filter { !others.contains($0.subject ?? "") })
    }

    /// The whole run.
    /// - Throws: `Diagnostics` when the preflight forbids to begin or nodes are locked; `CancellationError` when it was stopped before
    ///   anything was changed. Later failures are in the report.
    package func run() async throws -> BootstrapReport {
        let observation = try await observe()
        do {
            var settled = observation
            if !options.recovers, !observation.findings.hasErrors {
                settled = try await self.settled(observation, within: options.limits.api / 3) { $0.awaitedAPI(spec) }
            }
            let report = try await run(settled)
            await observation.nodes.close()
            return report
        } catch {
            await shielded { await observation.nodes.close() }
            throw error
        }
    }

    /// Asks, carries out and looks again.
    /// - Parameter rounds: how often a plan may be begun with that turns out to be another one once its machines are locked.
    func run(_ observation: ProvisioningObservation, rounds: Int = 5) async throws -> BootstrapReport {
        let findings = observation.findings
        try findings.throwIfErrors()
        var report = BootstrapReport(plan: observation.plan)
        report.findings = findings
        report.logs = recorder.folder
        guard await interaction.confirmPlan(observation.plan, findings) else {
            // Ctrl-C is an answer too.
            try Task.checkCancellation()
            report.wasDeclined = true
            return report
        }
        if observation.plan.isEmpty {
            report.afterwards = observation.plan.refusals(of: options.only)
            return report
        }
        let files = Mutex(try await artifacts.fetch(for: observation.plan, recorder: recorder))
        var executor = PlanExecutor(
            cluster: spec.name, servers: Set(spec.servers.map(\.name)), hosts: observation.nodes.hosts,
            files: { artifact in try files.withLock { $0 }.path(of: artifact) },
            secrets: { [secrets] reference, question in try secrets.secret(reference, question: question, subject: question) },
            recorder: recorder, lockOwner: options.owner)
        executor.limits = options.limits
        executor.backups = options.backupDirectory
        executor.leaseServers = observation.leaseServers(spec)
        let remaining = spec.servers.filter { $0.state == .present }.compactMap { observation.nodes.hosts[$0.name] }
        let execution: ExecutionReport
        let plan = Mutex(observation.plan)
        do {
            execution = try await executor.execute(observation.plan) {
                if let now = try await replan(observation) {
                    plan.withLock { $0 = now }
                    let fetched = try await artifacts.fetch(for: now, recorder: recorder)
                    files.withLock { $0 = fetched }
                }
                // The second look is none of the plan's steps.
                let plan = plan.withLock { $0 }
                options.journal?.begin(plan: plan.hash, servers: remaining)
                return plan
            }
        } catch is PlanDeclined {
            report.wasDeclined = true
            return report
        } catch let grown as PlanOutgrown where rounds > 1 {
            return try await run(grown.observation, rounds: rounds - 1)
        } catch {
            _ = await options.journal?.end()
            throw error
        }
        report.plan = plan.withLock { $0 }
        report.findings.append(contentsOf: Diagnostics(await options.journal?.end() ?? []))
        report.execution = execution
        try keepKubeconfig(execution, &report)
        if execution.succeeded, !options.recovers {
            let looked = try await observer.observeAgain(observation.nodes.hosts)
            let after = try await settled(looked, within: options.limits.api) { $0.comingBack(spec) }
            report.afterwards = after.plan.findings(after: report.plan, of: options.only, logs: recorder.folder)
        }
        return report
    }

    private struct PlanDeclined: Error {}

    /// There is something to do on machines now that are not locked: everything begins with this look.
    private struct PlanOutgrown: Error, CustomStringConvertible {
        var observation: ProvisioningObservation
        var description: String { "what is to be done changes again and again; run again when the machines have come to rest" }
    }

    /// What is to be done now that nobody else changes anything: another run may have, since the plan was made and while it was read.
    /// - Returns: the new plan once it is confirmed like the first; nil while the first holds. What changes the same things is not asked
    ///   about again, and that of the two is taken which waits for more.
    private func replan(_ before: ProvisioningObservation) async throws -> NodePlan? {
        // A recovery starts what is down, by a plan of its own.
        if options.recovers { return nil }
        var now = try await observer.observeAgain(before.nodes.hosts)
        now.findings = aboutChosen(now.findings)
        let isLocked = Set(now.plan.involvedNodes).isSubset(of: before.plan.involvedNodes)
        if now.plan.hash == before.plan.hash { return isLocked && now.plan.stepCount > before.plan.stepCount ? now.plan : nil }
        try now.findings.throwIfErrors()
        now.findings.append(
            Diagnostic(
                .warning, "what is to be done is not what it was when the plan was made: this is the plan now",
                subject: "cluster \"\(spec.name)\"", remedy: "another run, or the agent, was at work meanwhile, or a machine went or came"))
        guard isLocked else { throw PlanOutgrown(observation: now) }
        guard await interaction.confirmPlan(now.plan, now.findings) else {
            try Task.checkCancellation()
            throw PlanDeclined()
        }
        return now.plan
    }

    /// A cluster without its kubeconfig is of no use, so it is kept even when a later step failed.
    private func keepKubeconfig(_ execution: ExecutionReport, _ report: inout BootstrapReport) throws {
        guard let kubeconfig = execution.kubeconfig, let path = options.kubeconfig else { return }
        let file = KubeconfigFile(path: path)
        do {
            report.earlierKubeconfig = try file.write(kubeconfig, merging: options.mergesKubeconfig)
            report.kubeconfig = path
        } catch {
            report.findings.append(file.problem(error))
        }
    }

    /// What is there once there is no more unrest, or it takes too long: looks again, ever more rarely.
    /// - Parameter unrest: what is said of it.
    private func settled(
        _ observation: ProvisioningObservation, within limit: Duration, _ unrest: (ProvisioningObservation) -> [ProvisioningEvent]
    ) async throws -> ProvisioningObservation {
        let deadline = ContinuousClock.now + limit
        var (latest, pause) = (observation, options.limits.poll * 4)
        while .now < deadline {
            let events = unrest(latest)
            if events.isEmpty { break }
            for event in events { recorder.emit(event) }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(20))
            latest = withNotes(try await observer.observeAgain(observation.nodes.hosts))
        }
        return latest
    }
}
