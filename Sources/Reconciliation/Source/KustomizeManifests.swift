package import Diagnostics
import KubernetesModel
package import Kustomize

/// Renders a directory of a commit: with its kustomization.yaml, or all its YAML files when it has none.
package struct KustomizeManifests: ManifestSource {
    package init() {}

    package func build(
        _ files: GitFileTree, at path: String, overlay: FluxOverlay?, decryption: FileDecryption
    ) async throws(Diagnostics) -> BuiltManifests {
        guard files.hasDirectory(path) else {
            throw Diagnostics([
                Diagnostic(.error, "the commit has no directory \(path)", remedy: "add it, or correct the path of the unit")
            ])
        }
        var options = BuildOptions(generatesMissingKustomization: true)
        options.loadRestriction = .none
        options.overlay = overlay
        let result = try KustomizeBuild(files: DecryptingFileTree(files, decryption), options: options).result(path)
        return BuiltManifests(manifests: try decryption.opened(result.manifests), inputs: result.inputs)
    }
}
