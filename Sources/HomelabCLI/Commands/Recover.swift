package import ArgumentParser
import Diagnostics
import HTTPNetworking
import NodeInventory
import NodePlanning
import Provisioning

/// `homelab recover`: for a cluster whose API does not answer, when no agent does anything on the nodes.
package struct Recover: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "recover", abstract: "Start the stopped servers of a cluster whose API does not answer, and say what else it takes.",
        discussion: "Starts nothing but servers that hold the cluster's data already, and changes nothing else. Looks first, shows, asks.")

    @OptionGroup var arguments: BootstrapArguments

    @Flag(help: "Start them without asking.")
    var yes = false

    package init() {}

    package func run() async throws {
        let (path, spec) = try arguments.inventory.load()
        let console = Console.standard
        let user = Operator(console: console)
        let transport = try AsyncHTTPTransport()
        var options = try await arguments.options(path: path, spec: spec)
        options.kubeconfig = nil
        options.recovers = true
        let bootstrapper = try Bootstrapper(
            spec: spec, options: options,
            interaction: BootstrapInteraction(
                events: { event in
                    if case .stepProgress = event { return }
                    console.line(event.description)
                }, prompt: user.prompt, confirmHostKey: user.confirmHostKey,
                confirmPlan: { plan, _ in
                    console.line(PlanView(console: console).text(plan))
                    return plan.isEmpty || yes || console.confirms("Start them?")
                }),
            transport: transport)
        do {
            let report = try await bootstrapper.run()
            await transport.shutdown()
            try tell(report, console)
        } catch {
            await transport.shutdown()
            throw error
        }
    }

    private func tell(_ report: BootstrapReport, _ console: Console) throws {
        for failure in report.execution?.failures ?? [] { console.problem(failure.description) }
        for finding in report.findings.sorted { console.problem(finding.description) }
        if report.wasDeclined { console.problem("Nothing was changed.") }
        if report.plan.isEmpty, report.findings.all.isEmpty { console.line("Every server that holds the cluster's data runs.") }
        if report.execution?.succeeded == true { console.line("The servers run again; the agents go on by themselves.") }
        if report.wasDeclined || report.execution?.succeeded == false || !report.findings.all.isEmpty { throw ExitCode(1) }
    }
}
