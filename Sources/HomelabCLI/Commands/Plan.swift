package import ArgumentParser
import Diagnostics
import FileSystem
import Glibc
import HTTPNetworking
import KubernetesClient
import KubernetesModel
import NodePlanning
import Provisioning
import Reconciliation
import YAML

/// `homelab plan`: what bootstrap would do, and why.
package struct Plan: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show what would change on each node and why; changes nothing.",
        discussion: "Exit status 0: nothing is to be done, 2: there are changes, 1: an error, or the inventory asks for what is not done.")

    @OptionGroup var arguments: BootstrapArguments

    @Flag(help: "Show instead what the acting agent has still to do by the pushed inventory, and what each change waits for.")
    var live = false

    @Option(help: "With --live: the kubeconfig's context; its current one when it is not given.")
    var context: String?

    @Option(name: .shortAndLong, help: "text or json.")
    var output = OutputFormat.text

    package init() {}

    package func validate() throws {
        if context != nil, !live { throw ValidationError("--context goes with --live only") }
        guard live else { return }
        let given = [
            ("--only", !arguments.only.isEmpty), ("--inventory", arguments.inventory.inventory != nil),
            ("--agent-binary", !arguments.agentBinaries.isEmpty),
        ]
        let idle = given.filter { $0.1 }.map { $0.0 }
        guard idle.isEmpty else {
            throw ValidationError(
                "--live shows what the acting agent does by the pushed inventory: leave \(idle.joined(separator: " and ")) out")
        }
    }

    package func run() async throws {
        if live { return try await showLive() }
        let (path, spec) = try await arguments.inventory.load()
        let user = Operator(console: .standard)
        let transport = try AsyncHTTPTransport()
        let bootstrapper = try await Bootstrapper(
            spec: spec, options: arguments.options(path: path, spec: spec),
            interaction: BootstrapInteraction(events: user.waits, prompt: user.prompt, confirmHostKey: user.confirmHostKey),
            transport: transport)
        let observation = try await bootstrapper.observe()
        await observation.nodes.close()
        await transport.shutdown()
        for finding in observation.findings.sorted { Console.standard.problem(finding.description) }
        switch output {
        case .json:
            var value = observation.plan.json
            value["findings"] = .array(observation.findings.sorted.map(\.json))
            Console.standard.line(JSONWriter.text(value, pretty: true))
        case .text: Console.standard.line(PlanView(console: .standard).text(observation.plan))
        }
        if observation.findings.hasErrors || observation.plan.refusals(of: Set(arguments.only)).hasErrors { throw ExitCode(1) }
        if !observation.plan.isEmpty { throw ExitCode(2) }
    }

    private func showLive() async throws {
        let kubeconfig = arguments.kubeconfig.map { ["--kubeconfig", $0] } ?? []
        let cluster = try ClusterOption.parse(kubeconfig + (context.map { ["--context", $0] } ?? []))
        let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")
        let found = try await cluster.withCluster { api in
            try await api.get(kind, namespace: HomelabNamespace.name, name: NodesReport.configMapName)
        }
        guard let report = found.flatMap({ NodesReport(of: $0) }) else {
            throw Diagnostic(.error, "no agent has looked at the nodes yet", remedy: "`homelab status` says whether one acts")
        }
        switch output {
        case .json: Console.standard.line(JSONWriter.text(report.json, pretty: true))
        case .text:
            Console.standard.line("commit \(report.revision.prefix(12))" + (report.changes.isEmpty ? ": nothing to do" : ""))
            for line in PendingPlanView(console: .standard).lines(report).drop(while: \.isEmpty) { Console.standard.line(line) }
        }
        for error in report.errors { Console.standard.problem(error.description) }
        if report.errors.contains(where: { $0.severity == .error }) { throw ExitCode(1) }
        if !report.changes.isEmpty { throw ExitCode(2) }
    }
}
