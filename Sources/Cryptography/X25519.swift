internal import CLibcrypto

/// Diffie-Hellman on Curve25519 (RFC 7748).
package enum X25519 {
    /// The public half of a private key of 32 bytes.
    package static func publicKey(of secret: [UInt8]) throws(CryptographyError) -> [UInt8] {
        guard let key = EVP_PKEY_new_raw_private_key(NID_X25519, nil, secret, secret.count) else { throw .library("reading an X25519 key") }
        defer { EVP_PKEY_free(key) }
        var point = [UInt8](repeating: 0, count: 32)
        var size = 32
        guard EVP_PKEY_get_raw_public_key(key, &point, &size) == 1 else { throw .library("reading an X25519 key") }
        return point
    }

    /// What both sides can compute and nobody else.
    package static func sharedSecret(_ secret: [UInt8], with point: [UInt8]) throws(CryptographyError) -> [UInt8] {
        guard let key = EVP_PKEY_new_raw_private_key(NID_X25519, nil, secret, secret.count),
            let peer = EVP_PKEY_new_raw_public_key(NID_X25519, nil, point, point.count)
        else { throw .library("reading an X25519 key") }
        defer {
            EVP_PKEY_free(key)
            EVP_PKEY_free(peer)
        }
        guard let context = EVP_PKEY_CTX_new(key, nil) else { throw .library("agreeing on a key") }
        defer { EVP_PKEY_CTX_free(context) }
        var shared = [UInt8](repeating: 0, count: 32)
        var size = 32
        guard EVP_PKEY_derive_init(context) == 1, EVP_PKEY_derive_set_peer(context, peer) == 1,
            EVP_PKEY_derive(context, &shared, &size) == 1, size == 32
        else { throw .library("agreeing on a key") }
        return shared
    }
}

/// Keys from a secret (RFC 5869), with SHA-256.
package enum HKDFSHA256 {
    /// - Parameter count: at most 8160 bytes.
    package static func key(from secret: [UInt8], salt: [UInt8], info: String, count: Int = 32) -> [UInt8] {
        let pseudorandom = HMACSHA256.code(for: secret, key: salt.isEmpty ? [UInt8](repeating: 0, count: 32) : salt)
        var output: [UInt8] = []
        var block: [UInt8] = []
        var number: UInt8 = 1
        while output.count < count {
            block = HMACSHA256.code(for: block + Array(info.utf8) + [number], key: pseudorandom)
            output += block
            number += 1
        }
        return Array(output.prefix(count))
    }
}

package enum SHA512 {
    package static func digest(of bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 64)
        var size: UInt32 = 64
        guard EVP_Digest(bytes, bytes.count, &digest, &size, EVP_sha512(), nil) == 1 else { return [] }
        return digest
    }
}
