package import ArgumentParser
import Diagnostics
import Glibc
import HTTPNetworking
import NodeInventory
import NodePlanning
import Provisioning

/// `homelab bootstrap`: from the inventory to a running cluster, and what is missing of it on every further run.
package struct Bootstrap: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "bootstrap",
        abstract: "Make the machines of the inventory a cluster: show the plan, ask, do it.",
        discussion: """
            Looks at all machines first and tells every problem at once. Can be stopped at any time: running it again goes on from there. \
            With nothing to do it changes nothing.
            """)

    @OptionGroup var arguments: BootstrapArguments

    @Flag(help: "Carry the plan out without asking.")
    var yes = false

    @Option(name: .customLong("plan"), help: "Carry out only the plan with this hash, as homelab plan printed it.")
    var planHash: String?

    @Option(name: .shortAndLong, help: "text, or json: one object a line for all that happens; asks nothing (--yes or --plan).")
    var output = OutputFormat.text

    package init() {}

    package func run() async throws {
        guard output == .json else { return try await carryOut() }
        do {
            try await carryOut()
        } catch let status as ExitCode {
            throw status
        } catch {
            // Whatever stops a run, also before it begins, is told to whom reads events.
            EventJSON(console: .standard).show(error: error)
            throw ExitCode(error is CancellationError ? 130 : 1)
        }
    }

    private func carryOut() async throws {
        if let planHash, planHash.count < 8 {
            throw Diagnostic(
                .error, "--plan takes at least 8 digits of a plan's hash, not \(planHash)", remedy: "`homelab plan` prints twelve of them")
        }
        let (path, spec) = try await arguments.inventory.load()
        let console = Console.standard
        let user = Operator(console: console)
        let view = ProgressView(console: console)
        let (events, feed) = AsyncStream<ProvisioningEvent>.makeStream()
        let json = output == .json ? EventJSON(console: console) : nil
        let drawing = Task {
            for await event in events { if let json { json.show(event) } else { await view.show(event) } }
        }
        let transport = try AsyncHTTPTransport()
        if json == nil { console.line("Looking at \(spec.nodes.count) machine(s) of \(path)") }
        let bootstrapper = try await Bootstrapper(
            spec: spec, options: arguments.options(path: path, spec: spec),
            interaction: BootstrapInteraction(
                events: { feed.yield($0) }, prompt: user.prompt, confirmHostKey: user.confirmHostKey,
                confirmPlan: { plan, findings in
                    guard let json else { return await confirms(plan, findings, console) }
                    json.show(plan: plan, findings: findings)
                    if let refusal = refusal(of: plan, asks: false) {
                        json.show(refusal: refusal)
                        return false
                    }
                    return plan.isEmpty || planHash != nil || yes
                }),
            transport: transport)
        let outcome: Result<BootstrapReport, any Error>
        do { outcome = .success(try await bootstrapper.run()) } catch { outcome = .failure(error) }
        feed.finish()
        await drawing.value
        await view.finish()
        await transport.shutdown()
        let report = try outcome.get()
        guard let json else { return try tell(report, spec, console) }
        json.show(report: report)
        if !report.succeeded { throw ExitCode(report.execution?.wasStopped == true ? 130 : 1) }
    }

    /// Shows the plan; yes when it is empty, was approved by hash or by flag, or the operator says so.
    private func confirms(_ plan: NodePlan, _ findings: Diagnostics, _ console: Console) async -> Bool {
        for finding in findings.sorted { console.problem(finding.description) }
        console.line(PlanView(console: console).text(plan))
        if plan.isEmpty { return true }
        if let refusal = refusal(of: plan, asks: isatty(0) == 1) {
            console.problem(refusal.description)
            return false
        }
        if planHash != nil || yes { return true }
        return await console.asks("Carry this out?")
    }

    /// Why a plan is not carried out: another hash was given, or none and nobody can be asked; nil when it is, or is asked about.
    private func refusal(of plan: NodePlan, asks: Bool) -> Diagnostic? {
        if plan.isEmpty { return nil }
        guard let planHash else {
            if asks || yes { return nil }
            return Diagnostic(
                .error, "nobody can be asked whether to carry this out", subject: "cluster \"\(plan.cluster)\"",
                remedy: "run it on a terminal, or with --plan \(plan.hash.prefix(12)), or with --yes for whatever the plan is")
        }
        if plan.hash.hasPrefix(planHash) { return nil }
        return Diagnostic(
            .error, "the plan is now \(plan.hash.prefix(12)), not \(planHash.prefix(12))", subject: "cluster \"\(plan.cluster)\"",
            cause: "the inventory, the machines or the chosen nodes are others than when it was looked at",
            remedy: "look at the plan above, then give its hash")
    }

    private func tell(_ report: BootstrapReport, _ spec: ClusterSpec, _ console: Console) throws {
        for failure in report.execution?.failures ?? [] { console.problem(failure.description) }
        for note in report.execution?.skipped ?? [] { console.problem("skipped: \(note.node.map { $0 + ": " } ?? "")\(note.text)") }
        if report.execution != nil {
            for finding in report.findings.sorted where finding.severity == .error { console.problem(finding.description) }
            for finding in report.afterwards.sorted { console.problem(finding.description) }
        }
        // The first server's own repository has let the others' keys in already.
        let keys = spec.repository.url == nil ? [:] : report.execution?.deployKeys ?? [:]
        for (node, key) in keys.sorted(by: { $0.key < $1.key }) {
            console.line("Deploy key of \(node), to be registered (read only) with the git host:\n  \(key)")
        }
        if report.execution?.wasStopped == true {
            console.problem("Stopped. Running the same command again goes on from here.")
            throw ExitCode(130)
        }
        guard report.succeeded else {
            if report.wasDeclined { console.problem("Nothing was changed.") }
            if let logs = report.logs, report.execution != nil { console.problem("What was done on each node is in \(logs)") }
            throw ExitCode(1)
        }
        if let kubeconfig = report.kubeconfig { console.line("kubeconfig: \(kubeconfig)") }
        if let earlier = report.earlierKubeconfig { console.problem(KubeconfigCommand.replaced(spec.name, earlier)) }
        guard report.execution != nil else { return }
        if spec.repository.url == nil, let url = spec.repositoryURL {
            console.line(
                """
                The first server holds the repository. Push to it, and what is pushed runs:
                  git remote add cluster \(url)
                  git push cluster \(spec.repository.branch)
                """)
        }
    }
}
