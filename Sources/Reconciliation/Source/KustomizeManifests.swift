package import Diagnostics
package import Git
package import KubernetesModel
import Kustomize

/// Renders a directory of a commit: with its kustomization.yaml, or all its YAML files when it has none.
package struct KustomizeManifests: ManifestSource {
    package init() {}

    package func manifests(of tree: GitTree, at path: String) async throws(Diagnostics) -> [Manifest] {
        let files = GitFileTree(tree)
        guard files.hasDirectory(path) else {
            throw Diagnostics([
                Diagnostic(
                    .error, "the commit has no directory \(path)", remedy: "add it, or correct `path:` in the agent's configuration")
            ])
        }
        var options = BuildOptions(generatesMissingKustomization: true)
        options.loadRestriction = .none
        return try KustomizeBuild(files: files, options: options).build(path)
    }
}
