import Cryptography
import Diagnostics
import KubernetesModel
import Kustomize
import SOPS
import YAML

/// Secrets whose values lie in the repository in clear, found in what is built from it without keys and before variables are put in: there
/// SOPS' values are still encrypted. Bases in other repositories are not built here, so that nothing is said of them.
struct ClearSecrets {
    private(set) var warnings: [Diagnostic] = []

    /// - Parameter isDecrypting: whether the unit says with what its files are opened.
    mutating func add(_ result: BuildResult, isDecrypting: Bool) {
        // A file that several units use is told once.
        let told = Set(warnings.map(\.location))
        for (manifest, provenance) in zip(result.manifests, result.provenance) where !told.contains(manifest.origin) {
            let fields = manifest.clearFields
            if !fields.isEmpty { warnings.append(Self.warning(fields, of: manifest, provenance, isDecrypting: isDecrypting)) }
        }
    }

    private static func warning(
        _ fields: [String], of manifest: Manifest, _ provenance: Provenance, isDecrypting: Bool
    ) -> Diagnostic {
        // A line of an environment file that is no pair is a key, whatever it was meant to be.
        let values = provenance.isGenerated ? "\(fields.count) of its values" : list(fields)
        let changes = provenance.touches.filter(\.mayBringValues).map(\.told)
        var remedy =
            provenance.isGenerated
            ? "put them into files of the generator instead of literals, encrypted with sops and age (`sops encrypt --in-place FILE`)"
            : "encrypt it with sops and age: `sops encrypt --encrypted-regex '^(data|stringData)$' --in-place \(manifest.origin?.file ?? "FILE")`"
        if !isDecrypting {
            remedy += ", and apply it by a Kustomization with `spec.decryption: {provider: sops, secretRef: {name: sops-age}}`"
        }
        return Diagnostic(
            .warning, "lies in the repository in clear", subject: manifest.key.description, at: manifest.origin,
            cause: "not encrypted: \(values)" + (changes.isEmpty ? "" : ", as changed by \(changes.joined(separator: ", "))"),
            remedy: remedy + "\nwhere it has been pushed, change the secret itself, too: it stays in the history")
    }

    private static func list(_ fields: [String]) -> String {
        fields.count <= 5 ? fields.joined(separator: ", ") : "\(fields.prefix(4).joined(separator: ", ")) and \(fields.count - 4) more"
    }
}

extension Provenance.Touch {
    /// In messages.
    var told: String { step + (location.map { " at \($0)" } ?? "") }

    var mayBringValues: Bool { step == "generator" || step == "replacements" || step.contains("patches") }
}

extension Manifest {
    /// The fields of a Secret with values that not everybody may know and everybody who has the files does: `data.password`.
    fileprivate var clearFields: [String] {
        // What SOPS leaves in clear in a file that it encrypted, it was told to leave.
        guard groupVersionKind.group.isEmpty, kind == "Secret", value["sops"] == nil else { return [] }
        return ["data", "stringData"].flatMap { field in
            let values = value[field]?.object ?? Object()
            // An environment file of SOPS has its metadata as further lines.
            let hasMetadata = values["sops_mac"] != nil
            return values.compactMap { member -> String? in
                if hasMetadata, member.key.hasPrefix("sops_") || member.key.hasSuffix("_unencrypted") { return nil }
                guard !member.value.isNull, let text = member.value.scalarText else { return nil }
                return SecretValue(member.key, written: text, isEncoded: field == "data").isClear ? "\(field).\(member.key)" : nil
            }
        }
    }
}

/// One value of a Secret as it is written in a file, or by a generator.
private struct SecretValue {
    private let key: String
    private let written: String
    private let bytes: [UInt8]
    private let text: String

    init(_ key: String, written: String, isEncoded: Bool) {
        self.key = key
        self.written = written
        bytes = isEncoded ? Base64.decode(written) ?? Array(written.utf8) : Array(written.utf8)
        text = String(decoding: bytes, as: UTF8.self)
    }

    var isClear: Bool { !(isEmpty || isVariable || isEncrypted || isPublic) }

    private var isEmpty: Bool { text.allSatisfy(\.isWhitespace) }

    /// Whether the secret is put in later. What a generator has encoded takes no variables, but one alone is no secret either.
    private var isVariable: Bool {
        let words = text.split(whereSeparator: \.isWhitespace)
        return written.contains("${") || words.count == 1 && words[0].hasPrefix("${") && words[0].hasSuffix("}")
    }

    private var isEncrypted: Bool { text.hasPrefix("ENC[AES256_GCM,") || SOPSFile.isEncrypted(bytes) }

    /// Certificates and public keys, which prove others to this cluster.
    private var isPublic: Bool {
        guard !text.contains("PRIVATE KEY") else { return false }
        return ["ca.crt", "known_hosts", "allowed_signers"].contains(key) || key.hasSuffix(".pub") || key.hasSuffix(".sshpub")
            || ["CERTIFICATE", "PUBLIC KEY", "PGP PUBLIC KEY BLOCK"].contains { text.hasPrefix("-----BEGIN \($0)-----") }
    }
}
