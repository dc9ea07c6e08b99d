internal import Cryptography
package import Diagnostics
internal import YAML

/// A file that SOPS encrypted with age keys. Each part of it that was encrypted at once is decrypted as a whole, and only when its code
/// (MAC) says that nothing in it was changed, added or removed.
package struct SOPSFile: Sendable {
    package enum Format: String, Hashable, Sendable {
        case yaml = "YAML"
        case json = "JSON"
        case dotenv, binary
        case ini = "INI"

        /// By the ending of a file's or a key's name; nil where it tells none.
        init?(named name: String) {
            let name = name.lowercased()
            func ends(_ endings: String...) -> Bool { endings.contains(where: name.hasSuffix) }
            if ends(".yaml", ".yml") {
                self = .yaml
            } else if ends(".json", ".dockerconfigjson") {
                self = .json
            } else if ends(".env") {
                self = .dotenv
            } else if ends(".ini") {
                self = .ini
            } else {
                return nil
            }
        }
    }

    /// What the clear text is for.
    package enum Purpose: Hashable, Sendable {
        /// Objects and whatever else is read as YAML or JSON; its path tells the format where it can.
        case content
        /// The value of a key, whose name tells the format where it can.
        case value(key: String)
        /// Lines `KEY=value`.
        case environment
    }

    /// What became of it.
    package struct Opened: Hashable, Sendable {
        package var bytes: [UInt8]
        /// The texts that were encrypted, but for a file that was one text.
        package var secrets: Set<String>
    }

    private let bytes: [UInt8]
    private let path: String
    private let purpose: Purpose

    /// - Parameter path: for messages.
    package init(_ bytes: [UInt8], path: String, for purpose: Purpose = .content) {
        self.bytes = bytes
        self.path = path
        self.purpose = purpose
    }

    /// Whether it looks like a file of SOPS at all; cheap, so that every file can be asked.
    package static func isEncrypted(_ bytes: [UInt8]) -> Bool {
        bytes.count < 5 << 20 && bytes.contains("ENC[AES256_GCM,") && bytes.contains("sops") && bytes.contains("lastmodified")
    }

    /// The format that is wanted; nil where it is to stay what it is.
    private var wanted: Format? {
        switch purpose {
        case .content: Format(named: path)
        case .value(let key): Format(named: key)
        case .environment: .dotenv
        }
    }

    /// The format that the encrypted text has, told by the marks that SOPS leaves: a file's name says what it was before.
    private var format: Format {
        let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        if first == UInt8(ascii: "{") { return wanted == .yaml ? .yaml : .json }
        let lines = bytes.split(separator: 0x0A)
        if lines.contains(where: { $0.starts(with: "sops_mac=".utf8) }) { return .dotenv }
        return lines.contains { $0.starts(with: "[sops]".utf8) } ? .ini : .yaml
    }

    /// The clear text.
    package func decrypted(with keyring: AgeKeyring) throws(Diagnostics) -> Opened {
        var store = try SOPSStore(bytes, format: format, path: path, keepsForResource: purpose == .content)
        var secrets: Set<String> = []
        var content: [UInt8]?
        for part in store.parts {
            let key = try SOPSDataKey(part.metadata).opened(with: keyring) { finding($0, remedy: $1) }
            var opening = SOPSOpening(key: key, onlyEncrypted: part.metadata["mac_only_encrypted"]?.isTrue == true)
            // A text alone may be any bytes.
            opening.keepsContent = store.isContent && (wanted == nil || purpose == .environment)
            for index in part.documents {
                store.documents[index] = opening.opened(store.documents[index], kept: store.kept?[index], at: [])
            }
            try refuse(opening)
            try verify(opening, part.metadata, key)
            secrets.formUnion(opening.secrets)
            content = opening.content
        }
        if let content { return Opened(bytes: content, secrets: []) }
        guard let bytes = store.text(as: wanted ?? store.format) else {
            throw Diagnostics([
                finding(
                    "what was encrypted as \(store.format.rawValue) cannot be written as \((wanted ?? store.format).rawValue)",
                    remedy: "let the name of the key, or of the file, end as the format does: .yaml, .json, .env or .ini")
            ])
        }
        return Opened(bytes: bytes, secrets: secrets)
    }

    private func refuse(_ opening: SOPSOpening) throws(Diagnostics) {
        try Diagnostics(
            opening.unreadable.map {
                finding("the value of \($0) cannot be decrypted: it was changed, or moved here from another place")
            }
                + opening.notText.map {
                    finding("the value of \($0) is no text in UTF-8", remedy: "encrypt such a file with `sops encrypt --input-type binary`")
                }
        ).throwIfErrors()
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

    private func finding(_ cause: String, remedy: String? = nil) -> Diagnostic {
        Diagnostic(
            .error, "the file cannot be decrypted", at: SourceLocation(file: path, line: 1), cause: cause,
            remedy: remedy ?? "restore the file from git, or encrypt it anew with `sops`")
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
