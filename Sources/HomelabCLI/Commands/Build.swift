package import ArgumentParser
import Diagnostics
import Glibc
import KubernetesModel
import Kustomize
import Reconciliation

/// `homelab build`: renders a directory as `kustomize build` does.
package struct Build: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "build",
        abstract: "Print what a directory renders to, as kustomize build does, or what a unit in it would apply.",
        discussion: "No program is ever run, and without --allow-remote nothing is fetched. Secrets stay encrypted.")

    @Argument(help: "The directory with the kustomization.")
    var directory = "."

    @Option(help: "LoadRestrictionsRootOnly, or LoadRestrictionsNone: files may lie outside of their kustomization's directory.")
    var loadRestrictor = "LoadRestrictionsRootOnly"

    @Option(help: "legacy: kustomize's order of kinds; none: the order of the input.")
    var reorder = "legacy"

    @Flag(help: "Take all YAML files of a directory without a kustomization, as the agent does.")
    var generate = false

    @Flag(help: "Fetch what is named by URL, which has to be pinned to a commit; kept in the cache folder.")
    var allowRemote = false

    @Option(help: "A unit that the directory makes, NAME or NAMESPACE/NAME; from the root of the repository.")
    var unit: String?

    package init() {}

    package func validate() throws {
        if unit != nil, allowRemote || generate { throw ValidationError("--unit goes with neither --generate nor --allow-remote") }
        guard ["LoadRestrictionsRootOnly", "LoadRestrictionsNone"].contains(loadRestrictor) else {
            throw ValidationError("--load-restrictor is LoadRestrictionsRootOnly or LoadRestrictionsNone, not \(loadRestrictor)")
        }
        guard ["legacy", "none"].contains(reorder) else { throw ValidationError("--reorder is legacy or none, not \(reorder)") }
    }

    package func run() async throws {
        if let unit { return try printUnit(unit) }
        guard allowRemote else { return try Self.print(ClusterTree.render(directory, options)) }
        let (build, path) = try ClusterTree.build(directory, options)
        try Self.print(await build.result(path, from: try RemoteBases.source()))
    }

    /// With what the unit lays over its directory, and the variables that the files have.
    private func printUnit(_ name: String) throws {
        let units = try ClusterTree(directory: directory).units()
        let found = try units.unit(named: name)
        for problem in found.problems.sorted where problem.severity != .error { Console.standard.problem(problem.description) }
        try found.problems.throwIfErrors()
        guard let manifests = found.manifests else {
            throw Diagnostic(
                .error, "its files are not in this repository", subject: found.object.key.description, at: found.object.origin,
                remedy: "run this in the repository that spec.sourceRef names")
        }
        KustomizeBuild.write(manifests) { Console.standard.raw($0) }
    }

    private var options: BuildOptions {
        BuildOptions(
            loadRestriction: loadRestrictor == "LoadRestrictionsNone" ? .none : .rootOnly, order: reorder == "none" ? .none : .legacy,
            generatesMissingKustomization: generate)
    }

    static func print(_ result: BuildResult) {
        for warning in result.warnings.sorted { Console.standard.problem(warning.description) }
        KustomizeBuild.write(result.manifests) { Console.standard.raw($0) }
    }
}
