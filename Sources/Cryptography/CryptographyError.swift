internal import CLibcrypto

/// An operation of the cryptography library that failed, or key material that cannot be used; the text says what to do about it.
package struct CryptographyError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }

    /// Reads and clears the library's own error of this thread.
    static func library(_ operation: String) -> CryptographyError {
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return CryptographyError("\(operation) failed") }
        var buffer = [CChar](repeating: 0, count: 256)
        ERR_error_string_n(code, &buffer, buffer.count)
        let text = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return CryptographyError("\(operation) failed: \(text)")
    }
}
