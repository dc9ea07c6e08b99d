internal import Cryptography
internal import Diagnostics
internal import FileSystem
package import NodeInventory
package import NodePlanning

/// An archive of k3s' images on this machine.
package struct LocalImages: Hashable, Sendable {
    package let path: String
    package let archive: ImageArchive
}

extension BinaryStore {
    /// The archive of images beside the binary in the inventory's folder, `k3s-airgap-images-<arch>.tar` or compressed; nil when there
    /// is none, or where k3s does not come from a folder.
    /// - Throws: `FileError`, `CryptographyError`.
    package static func images(_ spec: K3sSpec, architecture: Architecture, folderBase: String) throws -> LocalImages? {
        guard case .folder(let name) = spec.source else { return nil }
        let folder = folder(name, base: folderBase)
        for ending in spec.source.imageEndings {
            let path = "\(folder)/\(architecture.imagesAsset(ending))"
            guard Files.exists(path) else { continue }
            let sums = "\(folder)/\(sumsName(architecture))"
            let listed = Files.exists(sums) ? ReleaseSums(text: try Files.readText(sums, limit: 1 << 20))[Files.baseName(path)] : nil
            return LocalImages(path: path, archive: ImageArchive(sha256: try listed ?? SHA256.hex(ofFile: path), ending: ending))
        }
        return nil
    }

    /// Which archive of images machines are to have where the inventory says `airgap`: the pinned one, or the source's own. Downloads no
    /// archive, so that a plan needs none.
    /// - Parameter own: what the acting server has of the wanted release: as good as what nothing pins, and at hand without a network.
    /// - Throws: `Diagnostic`, `FileError`, `CryptographyError`; `CancellationError`.
    package func imageArchive(
        _ spec: K3sSpec, architecture: Architecture, folderBase: String, own: LocalImages?
    ) async throws -> ImageArchive {
        if let pinned = spec.pinnedImages(architecture) { return ImageArchive(sha256: pinned.sha256, ending: pinned.ending) }
        switch Self.origin(spec, folderBase) {
        case .folder(let folder):
            if let images = try Self.images(spec, architecture: architecture, folderBase: folderBase) ?? own { return images.archive }
            throw Self.missingImages(in: folder, spec, architecture)
        case .web(let base):
            if let own { return own.archive }
            let asset = ReleaseAsset.images(spec, architecture, ending: Self.webEnding)
            return ImageArchive(sha256: try await webSum(base, asset, spec, architecture), ending: Self.webEnding)
        }
    }

    /// The archive itself where the inventory says `airgap`, verified: from its folder, or by way of the cache as the binary.
    /// - Parameter progress: bytes downloaded, and the whole or 0 when the server does not say.
    /// - Throws: `Diagnostic`, `FileError`, `CryptographyError`; `CancellationError`.
    package func airgapImages(
        _ spec: K3sSpec, architecture: Architecture, folderBase: String,
        progress: @escaping @Sendable (Int64, Int64) -> Void = { _, _ in }
    ) async throws -> LocalImages {
        switch Self.origin(spec, folderBase) {
        case .folder(let folder):
            let images = try Self.wantedImages(in: folder, spec, architecture, folderBase)
            let asset = ReleaseAsset.images(spec, architecture, ending: images.archive.ending)
            try verify(images.path, from: images.path, expected: images.archive.sha256, asset)
            return images
        case .web(let base):
            let asset = ReleaseAsset.images(spec, architecture, ending: Self.webEnding)
            let file = try await fromWeb(base, asset, spec, architecture, progress: progress)
            return LocalImages(path: file.path, archive: ImageArchive(sha256: file.sha256, ending: Self.webEnding))
        }
    }

    private static let webEnding = ".tar.zst"

    /// The pinned archive of a folder, where one is pinned no other; not verified yet.
    private static func wantedImages(
        in folder: String, _ spec: K3sSpec, _ architecture: Architecture, _ folderBase: String
    ) throws -> LocalImages {
        var found: LocalImages?
        if let pinned = spec.pinnedImages(architecture) {
            let path = "\(folder)/\(architecture.imagesAsset(pinned.ending))"
            let archive = ImageArchive(sha256: pinned.sha256, ending: pinned.ending)
            if Files.exists(path) { found = LocalImages(path: path, archive: archive) }
        } else {
            found = try images(spec, architecture: architecture, folderBase: folderBase)
        }
        guard let found else { throw missingImages(in: folder, spec, architecture) }
        return found
    }

    private static func missingImages(in folder: String, _ spec: K3sSpec, _ architecture: Architecture) -> Diagnostic {
        let pinned = spec.pinnedImages(architecture)
        let others = pinned == nil ? " (with .tar or .tar.gz at its end will do)" : ", the pinned one,"
        return Diagnostic(
            .error, "there is no archive of k3s' images for \(architecture.rawValue) in the folder the inventory names",
            subject: "\(folder)/\(architecture.imagesAsset(pinned?.ending ?? spec.source.imageEndings[0]))",
            remedy: "Put this file of release \(spec.version)\(others) there, or leave `k3s.airgap` out of the inventory.")
    }

    /// The archive that homelab put into k3s' folder of images on this machine; nil when there is none, or not the one its name says.
    /// - Throws: `FileError`, `CryptographyError`.
    static func installedImages(in folder: String) throws -> LocalImages? {
        guard Files.isDirectory(folder) else { return nil }
        for name in try Files.list(folder) where name.hasPrefix("homelab-") {
            guard let point = name.firstIndex(of: ".") else { continue }
            let sha256 = try SHA256.hex(ofFile: folder + "/" + name)
            let archive = ImageArchive(sha256: sha256, ending: String(name[point...]))
            if NodeLayout.images(sha256: sha256, ending: archive.ending).hasSuffix("/" + name) {
                return LocalImages(path: folder + "/" + name, archive: archive)
            }
        }
        return nil
    }
}
