internal import CLibcrypto

/// A hash that signatures are made over (FIPS 180-4).
package enum HashAlgorithm: Hashable, Sendable {
    case sha1, sha224, sha256, sha384, sha512

    package func digest(of bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            var size: UInt32 = 0
            EVP_Digest(bytes, bytes.count, buffer.baseAddress, &size, function, nil)
            count = Int(size)
        }
    }

    fileprivate var function: OpaquePointer? {
        switch self {
        case .sha1: EVP_sha1()
        case .sha224: EVP_sha224()
        case .sha256: EVP_sha256()
        case .sha384: EVP_sha384()
        case .sha512: EVP_sha512()
        }
    }
}

/// A public key that tells whether a signature is its owner's.
// @unchecked: the library's key object is read-only after init and its reference count is atomic.
package final class VerificationKey: @unchecked Sendable {
    package enum Curve: Hashable, Sendable {
        case p256, p384, p521

        /// RFC 5480 section 2.1.1.1.
        fileprivate var identifier: [UInt8] {
            switch self {
            case .p256: DER.identifier([0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07])
            case .p384: DER.identifier([0x2B, 0x81, 0x04, 0x00, 0x22])
            case .p521: DER.identifier([0x2B, 0x81, 0x04, 0x00, 0x23])
            }
        }
    }

    private let key: OpaquePointer

    /// RFC 8032; nil when the bytes are no 32.
    package convenience init?(ed25519 point: [UInt8]) {
        guard point.count == 32 else { return nil }
        self.init(DER.sequence([DER.sequence([DER.identifier([0x2B, 0x65, 0x70])]), DER.bitString(point)]))
    }

    /// An uncompressed point (SEC 1 section 2.3.3); nil when it is not on the curve.
    package convenience init?(_ curve: Curve, point: [UInt8]) {
        let algorithm = DER.sequence([DER.identifier([0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]), curve.identifier])
        self.init(DER.sequence([algorithm, DER.bitString(point)]))
    }

    /// Big-endian numbers; nil when they are no key, or one of less than 2048 bits (NIST SP 800-131A).
    package convenience init?(rsaModulus modulus: [UInt8], exponent: [UInt8]) {
        let algorithm = DER.sequence([DER.identifier([0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]), DER.null])
        let numbers = DER.sequence([DER.integer(modulus), DER.integer(exponent)])
        self.init(DER.sequence([algorithm, DER.bitString(numbers)]))
        if EVP_PKEY_get_bits(key) < 2048 { return nil }
    }

    /// From X.509's SubjectPublicKeyInfo, the one form that the library reads every key from.
    private init?(_ der: [UInt8]) {
        let key = der.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            return d2i_PUBKEY(nil, &start, buffer.count)
        }
        guard let key else {
            ERR_clear_error()
            return nil
        }
        self.key = key
    }

    deinit { EVP_PKEY_free(key) }

    /// Whether an ed25519 signature, or a PKCS#1 v1.5 one over the message's hash, is right.
    /// - Parameter hash: nil for ed25519, which has its own.
    package func isValid(_ signature: [UInt8], of message: [UInt8], hash: HashAlgorithm?) -> Bool {
        guard let context = EVP_MD_CTX_new() else { return false }
        defer {
            EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        guard EVP_DigestVerifyInit(context, nil, hash?.function, nil, key) == 1 else { return false }
        // Formats that hold the signature as a number lose its leading zeros.
        let size = Int(EVP_PKEY_get_size(key))
        let isNumber = EVP_PKEY_get_base_id(key) == NID_rsaEncryption
        let full = isNumber && signature.count < size ? [UInt8](repeating: 0, count: size - signature.count) + signature : signature
        return EVP_DigestVerify(context, full, full.count, message, message.count) == 1
    }

    /// Whether an ECDSA signature, given as its two numbers, is right.
    package func isValid(r: [UInt8], s: [UInt8], of message: [UInt8], hash: HashAlgorithm) -> Bool {
        isValid(DER.sequence([DER.integer(r), DER.integer(s)]), of: message, hash: hash)
    }
}
