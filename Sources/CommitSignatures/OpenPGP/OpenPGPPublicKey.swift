import Cryptography

/// A primary key or a subkey of version 4 (RFC 9580 section 5.5.2.2).
struct OpenPGPPublicKey {
    private enum Algorithm {
        case rsa
        case ecdsa
        /// The older form of ed25519 signatures, as two numbers.
        case edDSA
        case ed25519
    }

    let body: [UInt8]
    /// Seconds since 1970.
    let created: Int
    let fingerprint: [UInt8]
    private let algorithm: Algorithm?
    private let key: VerificationKey?

    /// nil when the packet is damaged or of another version.
    init?(_ body: [UInt8]) {
        var reader = OpenPGPReader(body)
        guard body.count < 1 << 16, reader.byte() == 4, let created = reader.number(bytes: 4), let algorithm = reader.byte() else {
            return nil
        }
        self.body = body
        self.created = created
        fingerprint = SHA1.digest(of: [0x99, UInt8(body.count >> 8), UInt8(body.count & 0xFF)] + body)
        switch algorithm {
        case 1, 3:
            self.algorithm = .rsa
            guard let modulus = reader.integer(), let exponent = reader.integer() else { return nil }
            key = VerificationKey(rsaModulus: modulus, exponent: exponent)
        case 19:
            self.algorithm = .ecdsa
            guard let curve = reader.byte().flatMap({ reader.bytes(Int($0)) }), let point = reader.integer() else { return nil }
            key = Self.curve(curve).flatMap { VerificationKey($0, point: point) }
        case 22:
            self.algorithm = .edDSA
            guard let curve = reader.byte().flatMap({ reader.bytes(Int($0)) }), let point = reader.integer() else { return nil }
            let isKnown = curve == [0x2B, 0x06, 0x01, 0x04, 0x01, 0xDA, 0x47, 0x0F, 0x01] && point.first == 0x40
            key = isKnown ? VerificationKey(ed25519: Array(point.dropFirst())) : nil
        case 27:
            self.algorithm = .ed25519
            guard let point = reader.bytes(32) else { return nil }
            key = VerificationKey(ed25519: point)
        default: (self.algorithm, key) = (nil, nil)
        }
    }

    /// RFC 9580 section 9.2.
    private static func curve(_ identifier: [UInt8]) -> VerificationKey.Curve? {
        switch identifier {
        case [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]: .p256
        case [0x2B, 0x81, 0x04, 0x00, 0x22]: .p384
        case [0x2B, 0x81, 0x04, 0x00, 0x23]: .p521
        default: nil
        }
    }

    var hex: String { Hex.encode(fingerprint).uppercased() }

    /// Whether a signature of this key can be checked here at all.
    var isUsable: Bool { key != nil }

    /// The key as what a signature about it begins with (section 5.2.4).
    var signedForm: [UInt8] { [0x99, UInt8(body.count >> 8), UInt8(body.count & 0xFF)] + body }

    /// Whether the key made this signature over `content`.
    func made(_ signature: OpenPGPSignature, over content: [UInt8]) -> Bool {
        guard let key, let hash = signature.hash else { return false }
        let signed = content + signature.trailer
        let digest = hash.digest(of: signed)
        guard digest.starts(with: signature.digestStart) else { return false }
        var reader = OpenPGPReader(signature.material)
        switch (algorithm, signature.algorithm) {
        case (.rsa, 1), (.rsa, 3): return reader.integer().map { key.isValid($0, of: signed, hash: hash) } ?? false
        case (.ecdsa, 19):
            guard let r = reader.integer(), let s = reader.integer() else { return false }
            return key.isValid(r: r, s: s, of: signed, hash: hash)
        case (.edDSA, 22):
            guard let r = reader.integer(), let s = reader.integer(), r.count <= 32, s.count <= 32 else { return false }
            let numbers = [r, s].flatMap { [UInt8](repeating: 0, count: 32 - $0.count) + $0 }
            return key.isValid(numbers, of: digest, hash: nil)
        case (.ed25519, 27): return reader.bytes(64).map { key.isValid($0, of: digest, hash: nil) } ?? false
        default: return false
        }
    }
}
