package import Diagnostics
package import KubernetesModel
package import Kustomize

/// Makes manifests of a commit's files.
package protocol ManifestSource: Sendable {
    /// - Parameters:
    ///   - path: the directory of the unit, `clusters/home`.
    ///   - overlay: what the unit lays over it.
    ///   - decryption: for the files that SOPS encrypted.
    /// - Throws: everything that is wrong with the files, each with its place.
    func build(
        _ files: GitFileTree, at path: String, overlay: FluxOverlay?, decryption: FileDecryption
    ) async throws(Diagnostics) -> BuiltManifests
}

/// What a build made, and the paths it depends on.
package struct BuiltManifests: Sendable {
    package var manifests: [Manifest]
    package var inputs: Set<String>

    package init(manifests: [Manifest], inputs: Set<String>) {
        self.manifests = manifests
        self.inputs = inputs
    }
}
