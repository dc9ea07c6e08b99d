internal import CLibcrypto

/// A new ed25519 key pair in OpenSSH's formats, for deploy keys and the agent's own key.
package struct Ed25519KeyPair: Sendable {
    package let publicKey: OpenSSHPublicKey
    /// The text of an unencrypted `OPENSSH PRIVATE KEY` file: write it with mode 0600.
    package let privateKeyText: String

    /// Makes a pair from the system's randomness.
    /// - Parameter comment: shown at the end of the public line, usually `user@host`; no line breaks.
    package static func generate(comment: String) throws(CryptographyError) -> Ed25519KeyPair {
        guard let context = EVP_PKEY_CTX_new_id(NID_ED25519, nil) else { throw .library("preparing an ed25519 key") }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_keygen(context, &key) == 1, let key else {
            throw .library("making an ed25519 key")
        }
        defer { EVP_PKEY_free(key) }
        var seed = [UInt8](repeating: 0, count: 32)
        var point = seed
        var seedSize = 32
        var pointSize = 32
        guard EVP_PKEY_get_raw_private_key(key, &seed, &seedSize) == 1, EVP_PKEY_get_raw_public_key(key, &point, &pointSize) == 1 else {
            throw .library("reading an ed25519 key")
        }
        return try Ed25519KeyPair(seed: seed, point: point, comment: comment)
    }

    private init(seed: [UInt8], point: [UInt8], comment: String) throws(CryptographyError) {
        var blob = WireWriter()
        blob.write(string: "ssh-ed25519")
        blob.write(string: point)
        guard let publicKey = OpenSSHPublicKey(blob: blob.bytes, comment: comment) else {
            throw CryptographyError("the new ed25519 key is malformed")
        }
        self.publicKey = publicKey
        privateKeyText = Self.privateKeyFile(seed: seed, point: point, publicBlob: blob.bytes, comment: comment)
    }

    /// The layout of OpenSSH's PROTOCOL.key, without encryption.
    private static func privateKeyFile(seed: [UInt8], point: [UInt8], publicBlob: [UInt8], comment: String) -> String {
        var secret = WireWriter()
        let check = UInt32.random(in: .min ... .max)
        secret.write(check)
        secret.write(check)
        secret.write(raw: publicBlob)
        secret.write(string: seed + point)
        secret.write(string: comment)
        for padding in 1...8 where !secret.bytes.count.isMultiple(of: 8) { secret.write(byte: UInt8(padding)) }

        var file = WireWriter()
        file.write(raw: Array("openssh-key-v1".utf8) + [0])
        file.write(string: "none")
        file.write(string: "none")
        file.write(string: "")
        file.write(1)
        file.write(string: publicBlob)
        file.write(string: secret.bytes)
        return PEM.encode(file.bytes, label: "OPENSSH PRIVATE KEY", width: 70)
    }
}
