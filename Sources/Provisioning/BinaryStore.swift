internal import Cryptography
internal import Diagnostics
internal import FileSystem
package import HTTP
package import NodeInventory

/// A file that is installed on machines, here and verified.
package struct LocalBinary: Hashable, Sendable {
    package let path: String
    /// 64 lower-case digits.
    package let sha256: String

    package init(path: String, sha256: String) {
        self.path = path
        self.sha256 = sha256
    }
}

/// A file of a k3s release that is fetched: what it is called there and in messages, and what is pinned of it.
struct ReleaseAsset: Sendable {
    let name: String
    let noun: String
    /// 64 lower-case digits; nil when the release's own list is believed.
    let pin: String?
    /// What to do when that list does not name it.
    let remedyWhenUnlisted: String

    static func k3s(_ spec: K3sSpec, _ architecture: Architecture) -> ReleaseAsset {
        ReleaseAsset(
            name: architecture.k3sAsset, noun: "k3s binary", pin: spec.sha256[architecture],
            remedyWhenUnlisted: "Check that \(spec.version) exists, or pin the hash in the inventory.")
    }

    /// - Parameter ending: one of `K3sSource.imageEndings`.
    static func images(_ spec: K3sSpec, _ architecture: Architecture, ending: String) -> ReleaseAsset {
        let name = architecture.imagesAsset(ending)
        return ReleaseAsset(
            name: name, noun: "archive of k3s' images", pin: spec.imageSHA256[name],
            remedyWhenUnlisted: "Check that \(spec.version) exists and has it there, or leave `k3s.airgap` out of the inventory.")
    }
}

/// Where the k3s binary and the archive of its images come from: a folder, a mirror or the release page, by way of the user's cache, and
/// never unverified.
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
        let asset = ReleaseAsset.k3s(spec, architecture)
        if let pin = asset.pin { return pin }
        switch Self.origin(spec, folderBase) {
        case .folder(let folder): return try folderSum(folder, spec, architecture)
        case .web(let base): return try await webSum(base, asset, spec, architecture, isFresh: isFresh)
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
        switch Self.origin(spec, folderBase) {
        case .folder(let folder): try fromFolder(folder, spec, architecture)
        case .web(let base): try await fromWeb(base, .k3s(spec, architecture), spec, architecture, progress: progress)
        }
    }

    /// The folder with the files of a release, or the URL below which each release has its own.
    enum Origin { case folder(String), web(String) }

    static func origin(_ spec: K3sSpec, _ folderBase: String) -> Origin {
        switch spec.source {
        case .folder(let name): .folder(folder(name, base: folderBase))
        case .mirror(let base): .web(base)
        case .release: .web(releasePage)
        }
    }

    private func fromFolder(_ folder: String, _ spec: K3sSpec, _ architecture: Architecture) throws -> LocalBinary {
        let path = folder + "/" + architecture.k3sAsset
        guard Files.exists(path) else {
            throw Diagnostic(
                .error, "there is no k3s binary for \(architecture.rawValue) in the folder the inventory names", subject: path,
                remedy: "Put the file `\(architecture.k3sAsset)` of release \(spec.version) there, or change `k3s.source`.")
        }
        let asset = ReleaseAsset.k3s(spec, architecture)
        let expected = try asset.pin ?? folderSum(folder, spec, architecture)
        try verify(path, from: path, expected: expected, asset)
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

    func webSum(
        _ base: String, _ asset: ReleaseAsset, _ spec: K3sSpec, _ architecture: Architecture, isFresh: Bool = false
    ) async throws -> String {
        let folder = folder(base, spec)
        try Files.makeDirectory(folder, mode: 0o755)
        return try await releaseSum(of: asset, url: Self.url(base, spec), folder: folder, architecture: architecture, isFresh: isFresh)
    }

    /// Each source has a folder of its own: what a mirror says is not believed of another.
    private func folder(_ base: String, _ spec: K3sSpec) -> String {
        "\(cache)/k3s/\(SHA256.hex(of: base).prefix(16))/\(spec.version)"
    }

    /// In a URL's path `+` is allowed, but release pages take it for a blank: it has to be %2B.
    private static func url(_ base: String, _ spec: K3sSpec) -> String {
        "\(base)/\(spec.version.description.replacing("+", with: "%2B"))"
    }

    /// From the cache, or fetched into it: a file is there under its name only once it is whole and the expected one.
    func fromWeb(
        _ base: String, _ asset: ReleaseAsset, _ spec: K3sSpec, _ architecture: Architecture,
        progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws -> LocalBinary {
        let folder = folder(base, spec)
        let path = "\(folder)/\(asset.name)"
        let expected: String
        if let pin = asset.pin {
            expected = pin
        } else {
            expected = try await webSum(base, asset, spec, architecture)
        }
        try Files.makeDirectory(folder, mode: 0o755)
        if Files.exists(path), try SHA256.hex(ofFile: path) == expected { return LocalBinary(path: path, sha256: expected) }
        let part = path + ".part"
        let url = "\(Self.url(base, spec))/\(asset.name)"
        try await fetch(url, to: part, progress: progress) { try verify(part, from: url, expected: expected, asset) }
        try Files.move(part, to: path)
        return LocalBinary(path: path, sha256: expected)
    }

    /// - Parameter origin: the file or the URL that an error names.
    func verify(_ path: String, from origin: String, expected: String, _ asset: ReleaseAsset) throws {
        let actual = try SHA256.hex(ofFile: path)
        guard actual == expected else {
            throw Diagnostic(
                .error, "the \(asset.noun) is not the one that was expected", subject: origin,
                cause: "its sha256 is \(actual), \(asset.pin != nil ? "the inventory pins" : "the release's list says") \(expected)",
                remedy: asset.pin != nil
                    ? "If the version was changed on purpose, run `homelab lock`; otherwise do not use this file."
                    : "Fetch the file again; if it stays so, do not use it.")
        }
    }

    package static func sumsName(_ architecture: Architecture) -> String { "sha256sum-\(architecture.rawValue).txt" }
}
