internal import Glibc

/// A file operation that the system refused, in words: what was tried, on which path, and the system's reason.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    package let path: String
    /// What was tried, as a verb: "read", "write", "list".
    package let operation: String
    /// The system's reason, for example "No such file or directory".
    package let reason: String
    /// The errno behind the reason, for callers that decide by it (ENOENT, EACCES, ENOSPC); 0 when there is none.
    package let code: Int32

    package init(path: String, operation: String, reason: String, code: Int32 = 0) {
        self.path = path
        self.operation = operation
        self.reason = reason
        self.code = code
    }

    /// Takes errno: call it right after the failed call.
    init(_ operation: String, _ path: String) {
        let code = errno
        self.init(path: path, operation: operation, reason: String(cString: strerror(code)), code: code)
    }

    /// The path is not there.
    package var isNotFound: Bool { code == ENOENT || code == ENOTDIR }

    package var description: String { "cannot \(operation) \(path): \(reason)" }
}
