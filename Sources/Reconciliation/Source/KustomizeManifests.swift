package import Diagnostics
import KubernetesModel
package import Kustomize

/// Renders a directory of a commit: with its kustomization.yaml, or all its YAML files when it has none.
package struct KustomizeManifests: ManifestSource {
    private let remotes: RemoteCommits?

    /// - Parameter remotes: what is named by URL; nil where that is not allowed.
    package init(remotes: RemoteCommits? = nil) { self.remotes = remotes }

    package var asksOthers: Bool { remotes != nil }

    package func isCurrent(_ followed: [RemoteName: RemoteCommit]) async throws -> Bool {
        for (name, commit) in followed where try await remotes?.commit(at: name) != commit { return false }
        return true
    }

    package func build(
        _ files: GitFileTree, at path: String, overlay: FluxOverlay?, decryption: FileDecryption
    ) async throws(Diagnostics) -> BuiltManifests {
        do throws(FileTreeError) {
            guard try files.resolve(path)?.isDirectory == true else { throw FileTreeError("") }
        } catch {
            let remedy = "add it, or correct the path of the unit"
            throw Diagnostics([
                Diagnostic(
                    .error, "the commit has no directory \(path)", cause: error.reason.isEmpty ? nil : error.reason, remedy: remedy)
            ])
        }
        var options = BuildOptions(generatesMissingKustomization: true)
        options.loadRestriction = .none
        options.overlay = overlay
        options.remotePermission = "set agent.allowRemoteBases: true in the inventory and run homelab bootstrap"
        let clear = DecryptingFileTree(files, decryption)
        let build = KustomizeBuild(files: clear, options: options)
        do throws(Diagnostics) {
            let result: BuildResult
            if let remotes { result = try await build.result(path, from: remotes) } else { result = try build.result(path) }
            return BuiltManifests(
                manifests: try decryption.opened(result.manifests), inputs: result.inputs, followed: result.followed, secrecy: clear.secrecy
            )
        } catch {
            throw clear.secrecy.masked(error)
        }
    }
}
