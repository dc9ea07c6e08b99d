internal import CLibcrypto
internal import Glibc

/// The running SHA-1 that git puts behind a pack's last byte. Unlike a plain digest it can be asked in between whether the
/// bytes so far already end with their own checksum, which is the only sign in the stream that a pack is complete.
package struct PackChecksum: ~Copyable {
    private let context: OpaquePointer
    private var tail: [UInt8] = []
    private static let size = 20

    package init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha1(), nil) == 1 else {
            // Only exhausted memory or a libcrypto without SHA-1 get here; neither can be worked around.
            abort()
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    package mutating func update(_ bytes: some Collection<UInt8>) {
        tail += bytes
        let settled = tail.count - Self.size
        guard settled > 0 else { return }
        EVP_DigestUpdate(context, tail, settled)
        tail.removeFirst(settled)
    }

    /// Whether the last 20 bytes are the checksum of all bytes before them.
    package var isComplete: Bool {
        guard tail.count == Self.size, let copy = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(copy) }
        guard EVP_MD_CTX_copy_ex(copy, context) == 1 else { return false }
        var digest = [UInt8](repeating: 0, count: Self.size)
        var size: UInt32 = 0
        return EVP_DigestFinal_ex(copy, &digest, &size) == 1 && digest == tail
    }
}
