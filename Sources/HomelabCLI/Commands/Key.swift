package import ArgumentParser
import Diagnostics
import KubernetesModel
import Reconciliation

/// `homelab key`: what a new machine must let in.
package struct Key: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Print the public keys of the cluster's agents, for authorized_keys of machines that are to join by git.")

    @OptionGroup var cluster: ClusterOption

    package init() {}

    package func run() async throws {
        let keys = try await cluster.withCluster { try await AgentKeys.published(in: $0) }
        guard !keys.isEmpty else {
            throw Diagnostic(
                .error, "no agent has published a key yet",
                remedy: "`homelab bootstrap` installs the agents; `homelab status` says whether one acts")
        }
        for key in keys { Console.standard.line(key) }
    }
}
