package import ArgumentParser
import Diagnostics
import Glibc
import HTTPNetworking
import NodePlanning
import Provisioning
import YAML

/// `homelab plan`: what bootstrap would do, and why.
package struct Plan: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show what would change on each node and why; changes nothing.",
        discussion: "Exit status 0: nothing is to be done, 2: there are changes, 1: an error.")

    @OptionGroup var arguments: BootstrapArguments

    @Option(name: .shortAndLong, help: "text or json.")
    var output = OutputFormat.text

    package init() {}

    package func run() async throws {
        let (path, spec) = try arguments.inventory.load()
        let user = Operator(console: .standard)
        let transport = try AsyncHTTPTransport()
        let bootstrapper = try Bootstrapper(
            spec: spec, options: arguments.options(path: path, spec: spec),
            interaction: BootstrapInteraction(events: { _ in }, prompt: user.prompt, confirmHostKey: user.confirmHostKey),
            transport: transport)
        let observation = try await bootstrapper.observe()
        await observation.nodes.close()
        await transport.shutdown()
        for finding in observation.findings.sorted { Console.standard.problem(finding.description) }
        switch output {
        case .json: Console.standard.line(JSONWriter.text(observation.plan.json, pretty: true))
        case .text: Console.standard.line(PlanView(console: .standard).text(observation.plan))
        }
        if observation.findings.hasErrors { throw ExitCode(1) }
        if !observation.plan.isEmpty { throw ExitCode(2) }
    }
}
