package import ArgumentParser
import Diagnostics
import KubernetesModel
import Reconciliation

/// `homelab get`: units and sources, one a line.
package struct Get: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "List units (Kustomizations) or sources (GitRepositories).",
        discussion: "Exit status 1 with --ready false when there is one that is not ready.")

    package enum Kind: String, ExpressibleByArgument, CaseIterable, Sendable { case units, sources }

    @OptionGroup var cluster: ClusterOption
    @OptionGroup var result: ResultOptions

    @Argument(help: "units or sources.")
    var kind = Kind.units

    @Option(help: "Only those whose Ready condition is true or false.")
    var ready: Bool?

    package init() {}

    package func run() async throws {
        let list = try await result.show(of: cluster, following: ResultOptions.Followed.units) { api in
            let catalog = try await UnitCatalog(of: api)
            let all = kind == .units ? catalog.units : catalog.sources
            return UnitList(
                kind: kind, objects: all.filter { object in ready.map { $0 == (object.readiness.status == "True") } ?? true })
        }
        if ready == false, !list.objects.isEmpty { throw ExitCode(1) }
    }
}
