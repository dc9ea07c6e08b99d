internal import Cryptography
package import Diagnostics
internal import YAML

/// A file that SOPS encrypted with age keys. It is decrypted as a whole, and only when its code (MAC) says that nothing in it was changed,
/// added or removed.
package struct SOPSFile: Sendable {
    package enum Format: Hashable, Sendable { case yaml, json, dotenv, ini, binary }

    private let bytes: [UInt8]
    private let path: String
    private let format: Format

    /// - Parameter path: for messages; its ending tells the format.
    package init(_ bytes: [UInt8], path: String) {
        self.bytes = bytes
        self.path = path
        let name = path.lowercased()
        format =
            name.hasSuffix(".yaml") || name.hasSuffix(".yml")
            ? .yaml : name.hasSuffix(".json") ? .json : name.hasSuffix(".env") ? .dotenv : name.hasSuffix(".ini") ? .ini : .binary
    }

    /// Whether it looks like a file of SOPS at all; cheap, so that every file can be asked.
    package static func isEncrypted(_ bytes: [UInt8]) -> Bool {
        bytes.count < 5 << 20 && bytes.contains("ENC[AES256_GCM,") && bytes.contains("sops") && bytes.contains("lastmodified")
    }

    /// The clear text, in the same format.
    package func decrypted(with identities: [AgeIdentity]) throws(Diagnostics) -> [UInt8] {
        let store = try SOPSStore(bytes, format: format, path: path)
        let key = try dataKey(store.metadata, identities)
        var opening = SOPSOpening(key: key, onlyEncrypted: store.metadata["mac_only_encrypted"]?.isTrue == true)
        let documents = store.documents.map { opening.opened($0, at: []) }
        guard opening.unreadable.isEmpty else {
            throw Diagnostics(
                opening.unreadable.map {
                    finding("the value of \($0) cannot be decrypted: it was changed, or moved here from another place")
                })
        }
        try verify(opening, store.metadata, key)
        return store.text(of: documents)
    }

    /// The key of the values: encrypted to each recipient by itself.
    private func dataKey(_ metadata: Value, _ identities: [AgeIdentity]) throws(Diagnostics) -> [UInt8] {
        let entries = metadata["age"]?.array ?? []
        guard !entries.isEmpty else {
            throw Diagnostics([finding("it is encrypted to no age key", remedy: "add an age recipient with `sops updatekeys`")])
        }
        for entry in entries {
            guard let file = try? AgeFile(Array((entry["enc"]?.string ?? "").utf8)), let key = try? file.opened(with: identities) else {
                continue
            }
            return key
        }
        let recipients = entries.compactMap { $0["recipient"]?.string }.joined(separator: ", ")
        let own = identities.map(\.recipient).joined(separator: ", ")
        throw Diagnostics([
            finding(
                "none of the keys opens it: it is encrypted to \(recipients); the keys are those of \(own.isEmpty ? "nobody" : own)",
                remedy: "put the private key into the Secret that spec.decryption.secretRef names, under a name that ends in .agekey")
        ])
    }

    private func verify(_ opening: SOPSOpening, _ metadata: Value, _ key: [UInt8]) throws(Diagnostics) {
        let modified = metadata["lastmodified"]?.string ?? ""
        guard let code = EncryptedValue(metadata["mac"]?.string ?? "")?.opened(with: key, at: modified) else {
            throw Diagnostics([finding("its code (sops.mac) cannot be read: it was changed")])
        }
        guard String(decoding: code, as: UTF8.self).uppercased() == Hex.encode(opening.digest).uppercased() else {
            throw Diagnostics([
                finding("its content is not what was encrypted: something was changed, added or removed since (sops.mac does not match)")
            ])
        }
    }

    private func finding(_ cause: String, remedy: String = "restore the file from git, or encrypt it anew with `sops`") -> Diagnostic {
        Diagnostic(
            .error, "the file cannot be decrypted", at: SourceLocation(file: path, line: 1), cause: cause, remedy: remedy)
    }
}

extension Value {
    var isTrue: Bool { bool == true || string?.lowercased() == "true" }
}

extension [UInt8] {
    fileprivate func contains(_ text: String) -> Bool {
        let wanted = Array(text.utf8)
        guard let first = wanted.first, count >= wanted.count else { return false }
        var start = 0
        while let found = self[start...].firstIndex(of: first), found + wanted.count <= count {
            if self[found..<(found + wanted.count)].elementsEqual(wanted) { return true }
            start = found + 1
        }
        return false
    }
}
