package import Diagnostics
internal import FileSystem
internal import YAML

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
    /// - Returns: where the earlier file was kept, when entries of this name led to another cluster: whoever has no other copy of them would
    ///   be locked out of it.
    /// - Throws: `YAMLError` and `Diagnostic` when an existing file to merge into cannot be read or is none (it is left as it is), `FileError`.
    @discardableResult
    package func write(_ kubeconfig: Kubeconfig, merging: Bool) throws -> String? {
        let target = try target
        var result = kubeconfig
        var earlier: String?
        if merging, Files.exists(target) {
            let bytes = try Files.read(target, limit: 16 << 20)
            let existing = try existing(bytes)
            result = existing.merging(kubeconfig)
            if existing.leadsElsewhere(than: kubeconfig) {
                let copy = "\(target).before-\(RunRecorder.folderName())"
                try Files.write(bytes, to: copy, mode: 0o600)
                earlier = copy
            }
        }
        try Files.makeDirectory(Files.directoryName(target), mode: 0o700)
        try Files.write(result.text, to: target, mode: 0o600)
        return earlier
    }

    /// What an operator reads when the file could not be written.
    package func problem(_ error: any Error) -> Diagnostic {
        if let known = error as? Diagnostic { return known }
        return Diagnostic(
            .error, "the kubeconfig cannot be kept", subject: path, cause: "\(error)",
            remedy: "put the file right, or name another one: `homelab kubeconfig --merge --kubeconfig FILE`")
    }

    /// The file behind links, which stay links; it need not be there.
    private var target: String {
        get throws {
            var place = path
            for _ in 0..<40 {
                guard try Files.statusIfPresent(place, followLinks: false)?.kind == .symbolicLink else { return place }
                let next = try Files.linkTarget(place)
                place = next.hasPrefix("/") ? next : Files.directoryName(place) + "/" + next
            }
            throw FileError(path: path, operation: "follow", reason: "the link leads back to itself")
        }
    }

    /// A file of another kind is left alone: what merging does not know of would be lost.
    private func existing(_ bytes: [UInt8]) throws -> Kubeconfig {
        let documents = try YAMLReader.values(bytes: bytes, file: path)
        let first = documents.first ?? .null
        var complaint: String?
        if documents.count > 1 {
            complaint = "it holds \(documents.count) documents"
        } else if first != .null, first.object == nil {
            complaint = "it is a list or a text, not a mapping"
        } else if let kind = first["kind"]?.string, kind != "Config" {
            complaint = "it is of the kind \(kind)"
        } else {
            for list in ["clusters", "users", "contexts"] {
                guard let value = first[list], value != .null, value.array == nil else { continue }
                complaint = "`\(list)` is no list"
            }
        }
        if let complaint {
            throw Diagnostic(
                .error, "it is no kubeconfig that could be merged into, and stays as it is", subject: path, cause: complaint,
                remedy: "name another file: `homelab kubeconfig --merge --kubeconfig FILE`")
        }
        return Kubeconfig(first)
    }
}
