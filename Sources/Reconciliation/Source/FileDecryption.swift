import Cryptography
import Diagnostics
import KubernetesModel
import Kustomize
package import SOPS
import SyncPlanning
import Synchronization
import YAML

/// What becomes of files that SOPS encrypted.
package enum FileDecryption: Sendable {
    /// Such a file is an error: applying it as it is would put nonsense into the cluster.
    case none
    case keys(AgeKeyring)

    /// Which keys cannot be used; nil where there is nothing to say.
    var note: String? { if case .keys(let keyring) = self { keyring.note } else { nil } }

    /// The clear text of a file; nil where there is nothing to do.
    func opened(_ bytes: [UInt8], _ path: String, for purpose: SOPSFile.Purpose = .content) throws(Diagnostics) -> SOPSFile.Opened? {
        guard SOPSFile.isEncrypted(bytes), !Self.optsOut(String(decoding: bytes, as: UTF8.self)) else { return nil }
        switch self {
        case .none:
            throw Diagnostics([
                Diagnostic(
                    .error, "the file is encrypted", at: SourceLocation(file: path, line: 1),
                    cause: "the unit's Kustomization has no spec.decryption",
                    remedy: "add `decryption: {provider: sops, secretRef: {name: …}}` to it")
            ])
        case .keys(let keyring): return try SOPSFile(bytes, path: path, for: purpose).decrypted(with: keyring)
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
                    guard let opened = try self.opened(bytes, name, for: .value(key: name)) else { return }
                    value = .string(Base64.encode(opened.bytes))
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
/// nowhere but in memory. What goes into a ConfigMap stays encrypted.
struct DecryptingFileTree: FileTree {
    /// What was opened so far.
    private final class Ledger: Sendable {
        let entries = Mutex<(files: Set<String>, texts: KnownSecrets)>(([], KnownSecrets()))
    }

    private let files: any FileTree
    private let decryption: FileDecryption
    private let ledger = Ledger()

    init(_ files: any FileTree, _ decryption: FileDecryption) {
        self.files = files
        self.decryption = decryption
    }

    /// Of what has been opened.
    var secrecy: Secrecy { ledger.entries.withLock { Secrecy(texts: $0.texts, files: $0.files) } }

    func resolve(_ path: String) throws(FileTreeError) -> TreeEntry? { try files.resolve(path) }
    func entries(_ path: String) throws(FileTreeError) -> [String] { try files.entries(path) }
    func read(_ path: String, limit: Int) throws(FileTreeError) -> [UInt8] { try read(path, limit: limit, for: .content) }

    func read(_ path: String, limit: Int, for use: FileUse) throws(FileTreeError) -> [UInt8] {
        let bytes = try files.read(path, limit: limit, for: use)
        let purpose: SOPSFile.Purpose
        switch use {
        case .configuration: return bytes
        case .content: purpose = .content
        case .secretValue(let key): purpose = .value(key: key)
        case .secretEnvironment: purpose = .environment
        }
        do throws(Diagnostics) {
            guard let opened = try decryption.opened(bytes, path, for: purpose) else { return bytes }
            // The values of a generated Secret are told nowhere.
            if purpose == .content { note(opened, path) }
            return opened.bytes
        } catch {
            throw FileTreeError(error)
        }
    }

    private func note(_ opened: SOPSFile.Opened, _ path: String) {
        ledger.entries.withLock { entries in
            entries.files.insert(path)
            for text in opened.secrets { entries.texts.add(text) }
        }
    }
}
