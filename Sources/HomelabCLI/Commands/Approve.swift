package import ArgumentParser
import Diagnostics
import FileSystem
import KubernetesClient
import KubernetesModel
import Reconciliation

/// `homelab approve`: lets the agent carry out the plan that waits for it, or try a frozen one again.
package struct Approve: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Approve the plan for the nodes that the agent shows, or let it try a frozen one again.",
        discussion:
            "`homelab status` shows the plan and its hash. The approval holds until the changes are made or the inventory asks for others.")

    @OptionGroup var cluster: ClusterOption

    @Argument(help: "The plan's hash, or its first eight characters or more.")
    var hash: String

    package init() {}

    package func validate() throws {
        guard hash.count >= 8, hash.allSatisfy(\.isHexDigit) else { throw ValidationError("a hash is eight or more hexadecimal digits") }
    }

    package func run() async throws {
        try await cluster.withCluster { api in
            let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")
            let written = try await api.get(kind, namespace: HomelabNamespace.name, name: NodesReport.configMapName)
            guard let report = written.flatMap({ NodesReport(of: $0) }), !report.changes.isEmpty else {
                throw Diagnostic(.error, "no plan waits for approval", remedy: "`homelab status` shows what the agent does")
            }
            guard report.planHash.hasPrefix(hash.lowercased()) else {
                throw Diagnostic(
                    .error, "the plan that waits is \(report.planHash.prefix(12)), not \(hash.prefix(12))",
                    remedy: "look at it again with `homelab status`: the inventory or the machines have changed")
            }
            let by = "\(Files.environment("USER") ?? "somebody"), \(SystemClock().timestamp)"
            try await NodeApprovals.give(report.planHash, by: by, in: api)
            Console.standard.line("approved \(report.planHash.prefix(12)):")
            for change in report.changes { Console.standard.line("  \(change.summary)") }
        }
    }
}
