package import ArgumentParser
import Diagnostics
import HTTPNetworking
import KubernetesModel
import NodeInventory
import NodePlanning
import Provisioning
import Synchronization

/// `homelab recover`: for a cluster whose API does not answer, when no agent does anything on the nodes.
package struct Recover: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "recover", abstract: "Start the stopped servers of a cluster whose API does not answer, and say what else it takes.",
        discussion: """
            Looks first, says which servers answer and how many more are needed, and waits for those. Starts nothing but servers that hold \
            the cluster's data already, after it has shown that and asked, and changes nothing else. \
            Exit status 0: the API answers again, 1: it does not, and what to do was said.
            """)

    @OptionGroup var arguments: BootstrapArguments

    @Flag(help: "Start them without asking.")
    var yes = false

    @Option(help: "How long to wait for servers that do not answer, 90s or 10m; 0s: only look.")
    var wait = "5m"

    package init() {}

    package func validate() throws { _ = try patience }

    private var patience: Duration {
        get throws {
            guard let patience = Duration(goText: wait) else {
                throw ValidationError("--wait is a duration such as 90s or 10m, not \(wait)")
            }
            return patience
        }
    }

    package func run() async throws {
        let patience = try patience
        let (path, spec) = try await arguments.inventory.load()
        let console = Console.standard
        let user = Operator(console: console)
        let transport = try AsyncHTTPTransport()
        var options = try await arguments.options(path: path, spec: spec)
        options.kubeconfig = nil
        options.recovers = true
        do {
            let report = try await ProgressView.following(console) { [options, yes] steps in
                let view = RecoveryView(console: console, steps: steps)
                let bootstrapper = try Bootstrapper(
                    spec: spec, options: options,
                    interaction: BootstrapInteraction(
                        events: view.show, prompt: user.prompt, confirmHostKey: user.confirmHostKey,
                        confirmPlan: { plan, _ in
                            console.line(PlanView(console: console).text(plan))
                            if plan.isEmpty || yes { return true }
                            return await console.asks("Start them?")
                        }),
                    transport: transport)
                return try await bootstrapper.recover(within: patience, look: view.show)
            }
            await transport.shutdown()
            try tell(report, console)
        } catch {
            await transport.shutdown()
            throw error
        }
    }

    private func tell(_ report: RecoveryReport, _ console: Console) throws {
        for failure in report.run?.execution?.failures ?? [] { console.problem(failure.description) }
        for finding in report.findings.sorted { console.problem(finding.description) }
        if report.run?.wasDeclined == true { console.problem("Nothing was changed.") }
        guard report.isRecovered else { throw ExitCode(report.run?.execution?.wasStopped == true ? 130 : 1) }
        console.line("The cluster's API answers again; the agents go on by themselves.")
    }
}

/// Shows a recovery as it goes: the first look at each machine, what the looks found whenever that changes, and what is waited for; then
/// the steps, as those of a bootstrap.
private final class RecoveryView: Sendable {
    private struct State {
        var standing: [String] = []
        var toldAt: ContinuousClock.Instant?
    }

    private let console: Console
    private let steps: @Sendable (ProvisioningEvent) -> Void
    private let state = Mutex(State())

    init(console: Console, steps: @escaping @Sendable (ProvisioningEvent) -> Void) {
        self.console = console
        self.steps = steps
    }

    @Sendable func show(_ event: ProvisioningEvent) {
        guard event.isLook else { return steps(event) }
        // Looking again and again is told as a wait.
        if state.withLock({ $0.toldAt == nil }) { console.line(event.description) }
    }

    @Sendable func show(_ recovery: ClusterRecovery, left: Duration) {
        let isNews = state.withLock { state in
            let isNews = state.standing != recovery.standing
            guard isNews || state.toldAt.map({ .now - $0 >= .seconds(15) }) ?? true else { return nil as Bool? }
            state.standing = recovery.standing
            state.toldAt = .now
            return isNews
        }
        guard let isNews else { return }
        if isNews {
            console.line("The cluster's API does not answer.")
            for line in recovery.standing { console.line("  " + line) }
        }
        let startsNow = recovery.missing == 0 && !recovery.plan.isEmpty
        if !startsNow, left > .zero { console.line("waiting for \(recovery.awaited), for \(left.inSeconds) at most (--wait)") }
    }
}
