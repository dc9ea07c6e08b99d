internal import CLibcrypto
internal import Glibc

/// An RSA private key that signs as SSH servers of today want it (RFC 8332), for a libssh2 that knows only SHA-1.
// @unchecked: the library's key object is read-only after init and its reference count is atomic.
package final class RSAPrivateKey: @unchecked Sendable {
    /// The hash that goes with a signature, by its SSH name.
    package enum SignatureAlgorithm: String, Sendable {
        case sha256 = "rsa-sha2-256"
        case sha512 = "rsa-sha2-512"
    }

    private let key: OpaquePointer
    /// Public exponent and modulus as SSH multiple-precision integers.
    private let exponent: [UInt8]
    private let modulus: [UInt8]

    /// Reads PEM (PKCS#1, PKCS#8; encrypted or not) and unencrypted OpenSSH files.
    /// - Returns: nil when the text is a private key of another type.
    /// - Throws: ``CryptographyError`` for a wrong passphrase, a damaged key, or an encrypted OpenSSH file.
    package init?(text: String, passphrase: String?) throws(CryptographyError) {
        if text.contains("BEGIN OPENSSH PRIVATE KEY") {
            guard let bytes = PEM.decode(text, label: "OPENSSH PRIVATE KEY") else {
                throw CryptographyError("the private key file is damaged")
            }
            guard let numbers = try Self.openSSHNumbers(bytes) else { return nil }
            key = try Self.key(numbers)
        } else {
            let secret = Array((passphrase ?? "").utf8CString)
            // The source reads from the text's own memory, which has to outlive it.
            let read = Array(text.utf8).withUnsafeBufferPointer { bytes -> OpaquePointer? in
                guard let source = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return nil }
                defer { BIO_free(source) }
                return secret.withUnsafeBufferPointer { secret in
                    PEM_read_bio_PrivateKey(source, nil, passphraseCallback, UnsafeMutableRawPointer(mutating: secret.baseAddress))
                }
            }
            guard let read else { throw .library("reading the private key") }
            guard EVP_PKEY_get_base_id(read) == NID_rsaEncryption else {
                EVP_PKEY_free(read)
                return nil
            }
            key = read
        }
        exponent = Self.number(key, "e")
        modulus = Self.number(key, "n")
    }

    deinit { EVP_PKEY_free(key) }

    /// The public key blob whose first string is `type`: `ssh-rsa` for files, or the signature algorithm where a library takes it from there.
    package func publicBlob(type: String = "ssh-rsa") -> [UInt8] {
        var blob = WireWriter()
        blob.write(string: type)
        blob.write(string: exponent)
        blob.write(string: modulus)
        return blob.bytes
    }

    /// PKCS#1 v1.5 signature over the hash of `message`, without SSH's envelope around it.
    package func signature(of message: UnsafeRawBufferPointer, algorithm: SignatureAlgorithm) throws(CryptographyError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw .library("signing") }
        defer { EVP_MD_CTX_free(context) }
        let hash = algorithm == .sha256 ? EVP_sha256() : EVP_sha512()
        let bytes = message.assumingMemoryBound(to: UInt8.self).baseAddress
        var size = 0
        guard EVP_DigestSignInit(context, nil, hash, nil, key) == 1, EVP_DigestSign(context, nil, &size, bytes, message.count) == 1 else {
            throw .library("signing with the RSA key")
        }
        var signature = [UInt8](repeating: 0, count: size)
        guard EVP_DigestSign(context, &signature, &size, bytes, message.count) == 1 else { throw .library("signing with the RSA key") }
        return Array(signature.prefix(size))
    }
}

extension RSAPrivateKey {
    /// n, e, d, iqmp, p, q of an OpenSSH key file; nil when it holds a key of another type.
    private static func openSSHNumbers(_ bytes: [UInt8]) throws(CryptographyError) -> [[UInt8]]? {
        let damaged = CryptographyError("the private key file is damaged")
        var file = WireReader(bytes)
        guard file.raw(15) == Array("openssh-key-v1".utf8) + [0], let cipher = file.text(), file.string() != nil, file.string() != nil,
            file.number() == 1, let publicBlob = file.string(), let secret = file.string()
        else { throw damaged }
        var publicReader = WireReader(publicBlob)
        guard publicReader.text() == "ssh-rsa" else { return nil }
        guard cipher == "none" else {
            throw CryptographyError(
                "the RSA key file is encrypted in OpenSSH's own format, which this build cannot open; "
                    + "use an ed25519 key, or convert a copy with: ssh-keygen -p -m PEM -f KEYFILE")
        }
        var reader = WireReader(secret)
        guard let check = reader.number(), reader.number() == check, reader.text() == "ssh-rsa" else { throw damaged }
        var numbers: [[UInt8]] = []
        for _ in 0..<6 {
            guard let number = reader.string() else { throw damaged }
            numbers.append(number)
        }
        return numbers
    }

    /// Builds the library's key from n, e, d, iqmp, p, q by way of PKCS#1's DER, the one form every libcrypto reads.
    private static func key(_ numbers: [[UInt8]]) throws(CryptographyError) -> OpaquePointer {
        let (n, e, d, q1, p, q) = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5])
        guard let context = BN_CTX_new() else { throw .library("reading the RSA key") }
        defer { BN_CTX_free(context) }
        func remainder(_ factor: [UInt8]) throws(CryptographyError) -> [UInt8] {
            let values = [BN_bin2bn(d, Int32(d.count), nil), BN_bin2bn(factor, Int32(factor.count), nil), BN_new()]
            defer { for value in values { BN_clear_free(value) } }
            BN_sub_word(values[1], 1)
            guard BN_div(nil, values[2], values[0], values[1], context) == 1 else { throw .library("reading the RSA key") }
            var bytes = [UInt8](repeating: 0, count: (Int(BN_num_bits(values[2])) + 7) / 8)
            BN_bn2bin(values[2], &bytes)
            return [0] + bytes
        }
        let integers = [[0], n, e, d, p, q, try remainder(p), try remainder(q), q1]
        let der = DER.sequence(integers.map(DER.integer))
        var start: UnsafePointer<UInt8>?
        let key = der.withUnsafeBufferPointer { buffer in
            start = buffer.baseAddress
            return d2i_PrivateKey(NID_rsaEncryption, nil, &start, buffer.count)
        }
        guard let key else { throw .library("reading the RSA key") }
        return key
    }

    /// One of the key's public numbers as an SSH mpint: big-endian, a zero byte before a set top bit.
    private static func number(_ key: OpaquePointer, _ name: String) -> [UInt8] {
        var value: OpaquePointer?
        guard EVP_PKEY_get_bn_param(key, name, &value) == 1, let value else { return [] }
        defer { BN_free(value) }
        var bytes = [UInt8](repeating: 0, count: (Int(BN_num_bits(value)) + 7) / 8)
        BN_bn2bin(value, &bytes)
        return (bytes.first ?? 0) & 0x80 == 0 ? bytes : [0] + bytes
    }
}

/// Gives the library the passphrase that rides along as a C string, instead of letting it ask on the terminal.
private func passphraseCallback(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int32, _ writing: Int32, _ context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let buffer, let context else { return -1 }
    let count = min(strlen(context.assumingMemoryBound(to: CChar.self)), Int(size))
    memcpy(buffer, context, count)
    return Int32(count)
}
