package import ArgumentParser
import Diagnostics
import Glibc
import Kustomize

/// `homelab build`: renders a directory as `kustomize build` does.
package struct Build: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "build",
        abstract: "Print what a directory renders to, as kustomize build does.",
        discussion: "No program is ever run, and without --allow-remote nothing is fetched.")

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

    package init() {}

    package func validate() throws {
        guard ["LoadRestrictionsRootOnly", "LoadRestrictionsNone"].contains(loadRestrictor) else {
            throw ValidationError("--load-restrictor is LoadRestrictionsRootOnly or LoadRestrictionsNone, not \(loadRestrictor)")
        }
        guard ["legacy", "none"].contains(reorder) else { throw ValidationError("--reorder is legacy or none, not \(reorder)") }
    }

    package func run() async throws {
        guard allowRemote else { return try Self.print(ClusterTree.render(directory, options)) }
        let (build, path) = try ClusterTree.build(directory, options)
        try Self.print(await build.result(path, from: try RemoteBases.source()))
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
