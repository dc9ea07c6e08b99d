package import ArgumentParser
import FileSystem
import HTTPNetworking
import NodeInventory
import Reconciliation

/// `homelab node-change`: what the agent of an only server starts beside itself to change that server.
package struct NodeChangeCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "node-change", abstract: "Change the server this runs on as its agent has asked; run by the agent.",
        shouldDisplay: false)

    @Option(help: "The agent's configuration.")
    var config = "/etc/homelab/agent.yaml"

    package init() {}

    package func run() async throws {
        let configuration = try AgentConfiguration.decode(Files.readText(config), file: config)
        let console = Console.standard
        let transport = try AsyncHTTPTransport()
        try await OwnNodeChange(configuration: configuration).carryOut(transport: transport) { console.line($0) }
        await transport.shutdown()
    }
}
