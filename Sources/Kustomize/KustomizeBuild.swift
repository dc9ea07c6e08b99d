package import Diagnostics
package import KubernetesModel
import YAML

/// Renders directories as `kustomize build` does.
///
/// The rules are those of kustomize 5; where its versions differ, 5.5's. No program is ever run, nothing is written, and nothing
/// outside the file tree is read but through a `RemoteSource`.
package struct KustomizeBuild {
    let files: any FileTree
    let options: BuildOptions

    package init(files: some FileTree, options: BuildOptions = BuildOptions()) {
        self.files = files
        self.options = options
    }

    /// The objects of a directory, in output order. Throws everything that is wrong with it, each finding with its file and line.
    package func build(_ directory: String) throws(Diagnostics) -> [Manifest] { try result(directory).manifests }

    /// The objects with where they come from, what changed them, and what the build read.
    package func result(_ directory: String) throws(Diagnostics) -> BuildResult {
        try BuildRun(files: files, options: options).result(directory)
    }

    /// Writes manifests as `kustomize build` prints them, piece by piece.
    package static func write(_ manifests: [Manifest], to output: ([UInt8]) -> Void) {
        YAMLWriter.write(manifests.lazy.map(\.value), to: output)
    }
}
