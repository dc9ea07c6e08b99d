internal import Cryptography

/// A file encrypted with age (age-encryption.org/v1), armored or not, opened with X25519 keys.
package struct AgeFile: Sendable {
    package enum Problem: Error, Hashable, Sendable {
        case malformed(String)
        /// None of the keys is one it was encrypted to.
        case noIdentity
        /// Its header or content was changed.
        case changed
    }

    private struct Stanza {
        var arguments: [Substring]
        var body: [UInt8]
    }

    private let stanzas: [Stanza]
    private let header: [UInt8]
    private let code: [UInt8]
    private let payload: [UInt8]

    package init(_ bytes: [UInt8]) throws(Problem) {
        let bytes = try Self.unarmored(bytes)
        var lines = LineReader(bytes)
        guard lines.next() == "age-encryption.org/v1" else { throw .malformed("it is no age file of version 1") }
        var stanzas: [Stanza] = []
        while let line = lines.next() {
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            if words.first == "---" {
                guard words.count == 2, let code = Base64.decode(words[1]) else { throw .malformed("its header does not end well") }
                // The code covers everything up to the dashes.
                header = Array(bytes[..<(lines.start + 3)])
                self.code = code
                payload = Array(bytes[lines.index...])
                self.stanzas = stanzas
                return
            }
            guard words.first == "->", words.count > 1 else { throw .malformed("its header has a line that is no stanza") }
            var body = ""
            while let part = lines.next() {
                body += part
                if part.utf8.count < 64 { break }
            }
            guard let bytes = Base64.decode(body) else { throw .malformed("a stanza of its header is no base64") }
            stanzas.append(Stanza(arguments: Array(words.dropFirst()), body: bytes))
        }
        throw .malformed("its header does not end")
    }

    /// The content.
    package func opened(with identities: [AgeIdentity]) throws(Problem) -> [UInt8] {
        guard let key = fileKey(identities) else { throw .noIdentity }
        let headerKey = HKDFSHA256.key(from: key, salt: [], info: "header")
        guard HMACSHA256.isValid(code, for: header, key: headerKey), payload.count >= 32 else { throw .changed }
        let payloadKey = HKDFSHA256.key(from: key, salt: Array(payload.prefix(16)), info: "payload")
        return try content(payload.dropFirst(16), payloadKey)
    }

    private func fileKey(_ identities: [AgeIdentity]) -> [UInt8]? {
        for stanza in stanzas where stanza.arguments.first == "X25519" && stanza.arguments.count == 2 && stanza.body.count == 32 {
            guard let share = Base64.decode(stanza.arguments[1]), share.count == 32 else { continue }
            for identity in identities {
                guard let shared = try? X25519.sharedSecret(identity.secret, with: share) else { continue }
                let wrap = HKDFSHA256.key(from: shared, salt: share + identity.point, info: "age-encryption.org/v1/X25519")
                let key = try? AuthenticatedCipher.chaCha20Poly1305.open(
                    stanza.body.prefix(16), tag: stanza.body.suffix(16), key: wrap, nonce: [UInt8](repeating: 0, count: 12))
                if let key = key ?? nil { return key }
            }
        }
        return nil
    }

    /// Chunks of 64 KiB, each numbered in its nonce, the last one marked.
    private func content(_ sealed: ArraySlice<UInt8>, _ key: [UInt8]) throws(Problem) -> [UInt8] {
        var result: [UInt8] = []
        var rest = sealed
        var number: UInt64 = 0
        repeat {
            let chunk = rest.prefix(65536 + 16)
            rest = rest.dropFirst(chunk.count)
            var nonce = [UInt8](repeating: 0, count: 12)
            for byte in 0..<8 { nonce[10 - byte] = UInt8(number >> UInt64(8 * byte) & 255) }
            nonce[11] = rest.isEmpty ? 1 : 0
            guard chunk.count >= 16,
                let text =
                    (try? AuthenticatedCipher.chaCha20Poly1305.open(chunk.dropLast(16), tag: chunk.suffix(16), key: key, nonce: nonce))
                        ?? nil, !text.isEmpty || number == 0
            else { throw .changed }
            result += text
            number += 1
        } while !rest.isEmpty
        return result
    }

    private static func unarmored(_ bytes: [UInt8]) throws(Problem) -> [UInt8] {
        let marker = "-----BEGIN AGE ENCRYPTED FILE-----"
        guard bytes.starts(with: marker.utf8) else { return bytes }
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        guard let end = lines.firstIndex(of: "-----END AGE ENCRYPTED FILE-----"),
            let content = Base64.decode(lines[1..<end].joined())
        else { throw .malformed("its armor is not whole") }
        return content
    }
}

/// Lines of a header that binary data follow.
private struct LineReader {
    let bytes: [UInt8]
    private(set) var start = 0
    private(set) var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func next() -> String? {
        guard let end = bytes[index...].firstIndex(of: 0x0A) else { return nil }
        start = index
        index = end + 1
        return String(decoding: bytes[start..<end], as: UTF8.self)
    }
}
