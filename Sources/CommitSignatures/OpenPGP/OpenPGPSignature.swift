import Cryptography

/// A signature packet of version 4 (RFC 9580 section 5.2.3).
struct OpenPGPSignature {
    /// Section 5.2.1.
    enum Kind: UInt8 {
        case binary = 0x00
        case subkeyBinding = 0x18
        case primaryKeyBinding = 0x19
        case directKey = 0x1F
        case keyRevocation = 0x20
        case subkeyRevocation = 0x28
        case certificationRevocation = 0x30
    }

    let type: UInt8
    let algorithm: UInt8
    /// nil for one that is not safe or not known.
    let hash: HashAlgorithm?
    /// What is signed after the content: the hashed part of the packet, and its length.
    let trailer: [UInt8]
    let digestStart: [UInt8]
    let material: [UInt8]
    /// Seconds since 1970.
    private(set) var created = 0
    /// Seconds after the creation of the key it is about; nil for no end.
    private(set) var keyLifetime: Int?
    private(set) var keyFlags: UInt8?
    private(set) var issuerFingerprint: [UInt8]?
    private(set) var issuerID: [UInt8]?
    private(set) var embedded: [UInt8]?

    var kind: Kind? { Kind(rawValue: type) }
    /// By which a key vouches for a user ID.
    var isCertification: Bool { (0x10...0x13).contains(type) }

    /// nil when it is damaged, of another version, or says something critical that cannot be respected.
    init?(_ body: [UInt8]) {
        var reader = OpenPGPReader(body)
        guard reader.byte() == 4, let type = reader.byte(), let algorithm = reader.byte(), let hash = reader.byte(),
            let hashedCount = reader.number(bytes: 2), let hashed = reader.bytes(hashedCount),
            let looseCount = reader.number(bytes: 2), let loose = reader.bytes(looseCount), let start = reader.bytes(2)
        else { return nil }
        self.type = type
        self.algorithm = algorithm
        self.hash = Self.hash(hash)
        let signed = body.prefix(6 + hashedCount)
        trailer = signed + [4, 0xFF] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: signed.count >> $0) }
        digestStart = start
        var rest: [UInt8] = []
        while let byte = reader.byte() { rest.append(byte) }
        material = rest
        guard take(hashed, areSigned: true), take(loose, areSigned: false), created > 0 else { return nil }
    }

    /// Section 9.5; SHA-1 is only believed about keys, which the operator vouches for.
    private static func hash(_ number: UInt8) -> HashAlgorithm? {
        switch number {
        case 2: .sha1
        case 8: .sha256
        case 9: .sha384
        case 10: .sha512
        case 11: .sha224
        default: nil
        }
    }

    /// Reads subpackets (section 5.2.3.7); those that are not signed may only help to find the key.
    private mutating func take(_ area: [UInt8], areSigned: Bool) -> Bool {
        var reader = OpenPGPReader(area)
        while !reader.isAtEnd {
            guard let count = reader.subpacketLength(), count > 0, let subpacket = reader.bytes(count) else { return false }
            let value = Array(subpacket.dropFirst())
            var number = OpenPGPReader(value)
            switch subpacket[0] & 0x7F {
            case 2 where areSigned: created = number.number(bytes: 4) ?? 0
            // What is signed for a while only cannot be judged without a clock.
            case 3 where areSigned: if number.number(bytes: 4) != 0 { return false }
            case 9 where areSigned: keyLifetime = number.number(bytes: 4).flatMap { $0 == 0 ? nil : $0 }
            case 27 where areSigned: keyFlags = value.first ?? 0
            case 16: issuerID = value
            case 33: issuerFingerprint = Array(value.dropFirst())
            case 32: embedded = value
            // Exportable, trust, revocable, preferences, servers, policies, signer's name, reasons, features, targets: nothing that matters.
            case 2...5, 7, 9, 11, 21...31, 34, 39: break
            default: if areSigned, subpacket[0] & 0x80 != 0 { return false }
            }
        }
        return true
    }

    /// Whether it says that this key made it.
    func names(_ key: OpenPGPPublicKey) -> Bool {
        if let issuerFingerprint { return issuerFingerprint == key.fingerprint }
        return issuerID.map { $0 == Array(key.fingerprint.suffix(8)) } ?? false
    }

    /// Who it says made it, for messages.
    var issuer: String { (issuerFingerprint ?? issuerID).map { Hex.encode($0).uppercased() } ?? "that it does not name" }
}
