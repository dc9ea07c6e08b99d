import Cryptography
import Diagnostics
import KubernetesModel
import Kustomize
package import SOPS
import SyncPlanning
import YAML

/// What becomes of files that SOPS encrypted.
package enum FileDecryption: Sendable {
    /// Such a file is an error: applying it as it is would put nonsense into the cluster.
    case none
    case identities([AgeIdentity])

    /// The clear text of a file, or the file where there is nothing to do.
    func clear(_ bytes: [UInt8], _ path: String) throws(Diagnostics) -> [UInt8] {
        guard SOPSFile.isEncrypted(bytes), !Self.optsOut(String(decoding: bytes, as: UTF8.self)) else { return bytes }
        switch self {
        case .none:
            throw Diagnostics([
                Diagnostic(
                    .error, "the file is encrypted", at: SourceLocation(file: path, line: 1),
                    cause: "the unit's Kustomization has no spec.decryption",
                    remedy: "add `decryption: {provider: sops, secretRef: {name: …}}` to it")
            ])
        case .identities(let identities): return try SOPSFile(bytes, path: path).decrypted(with: identities)
        }
    }

    /// Whether an encrypted file says that it is to stay so, quoted or not, in YAML or JSON.
    private static func optsOut(_ text: String) -> Bool {
        text.split(whereSeparator: \.isNewline).contains { line in
            ObjectMarks.prefixes.contains { prefix in
                guard let mark = line.firstRange(of: prefix + "decrypt") else { return false }
                let value = line[mark.upperBound...].drop { $0 == "\"" || $0 == "'" || $0 == ":" || $0 == " " }
                return value.hasPrefix("disabled")
            }
        }
    }

    private static func optsOut(_ manifest: Manifest) -> Bool {
        ObjectMarks.prefixes.contains { manifest.annotation($0 + "decrypt")?.lowercased() == "disabled" }
    }

    /// The values of Secrets that are encrypted files themselves.
    func opened(_ manifests: [Manifest]) throws(Diagnostics) -> [Manifest] {
        var problems = Diagnostics()
        let result = manifests.map { manifest in
            guard manifest.kind == "Secret", !Self.optsOut(manifest), let data = manifest.value["data"]?.object else { return manifest }
            var clear = data
            clear.changeValues { name, value in
                guard let bytes = value.string.flatMap({ Base64.decode($0) }), SOPSFile.isEncrypted(bytes) else { return }
                do throws(Diagnostics) {
                    value = .string(Base64.encode(try self.clear(bytes, name == ".dockerconfigjson" ? "config.json" : name)))
                } catch {
                    problems.append(contentsOf: error)
                }
            }
            var changed = manifest
            changed.value["data"] = .object(clear)
            return changed
        }
        try problems.throwIfErrors()
        return result
    }
}

/// A commit's files in clear text. Each encrypted file is decrypted as a whole and checked before anything is made of it; the clear text is
/// nowhere but in memory.
struct DecryptingFileTree: FileTree {
    private let files: any FileTree
    private let decryption: FileDecryption

    init(_ files: any FileTree, _ decryption: FileDecryption) {
        self.files = files
        self.decryption = decryption
    }

    func resolve(_ path: String) throws(FileTreeError) -> TreeEntry? { try files.resolve(path) }
    func entries(_ path: String) throws(FileTreeError) -> [String] { try files.entries(path) }

    func read(_ path: String, limit: Int) throws(FileTreeError) -> [UInt8] {
        let bytes = try files.read(path, limit: limit)
        do throws(Diagnostics) {
            return try decryption.clear(bytes, path)
        } catch {
            throw FileTreeError(error)
        }
    }
}
