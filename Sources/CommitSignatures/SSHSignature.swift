import Cryptography

/// A signature as `ssh-keygen -Y sign` makes it (OpenSSH's PROTOCOL.sshsig).
struct SSHSignature {
    let key: OpenSSHPublicKey
    let namespace: String
    private let hash: String
    /// What is written before the namespace's end in the signed bytes, for later versions of the format.
    private let reserved: [UInt8]
    private let algorithm: String
    private let signature: [UInt8]
    /// Flags and counter that a security key signs too; empty for any other.
    private let presence: [UInt8]

    private static let magic = Array("SSHSIG".utf8)

    init(armored text: String) throws(SignatureProblem) {
        let damaged = SignatureProblem(.malformed, "the SSH signature cannot be read")
        guard let bytes = PEM.decode(text, label: "SSH SIGNATURE") else { throw damaged }
        var reader = WireReader(bytes)
        guard reader.raw(Self.magic.count) == Self.magic, reader.number() == 1, let blob = reader.string(),
            let namespace = reader.text(), let reserved = reader.string(), let hash = reader.text(), let envelope = reader.string(),
            reader.isAtEnd, let key = OpenSSHPublicKey(blob: blob)
        else { throw damaged }
        var inner = WireReader(envelope)
        guard let algorithm = inner.text(), let signature = inner.string() else { throw damaged }
        var presence: [UInt8] = []
        if key.type.hasPrefix("sk-") {
            guard let rest = inner.raw(5) else { throw damaged }
            presence = rest
        }
        guard inner.isAtEnd else { throw damaged }
        self.key = key
        self.namespace = namespace
        self.reserved = reserved
        self.hash = hash
        self.algorithm = algorithm
        self.signature = signature
        self.presence = presence
    }

    /// - Throws: `wrong` unless the key's owner signed these bytes.
    func verify(_ message: [UInt8]) throws(SignatureProblem) {
        let digest: [UInt8]
        switch hash {
        case "sha256": digest = HashAlgorithm.sha256.digest(of: message)
        case "sha512": digest = HashAlgorithm.sha512.digest(of: message)
        default: throw SignatureProblem(.unsupported, "the signature's hash \(hash) is none of those the format allows")
        }
        var signed = WireWriter()
        signed.write(raw: Self.magic)
        signed.write(string: namespace)
        signed.write(string: reserved)
        signed.write(string: hash)
        signed.write(string: digest)
        guard try isRight(signed.bytes) else {
            throw SignatureProblem(.wrong, "the signature by \(key.fingerprint) does not belong to this content")
        }
    }

    private func isRight(_ message: [UInt8]) throws(SignatureProblem) -> Bool {
        var reader = WireReader(key.blob)
        _ = reader.text()
        let damaged = SignatureProblem(.malformed, "the \(key.type) key of the signature cannot be used")
        switch key.type {
        case "ssh-ed25519", "sk-ssh-ed25519@openssh.com":
            guard algorithm == key.type, let point = reader.string(), let key = VerificationKey(ed25519: point) else { throw damaged }
            return key.isValid(signature, of: try securityKeyMessage(message, &reader), hash: nil)
        case "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com":
            guard algorithm == key.type, let (curve, hash) = Self.curve(reader.text()), let point = reader.string(),
                let key = VerificationKey(curve, point: point)
            else { throw damaged }
            var numbers = WireReader(signature)
            guard let r = numbers.string(), let s = numbers.string(), numbers.isAtEnd else { throw damaged }
            return key.isValid(r: r, s: s, of: try securityKeyMessage(message, &reader), hash: hash)
        case "ssh-rsa":
            guard let exponent = reader.string(), let modulus = reader.string(),
                let key = VerificationKey(rsaModulus: modulus, exponent: exponent)
            else { throw SignatureProblem(.unsupported, "the RSA key of the signature is damaged or shorter than 2048 bits") }
            switch algorithm {
            case "rsa-sha2-256": return key.isValid(signature, of: message, hash: .sha256)
            case "rsa-sha2-512": return key.isValid(signature, of: message, hash: .sha512)
            default: throw SignatureProblem(.unsupported, "the signature is a \(algorithm) one; rsa-sha2-256 and rsa-sha2-512 are safe")
            }
        default: throw SignatureProblem(.unsupported, "signatures by \(key.type) keys are not supported")
        }
    }

    /// What a security key signs in place of the message (OpenSSH's PROTOCOL.u2f); the message itself for any other key.
    private func securityKeyMessage(_ message: [UInt8], _ reader: inout WireReader) throws(SignatureProblem) -> [UInt8] {
        guard !presence.isEmpty else { return message }
        guard let application = reader.string() else { throw SignatureProblem(.malformed, "the security key names no application") }
        guard presence[0] & 1 == 1 else { throw SignatureProblem(.notAllowed, "the security key was not touched for the signature") }
        return SHA256.digest(of: application) + presence + SHA256.digest(of: message)
    }

    private static func curve(_ name: String?) -> (VerificationKey.Curve, HashAlgorithm)? {
        switch name {
        case "nistp256": (.p256, .sha256)
        case "nistp384": (.p384, .sha384)
        case "nistp521": (.p521, .sha512)
        default: nil
        }
    }
}
