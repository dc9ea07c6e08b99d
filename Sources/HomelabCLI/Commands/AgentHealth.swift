package import ArgumentParser
import Diagnostics
import HTTP
import HTTPNetworking
import NodePlanning
import Provisioning

/// `homelab agent-health`: asks the agent on this machine; bootstrap waits on it, on machines that may have no curl.
package struct AgentHealth: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "agent-health", abstract: "Ask the agent on this machine whether it is ready.", shouldDisplay: false)

    @Argument(help: "Where it listens.") var listen = "127.0.0.1:9797"
    @Option(help: "healthz, readyz or metrics.") var path = "readyz"

    package init() {}

    package func run() async throws {
        let client = try AsyncHTTPTransport()
        let url = "http://\(listen)/\(path)"
        do {
            let answer = try await client.send(HTTPRequest(url: url), timeout: .seconds(3))
            await client.shutdown()
            Console.standard.line(String(decoding: answer.body, as: UTF8.self))
            if answer.status != 200 { throw ExitCode(1) }
        } catch let error as HTTPError {
            await client.shutdown()
            throw Diagnostic(
                .error, "the agent does not answer", cause: error.description,
                remedy: "\(ServiceWords.here.status(NodeLayout.agentUnit)) says why")
        }
    }
}
