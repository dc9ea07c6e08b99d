/// A public key as `authorized_keys`, `known_hosts` and inventory pins hold it: type, base64 of the blob, perhaps a comment.
package struct OpenSSHPublicKey: Hashable, Sendable, CustomStringConvertible {
    /// For example `ssh-ed25519`: the first string of the blob.
    package let type: String
    /// The key in the wire encoding of RFC 4253 section 6.6.
    package let blob: [UInt8]
    /// Empty when there is none; not part of what makes two keys equal.
    package let comment: String

    /// nil when the blob does not begin with a key type, or ends in the middle of a number.
    package init?(blob: [UInt8], comment: String = "") {
        var reader = WireReader(blob)
        guard let type = reader.text(), !type.isEmpty, type.utf8.count < 100, !reader.isAtEnd else { return nil }
        // Certificates have more than strings in them (OpenSSH's PROTOCOL.certkeys).
        if !type.contains("-cert-") {
            while !reader.isAtEnd { guard reader.string() != nil else { return nil } }
        }
        self.type = type
        self.blob = blob
        self.comment = comment
    }

    /// Reads `ssh-ed25519 AAAA… comment`; nil when the line is no such thing or names another type than its blob.
    package init?(line: some StringProtocol) {
        let fields = line.split(maxSplits: 2, whereSeparator: { $0 == " " || $0 == "\t" })
        guard fields.count >= 2, let blob = Base64.decode(fields[1]) else { return nil }
        self.init(blob: blob, comment: fields.count > 2 ? String(fields[2]) : "")
        guard type == fields[0] else { return nil }
    }

    /// `SHA256:` and the unpadded base64 of the blob's SHA-256, as `ssh-keygen -l` shows it.
    package var fingerprint: String { "SHA256:" + Base64.encode(SHA256.digest(of: blob), padded: false) }

    /// `ssh-ed25519 AAAA… comment`.
    package var line: String { "\(type) \(Base64.encode(blob))" + (comment.isEmpty ? "" : " \(comment)") }

    package var description: String { line }

    package static func == (left: Self, right: Self) -> Bool { left.blob == right.blob }

    package func hash(into hasher: inout Hasher) { hasher.combine(blob) }
}
