package import ArgumentParser
import Diagnostics
import KubernetesModel
import Reconciliation
import YAML

/// `homelab status`: nodes and apps, from any machine with the kubeconfig.
package struct Status: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show nodes and apps with revision, health and reason.",
        discussion: "Exit status with --healthy 0: everything is as git says and healthy, 1: it is not.")

    @OptionGroup var cluster: ClusterOption

    @Option(name: .shortAndLong, help: "text or json.")
    var output = OutputFormat.text

    @Flag(help: "Only answer, by the exit status, whether everything is as git says and healthy.")
    var healthy = false

    package init() {}

    package func run() async throws {
        let snapshot = try await cluster.withCluster { try await ClusterSnapshot(of: $0) }
        if healthy {
            Console.standard.line(snapshot.isHealthy ? "healthy" : snapshot.complaint)
            if !snapshot.isHealthy { throw ExitCode(1) }
            return
        }
        switch output {
        case .json: Console.standard.line(JSONWriter.text(snapshot.json, pretty: true))
        case .text: Console.standard.line(StatusView(console: .standard).text(snapshot))
        }
    }
}
