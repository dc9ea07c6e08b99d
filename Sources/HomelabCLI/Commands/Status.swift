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
    @OptionGroup var result: ResultOptions

    @Flag(help: "Only answer, by one line and the exit status, whether everything is as git says and healthy.")
    var healthy = false

    package init() {}

    package func validate() throws {
        if healthy, result.watch { throw ValidationError("--healthy answers once; it does not go with --watch") }
    }

    package func run() async throws {
        guard healthy else {
            let reports = ResultOptions.Followed(
                kind: GroupVersionKind(group: "", version: "v1", kind: "ConfigMap"), namespace: HomelabNamespace.name,
                labelSelector: StatusReport.label)
            try await result.show(of: cluster, following: ResultOptions.Followed.units + [.all("Node"), reports]) {
                try await ClusterSnapshot(of: $0)
            }
            return
        }
        let answer = HealthAnswer(complaint: try await cluster.withCluster { try await ClusterSnapshot(of: $0) }.complaint)
        Console.standard.raw(result.text(answer, .standard, isFirst: true))
        if !answer.isHealthy { throw ExitCode(1) }
    }
}

/// What `homelab status --healthy` answers.
struct HealthAnswer: CommandResult {
    /// The first thing that is not well; empty when all is.
    let complaint: String

    var isHealthy: Bool { complaint.isEmpty }

    func text(_ console: Console, isWide: Bool) -> String { isHealthy ? "healthy" : complaint }

    var value: Value { isHealthy ? ["healthy": true] : ["healthy": false, "reason": .string(complaint)] }
}
