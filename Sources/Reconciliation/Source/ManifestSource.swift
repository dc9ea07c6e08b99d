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
    /// Whether a build may ask other hosts, and so may succeed later though nothing has changed here.
    var asksOthers: Bool { get }
    /// Whether a branch or tag elsewhere is still at what was built.
    func isCurrent(_ followed: [RemoteName: RemoteCommit]) async throws -> Bool
}

/// What a build made, and the paths it depends on.
package struct BuiltManifests: Sendable {
    package var manifests: [Manifest]
    package var inputs: Set<String>
    /// The branches and tags elsewhere that are in it.
    package var followed: [RemoteName: RemoteCommit]
    /// What was encrypted in the files.
    package var secrecy: Secrecy

    package init(
        manifests: [Manifest], inputs: Set<String>, followed: [RemoteName: RemoteCommit] = [:], secrecy: Secrecy = Secrecy()
    ) {
        self.manifests = manifests
        self.inputs = inputs
        self.followed = followed
        self.secrecy = secrecy
    }
}
