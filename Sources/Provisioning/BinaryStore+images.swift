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
    /// is none, or where k3s does not come from a folder: the machines get their images from a registry then.
    /// - Throws: `FileError`, `CryptographyError`.
    package static func images(_ spec: K3sSpec, architecture: Architecture, folderBase: String) throws -> LocalImages? {
        guard case .folder(let name) = spec.source else { return nil }
        let folder = folder(name, base: folderBase)
        // What is quickest to unpack on the node comes first.
        for ending in [".tar.zst", ".tar", ".tar.gz"] {
            let path = "\(folder)/k3s-airgap-images-\(architecture.rawValue)\(ending)"
            guard Files.exists(path) else { continue }
            let sums = "\(folder)/\(sumsName(architecture))"
            let listed = Files.exists(sums) ? ReleaseSums(text: try Files.readText(sums, limit: 1 << 20))[Files.baseName(path)] : nil
            return LocalImages(path: path, archive: ImageArchive(sha256: try listed ?? SHA256.hex(ofFile: path), ending: ending))
        }
        return nil
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
