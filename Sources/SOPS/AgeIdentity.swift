internal import Cryptography

/// A private key of age (`AGE-SECRET-KEY-1…`).
package struct AgeIdentity: Sendable {
    let secret: [UInt8]
    let point: [UInt8]

    /// nil when the text is no such key.
    package init?(_ text: String) {
        guard let (prefix, bytes) = Bech32.decode(text), prefix == "age-secret-key-", bytes.count == 32,
            let point = try? X25519.publicKey(of: bytes)
        else { return nil }
        secret = bytes
        self.point = point
    }

    /// `age1…`: what files are encrypted to.
    package var recipient: String { Bech32.encode("age", point) }
}

/// BIP 173, without its limit on length.
enum Bech32 {
    private static let alphabet = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)

    /// The part before the last `1` in lower case, and the bytes behind it.
    static func decode(_ text: String) -> (prefix: String, bytes: [UInt8])? {
        guard text == text.lowercased() || text == text.uppercased() else { return nil }
        let text = Array(text.lowercased().utf8)
        guard let separator = text.lastIndex(of: 0x31), separator > 0, text.count - separator > 6 else { return nil }
        let prefix = Array(text[..<separator])
        let digits = text[(separator + 1)...].compactMap { byte in alphabet.firstIndex(of: byte).map { UInt8($0) } }
        guard digits.count == text.count - separator - 1, checksum(prefix, digits) == 1 else { return nil }
        guard let bytes = regrouped(Array(digits.dropLast(6)), from: 5, to: 8, pads: false) else { return nil }
        return (String(decoding: prefix, as: UTF8.self), bytes)
    }

    static func encode(_ prefix: String, _ bytes: [UInt8]) -> String {
        let digits = regrouped(bytes, from: 8, to: 5, pads: true) ?? []
        let sum = checksum(Array(prefix.utf8), digits + [UInt8](repeating: 0, count: 6)) ^ 1
        let check = (0..<6).map { UInt8(sum >> UInt32(5 * (5 - $0)) & 31) }
        return prefix + "1" + String(decoding: (digits + check).map { alphabet[Int($0)] }, as: UTF8.self)
    }

    private static func checksum(_ prefix: [UInt8], _ digits: [UInt8]) -> UInt32 {
        let generator: [UInt32] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3]
        var sum: UInt32 = 1
        for value in prefix.map({ $0 >> 5 }) + [0] + prefix.map({ $0 & 31 }) + digits {
            let top = sum >> 25
            sum = (sum & 0x1ff_ffff) << 5 ^ UInt32(value)
            for bit in 0..<5 where top >> UInt32(bit) & 1 == 1 { sum ^= generator[bit] }
        }
        return sum
    }

    private static func regrouped(_ values: [UInt8], from: Int, to: Int, pads: Bool) -> [UInt8]? {
        var (buffer, bits) = (0, 0)
        var result: [UInt8] = []
        for value in values {
            buffer = (buffer << from | Int(value)) & 0xfff
            bits += from
            while bits >= to {
                bits -= to
                result.append(UInt8(buffer >> bits & (1 << to - 1)))
            }
        }
        let rest = buffer & (1 << bits - 1)
        if pads, bits > 0 { result.append(UInt8(rest << (to - bits) & (1 << to - 1))) }
        return pads || (bits < from && rest == 0) ? result : nil
    }
}
