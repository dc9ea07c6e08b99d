internal import CLibcrypto
internal import Glibc

/// SHA-256 (FIPS 180-4), in one call or piece by piece: `var hash = SHA256(); hash.update(…); let digest = hash.finalize()`.
package struct SHA256: ~Copyable {
    private let context: OpaquePointer

    package init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            // The library refuses only when memory is exhausted or SHA-256 was removed from it; neither can be worked around.
            abort()
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    package mutating func update(_ bytes: some Collection<UInt8>) {
        if bytes.withContiguousStorageIfAvailable({ update(UnsafeRawBufferPointer($0)) }) == nil {
            Array(bytes).withUnsafeBytes { update($0) }
        }
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// The 32 bytes of the digest.
    package consuming func finalize() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
            var size: UInt32 = 0
            EVP_DigestFinal_ex(context, buffer.baseAddress, &size)
            count = Int(size)
        }
    }
}

extension SHA256 {
    /// The 32 bytes of the digest.
    package static func digest(of bytes: some Collection<UInt8>) -> [UInt8] {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finalize()
    }

    /// 64 lower-case digits.
    package static func hex(of bytes: some Collection<UInt8>) -> String { Hex.encode(digest(of: bytes)) }

    /// 64 lower-case digits of the text's UTF-8 bytes.
    package static func hex(of text: String) -> String { hex(of: Array(text.utf8)) }

    /// 64 lower-case digits of a file's contents or of its first `count` bytes, read in pieces. Blocks the calling thread.
    package static func hex(ofFile path: String, first count: Int = .max) throws(CryptographyError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CryptographyError("cannot read \(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var hash = SHA256()
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var rest = count
        while true {
            let count = read(descriptor, &buffer, min(buffer.count, rest))
            if count < 0 {
                if errno == EINTR { continue }
                throw CryptographyError("cannot read \(path): \(String(cString: strerror(errno)))")
            }
            if count == 0 { return Hex.encode(hash.finalize()) }
            hash.update(buffer[..<count])
            rest -= count
        }
    }
}

/// HMAC with SHA-256 (RFC 2104).
package enum HMACSHA256 {
    package static func code(for message: [UInt8], key: [UInt8]) -> [UInt8] { HMACHash.sha256.code(for: message, key: key) }

    /// Compares in a time that does not tell how much of the code was right.
    package static func isValid(_ code: [UInt8], for message: [UInt8], key: [UInt8]) -> Bool {
        HMACHash.sha256.isValid(code, for: message, key: key)
    }
}

/// The hashes that webhooks are signed with by HMAC (RFC 2104), as their codes name them: `sha256=…`.
package enum HMACHash: String, Sendable {
    case sha1, sha256, sha512

    package func code(for message: [UInt8], key: [UInt8]) -> [UInt8] {
        let hash =
            switch self {
            case .sha1: EVP_sha1()
            case .sha256: EVP_sha256()
            case .sha512: EVP_sha512()
            }
        return [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            var size: UInt32 = 0
            _ = HMAC(hash, key, Int32(key.count), message, message.count, buffer.baseAddress, &size)
            count = Int(size)
        }
    }

    /// Compares in a time that does not tell how much of the code was right.
    package func isValid(_ code: [UInt8], for message: [UInt8], key: [UInt8]) -> Bool {
        let expected = self.code(for: message, key: key)
        guard code.count == expected.count else { return false }
        return zip(code, expected).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

/// SHA-1 (FIPS 180-4): only where a format prescribes it, as hashed known_hosts names (with HMAC) do.
package enum SHA1 {
    /// HMAC with SHA-1 (RFC 2104), 20 bytes.
    package static func hmac(of message: [UInt8], key: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 20) { buffer, count in
            var size: UInt32 = 0
            _ = HMAC(EVP_sha1(), key, Int32(key.count), message, message.count, buffer.baseAddress, &size)
            count = Int(size)
        }
    }

    package static func digest(of bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 20) { buffer, count in
            var size: UInt32 = 0
            EVP_Digest(bytes, bytes.count, buffer.baseAddress, &size, EVP_sha1(), nil)
            count = Int(size)
        }
    }
}

/// Random bytes good enough for keys and tokens.
package enum SecureRandom {
    package static func bytes(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()  // getrandom(2)
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// Twice as many digits as bytes asked for.
    package static func hex(bytes count: Int) -> String { Hex.encode(bytes(count)) }
}
