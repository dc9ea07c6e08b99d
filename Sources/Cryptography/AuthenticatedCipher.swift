internal import CLibcrypto

/// Opens what an authenticated cipher sealed: the text comes out only when it and what it is bound to are unchanged.
package enum AuthenticatedCipher: Sendable {
    /// AES-256 in Galois/counter mode (NIST SP 800-38D), with a nonce of any length.
    case aes256GCM
    /// RFC 8439, with a nonce of twelve bytes.
    case chaCha20Poly1305

    /// The text, or nil when the key is another's or anything was changed.
    /// - Parameters:
    ///   - tag: sixteen bytes.
    ///   - bound: authenticated and not encrypted.
    package func open(
        _ sealed: some Collection<UInt8>, tag: some Collection<UInt8>, key: [UInt8], nonce: [UInt8], bound: [UInt8] = []
    ) throws(CryptographyError) -> [UInt8]? {
        guard let context = EVP_CIPHER_CTX_new() else { throw .library("preparing to decrypt") }
        defer { EVP_CIPHER_CTX_free(context) }
        guard key.count == 32, tag.count == 16, !nonce.isEmpty, nonce.count <= 64, sealed.count < Int32.max else { return nil }
        let cipher = self == .aes256GCM ? EVP_aes_256_gcm() : EVP_chacha20_poly1305()
        guard EVP_DecryptInit_ex(context, cipher, nil, nil, nil) == 1,
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, Int32(nonce.count), nil) == 1,
            EVP_DecryptInit_ex(context, nil, nil, key, nonce) == 1
        else { throw .library("preparing to decrypt") }
        var count: Int32 = 0
        if !bound.isEmpty, EVP_DecryptUpdate(context, nil, &count, bound, Int32(bound.count)) != 1 { throw .library("decrypting") }
        let input = Array(sealed)
        var output = [UInt8](repeating: 0, count: input.count + 16)
        if !input.isEmpty, EVP_DecryptUpdate(context, &output, &count, input, Int32(input.count)) != 1 { throw .library("decrypting") }
        var tag = Array(tag)
        guard EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, &tag) == 1 else { throw .library("decrypting") }
        var rest: Int32 = 0
        var end = [UInt8](repeating: 0, count: 16)
        guard EVP_DecryptFinal_ex(context, &end, &rest) == 1 else {
            ERR_clear_error()
            return nil
        }
        return Array(output.prefix(Int(input.isEmpty ? 0 : count)))
    }
}
