internal import Glibc

/// POSIX files without Foundation: paths are strings, contents are bytes, errors say path and reason.
package enum Files {
    /// The whole file.
    /// - Parameter limit: refuse files that are larger than this many bytes.
    package static func read(_ path: String, limit: Int = .max) throws(FileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("read", path) }
        defer { close(descriptor) }
        var status = Glibc.stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError("read", path) }
        if status.st_mode & S_IFMT == S_IFDIR {
            throw FileError(path: path, operation: "read", reason: String(cString: strerror(EISDIR)), code: EISDIR)
        }
        if Int(status.st_size) > limit { throw FileError(path: path, operation: "read", reason: "larger than \(limit) bytes", code: EFBIG) }
        var bytes: [UInt8] = []
        // One byte more than the size says, so that a regular file ends in a single read; /proc files say 0.
        var room = max(Int(status.st_size) + 1, 4096)
        bytes.reserveCapacity(room)
        while true {
            let want = room
            var got = 0
            bytes.append(
                contentsOf: [UInt8](unsafeUninitializedCapacity: want) { buffer, count in
                    repeat { got = Glibc.read(descriptor, buffer.baseAddress, want) } while got < 0 && errno == EINTR
                    count = max(got, 0)
                })
            if got < 0 { throw FileError("read", path) }
            if bytes.count > limit {
                throw FileError(path: path, operation: "read", reason: "larger than \(limit) bytes", code: EFBIG)
            }
            // A regular file gives less than asked for only at its end.
            if got == 0 || got < want && status.st_mode & S_IFMT == S_IFREG && status.st_size > 0 { return bytes }
            room = 65536
        }
    }

    /// The whole file as UTF-8 text; bytes that are no UTF-8 are an error, not replaced.
    package static func readText(_ path: String, limit: Int = .max) throws(FileError) -> String {
        guard let text = String(validating: try read(path, limit: limit), as: UTF8.self) else {
            throw FileError(path: path, operation: "read", reason: "not UTF-8 text")
        }
        return text
    }

    /// Replaces the file in one step: readers see the old contents or the new, also after a power cut.
    /// - Parameter mode: permission bits of the new file, from its first moment (the process's umask does not change them).
    package static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o644) throws(FileError) {
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: .min ... .max)).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
        guard descriptor >= 0 else { throw FileError("write", path) }
        do throws(FileError) {
            try writeAll(bytes, to: descriptor, path: path)
            guard fchmod(descriptor, mode_t(mode)) == 0, fsync(descriptor) == 0 else { throw FileError("write", path) }
        } catch {
            close(descriptor)
            unlink(temporary)
            throw error
        }
        close(descriptor)
        guard rename(temporary, path) == 0 else {
            let error = FileError("write", path)
            unlink(temporary)
            throw error
        }
        synchronizeDirectory(of: path)
    }

    /// Replaces the file in one step with UTF-8 text.
    package static func write(_ text: String, to path: String, mode: UInt32 = 0o644) throws(FileError) {
        try write(Array(text.utf8), to: path, mode: mode)
    }

    /// Adds to the end of the file, making it (with `mode`) when it is not there.
    /// - Parameter durably: return only when a power cut cannot take it away any more.
    package static func append(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o644, durably: Bool = false) throws(FileError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, mode_t(mode))
        guard descriptor >= 0 else { throw FileError("append to", path) }
        defer { close(descriptor) }
        try writeAll(bytes, to: descriptor, path: path)
        if durably, fdatasync(descriptor) != 0 { throw FileError("append to", path) }
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(FileError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, bytes.count - written) }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError("write", path)
            }
            written += count
        }
    }

    /// Makes a rename durable. A file system that cannot do it (some network ones) has kept the rename anyway: no error.
    private static func synchronizeDirectory(of path: String) {
        let descriptor = open(directoryName(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}
