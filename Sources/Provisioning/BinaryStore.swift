internal import Cryptography
internal import Diagnostics
internal import FileSystem
package import HTTP
package import NodeInventory

/// A binary on this machine, verified.
package struct LocalBinary: Hashable, Sendable {
    package let path: String
    /// 64 lower-case digits.
    package let sha256: String

    package init(path: String, sha256: String) {
        self.path = path
        self.sha256 = sha256
    }
}

/// Where the k3s binary comes from: a folder, a mirror or the release page, by way of the user's cache, and never unverified.
///
/// The reference is the inventory's pin when there is one, else the `sha256sum-<arch>.txt` that every k3s release has. A pin that the
/// file does not match is an error, never a reason to look elsewhere.
package struct BinaryStore: Sendable {
    package static let releasePage = "https://github.com/k3s-io/k3s/releases/download"

    let cache: String
    let downloader: (any HTTPTransport)?

    /// - Parameters:
    ///   - cache: a folder of the user, made when missing (`~/.cache/homelab`).
    ///   - transport: nil where nothing may be downloaded; only folders work then.
    package init(cache: String, transport: (any HTTPTransport)?) {
        self.cache = cache
        downloader = transport
    }

    /// What the k3s binary's sha256 has to be: the pin, or what the release's own list says. Needs no binary, so that a run with nothing
    /// to do downloads nothing.
    /// - Throws: `Diagnostic`; `CancellationError`.
    /// - Parameter isFresh: ask the source even when its list is in the cache.
    package func expectedSHA256(
        _ spec: K3sSpec, architecture: Architecture, folderBase: String, isFresh: Bool = false
    ) async throws -> String {
        if let pin = spec.sha256[architecture] { return pin }
        switch spec.source {
        case .folder(let folder): return try folderSum(Self.folder(folder, base: folderBase), spec, architecture)
        case .mirror(let base): return try await webSum(base, spec, architecture, isFresh: isFresh)
        case .release: return try await webSum(Self.releasePage, spec, architecture, isFresh: isFresh)
        }
    }

    /// The k3s binary for an architecture, verified.
    /// - Parameters:
    ///   - folderBase: what a relative `folder` of the inventory is relative to: the inventory file's directory.
    ///   - progress: bytes downloaded, and the whole or 0 when the server does not say.
    /// - Throws: `Diagnostic`; `CancellationError`.
    package func k3s(
        _ spec: K3sSpec, architecture: Architecture, folderBase: String,
        progress: @escaping @Sendable (Int64, Int64) -> Void = { _, _ in }
    ) async throws -> LocalBinary {
        switch spec.source {
        case .folder(let folder):
            return try fromFolder(Self.folder(folder, base: folderBase), spec, architecture)
        case .mirror(let base):
            return try await fromWeb(base, spec, architecture, progress: progress)
        case .release:
            return try await fromWeb(Self.releasePage, spec, architecture, progress: progress)
        }
    }

    private func fromFolder(_ folder: String, _ spec: K3sSpec, _ architecture: Architecture) throws -> LocalBinary {
        let path = folder + "/" + architecture.k3sAsset
        guard Files.exists(path) else {
            throw Diagnostic(
                .error, "there is no k3s binary for \(architecture.rawValue) in the folder the inventory names", subject: path,
                remedy: "Put the file `\(architecture.k3sAsset)` of release \(spec.version) there, or change `k3s.source`.")
        }
        let expected = try spec.sha256[architecture] ?? folderSum(folder, spec, architecture)
        try verify(path, from: path, expected: expected, pinned: spec.sha256[architecture] != nil)
        return LocalBinary(path: path, sha256: expected)
    }

    static func folder(_ folder: String, base: String) -> String {
        let expanded = Files.expandingHome(folder)
        return expanded.hasPrefix("/") ? expanded : base + "/" + expanded
    }

    private func folderSum(_ folder: String, _ spec: K3sSpec, _ architecture: Architecture) throws -> String {
        let sums = folder + "/" + Self.sumsName(architecture)
        guard Files.exists(sums), let sum = ReleaseSums(text: try Files.readText(sums, limit: 1 << 20))[architecture.k3sAsset] else {
            throw Diagnostic(
                .error, "nothing says what the k3s binary's sha256 should be", subject: folder + "/" + architecture.k3sAsset,
                remedy: "Put the \(Self.sumsName(architecture)) of release \(spec.version) beside it, or pin the hash (`homelab lock`).")
        }
        return sum
    }

    private func webSum(_ base: String, _ spec: K3sSpec, _ architecture: Architecture, isFresh: Bool = false) async throws -> String {
        let folder = folder(base, spec)
        try Files.makeDirectory(folder, mode: 0o755)
        return try await releaseSum(
            url: Self.url(base, spec), folder: folder, architecture: architecture, version: spec.version, isFresh: isFresh)
    }

    /// Each source has a folder of its own: what a mirror says is not believed of another.
    private func folder(_ base: String, _ spec: K3sSpec) -> String {
        "\(cache)/k3s/\(SHA256.hex(of: base).prefix(16))/\(spec.version)"
    }

    /// In a URL's path `+` is allowed, but release pages take it for a blank: it has to be %2B.
    private static func url(_ base: String, _ spec: K3sSpec) -> String {
        "\(base)/\(spec.version.description.replacing("+", with: "%2B"))"
    }

    private func fromWeb(
        _ base: String, _ spec: K3sSpec, _ architecture: Architecture, progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws -> LocalBinary {
        let folder = folder(base, spec)
        let path = "\(folder)/\(architecture.k3sAsset)"
        let expected: String
        if let pin = spec.sha256[architecture] {
            expected = pin
        } else {
            expected = try await webSum(base, spec, architecture)
        }
        try Files.makeDirectory(folder, mode: 0o755)
        if Files.exists(path), try SHA256.hex(ofFile: path) == expected { return LocalBinary(path: path, sha256: expected) }
        let part = path + ".part"
        let url = "\(Self.url(base, spec))/\(architecture.k3sAsset)"
        try await download(url, to: part, progress: progress)
        do {
            try verify(part, from: url, expected: expected, pinned: spec.sha256[architecture] != nil)
        } catch {
            try? Files.remove(part)
            throw error
        }
        try Files.move(part, to: path)
        return LocalBinary(path: path, sha256: expected)
    }

    /// - Parameter origin: the file or the URL that an error names.
    private func verify(_ path: String, from origin: String, expected: String, pinned: Bool) throws {
        let actual = try SHA256.hex(ofFile: path)
        guard actual == expected else {
            throw Diagnostic(
                .error, "the k3s binary is not the one that was expected", subject: origin,
                cause: "its sha256 is \(actual), \(pinned ? "the inventory pins" : "the release's list says") \(expected)",
                remedy: pinned
                    ? "If the version was changed on purpose, run `homelab lock`; otherwise do not use this file."
                    : "Fetch the file again; if it stays so, do not use it.")
        }
    }

    package static func sumsName(_ architecture: Architecture) -> String { "sha256sum-\(architecture.rawValue).txt" }
}
