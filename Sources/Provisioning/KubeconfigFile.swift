internal import Diagnostics
internal import FileSystem

/// The operator's kubeconfig file: readable by nobody else, written in one step.
package struct KubeconfigFile: Sendable {
    package let path: String

    package init(path: String) { self.path = Files.expandingHome(path) }

    /// Whether the file holds an entry of this cluster: of the one with this CA, when it is known.
    package func holds(cluster: String, certificateAuthority: String?) -> Bool {
        guard let bytes = try? Files.read(path, limit: 16 << 20), let config = try? Kubeconfig(bytes: bytes, file: path) else {
            return false
        }
        return config.holds(cluster: cluster, certificateAuthority: certificateAuthority)
    }

    /// - Parameter merging: keep what an existing file holds of other clusters; otherwise the file is replaced.
    /// - Throws: `YAMLError` when an existing file to merge into cannot be read (it is left as it is), `FileError`.
    package func write(_ kubeconfig: Kubeconfig, merging: Bool) throws {
        var result = kubeconfig
        if merging, Files.exists(path) {
            result = try Kubeconfig(bytes: try Files.read(path, limit: 16 << 20), file: path).merging(kubeconfig)
        }
        try Files.makeDirectory(Files.directoryName(path), mode: 0o700)
        try Files.write(result.text, to: path, mode: 0o600)
    }
}
