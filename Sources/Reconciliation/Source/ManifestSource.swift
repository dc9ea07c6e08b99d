package import Diagnostics
package import Git
package import KubernetesModel

/// Makes manifests of a commit's files.
package protocol ManifestSource: Sendable {
    /// - Parameter path: the directory of the unit, `clusters/home`.
    /// - Throws: everything that is wrong with the files, each with its place.
    func manifests(of tree: GitTree, at path: String) async throws(Diagnostics) -> [Manifest]
}
