package import ArgumentParser
import Diagnostics
import KubernetesModel
import Reconciliation
import YAML

/// `homelab get`: units and sources, one a line.
package struct Get: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "List units (Kustomizations) or sources (GitRepositories).",
        discussion: "Exit status 1 with --ready false when there is one that is not ready.")

    package enum Kind: String, ExpressibleByArgument, CaseIterable, Sendable { case units, sources }

    @OptionGroup var cluster: ClusterOption

    @Argument(help: "units or sources.")
    var kind = Kind.units

    @Option(name: .shortAndLong, help: "text, wide, json or yaml.")
    var output = UnitFormat.text

    @Option(help: "Only those whose Ready condition is true or false.")
    var ready: Bool?

    package init() {}

    package func run() async throws {
        let catalog = try await cluster.withCluster { try await UnitCatalog(of: $0) }
        let all = kind == .units ? catalog.units : catalog.sources
        let shown = all.filter { object in ready.map { $0 == (object.readiness.status == "True") } ?? true }
        switch output {
        case .json: Console.standard.line(JSONWriter.text(.array(shown.map(\.value)), pretty: true))
        case .yaml: Console.standard.raw(YAMLWriter.text(documents: shown.map(\.value)))
        case .text, .wide: Console.standard.line(table(shown).text)
        }
        if ready == false, !shown.isEmpty { throw ExitCode(1) }
    }

    private func table(_ objects: [Manifest]) -> Table {
        let wide = output == .wide ? (kind == .units ? ["PATH", "SOURCE"] : ["URL"]) : []
        var table = Table(header: ["NAMESPACE", "NAME", "READY", "SUSPENDED", "REVISION"] + wide + ["MESSAGE"])
        let console = Console.standard
        for object in objects {
            let (status, _, message) = object.readiness
            let revision = kind == .units ? object.appliedRevision : object.value[path: "status", "artifact", "revision"]?.string ?? ""
            let spec = KustomizationSpec(of: object)
            let more = output == .wide ? (kind == .units ? [spec.path, spec.source.description] : [GitRepositorySpec(of: object).url]) : []
            table.append(
                [
                    object.namespace, object.name, console.styled(status, status == "True" ? .green : .yellow),
                    object.isSuspended ? "yes" : "no", Self.short(revision),
                ] + more + [message])
        }
        return table
    }

    /// `main@sha1:0123456789ab`.
    static func short(_ revision: String) -> String {
        guard let colon = revision.lastIndex(of: ":") else { return revision }
        return String(revision[...colon]) + revision[revision.index(after: colon)...].prefix(12)
    }
}

package enum UnitFormat: String, ExpressibleByArgument, CaseIterable, Sendable { case text, wide, json, yaml }
