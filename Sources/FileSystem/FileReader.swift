internal import Glibc

/// Reads a large file piece by piece.
package final class FileReader {
    private let path: String
    private let descriptor: Int32
    /// Bytes when the file was opened.
    package let size: Int

    /// - Parameter offset: bytes that are skipped.
    package init(_ path: String, from offset: Int = 0) throws(FileError) {
        let status = try Files.status(path)
        guard status.kind == .file else { throw FileError(path: path, operation: "read", reason: "not a regular file", code: EINVAL) }
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("read", path) }
        self.path = path
        size = status.size
        if offset > 0, lseek(descriptor, offset, SEEK_SET) < 0 { throw FileError("read", path) }
    }

    deinit { close(descriptor) }

    /// The next piece of at most `limit` bytes; nil at the end.
    package func next(limit: Int = 1 << 20) throws(FileError) -> [UInt8]? {
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
            repeat { count = Glibc.read(descriptor, buffer.baseAddress, limit) } while count < 0 && errno == EINTR
            filled = max(0, count)
        }
        if count < 0 { throw FileError("read", path) }
        return count == 0 ? nil : bytes
    }
}
