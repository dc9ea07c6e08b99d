package import ArgumentParser
import Diagnostics
import HTTPNetworking
import NodeInventory
import NodePlanning
import Provisioning
import YAML

/// `homelab preflight`: every check of the machines, of the ways between them and of the cluster.
package struct PreflightCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "preflight",
        abstract: "Check every machine, the ways between them and the cluster; changes nothing.",
        discussion: """
            Tells all problems of all machines at once. To try the ways between the machines, this program listens and asks on each of them; \
            where it is not installed its file is put into /tmp meanwhile. Exit status 0: nothing is in the way, 1: something is.
            """)

    @OptionGroup var arguments: BootstrapArguments

    @Flag(help: "Leave the probes between the machines out.")
    var skipReach = false

    @Option(name: .shortAndLong, help: "text or json.")
    var output = OutputFormat.text

    package init() {}

    package func run() async throws {
        let (path, spec) = try await arguments.inventory.load()
        let console = Console.standard
        let user = Operator(console: console)
        let transport = try AsyncHTTPTransport()
        let bootstrapper = try await Bootstrapper(
            spec: spec, options: arguments.options(path: path, spec: spec),
            interaction: BootstrapInteraction(events: user.waits, prompt: user.prompt, confirmHostKey: user.confirmHostKey),
            transport: transport)
        let outcome: Result<PreflightReport, any Error>
        do { outcome = .success(try await bootstrapper.preflight(triesWays: !skipReach)) } catch { outcome = .failure(error) }
        await transport.shutdown()
        let report = try outcome.get()
        let view = PreflightView(console: console, spec: spec, report: report)
        switch output {
        case .json: console.line(JSONWriter.text(view.json, pretty: true))
        case .text: console.raw(view.text)
        }
        if report.findings.hasErrors { throw ExitCode(1) }
    }
}

/// How a command prints its result.
package enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable { case text, json }
