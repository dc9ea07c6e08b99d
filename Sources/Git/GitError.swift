internal import CGitSupport
internal import CLibgit2

/// A git operation that failed, classed by what the caller does next.
package struct GitError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// No such repository, reference or object.
        case notFound
        /// The remote cannot be reached now: keep the last good commit, try again.
        case unreachable
        case timedOut
        /// The remote refuses the credentials: a person must look.
        case authentication
        /// The remote's host key or certificate is not the expected one: a person must look.
        case untrusted
        /// The object store holds something that cannot be read.
        case corrupt
        case diskFull
        /// The files of a commit are larger together than ``GitTree/sizeLimit``, or more than ``GitTree/entryLimit``.
        case tooLarge
        case cancelled
        case other
    }

    package let kind: Kind
    /// What was tried, `fetch ssh://…`; credentials are taken out of URLs.
    package let operation: String
    package let message: String

    package init(_ kind: Kind, operation: String, message: String) {
        self.kind = kind
        self.operation = operation
        self.message = message
    }

    package var description: String { "\(operation): \(message)" }

    /// The same failure as part of what was really tried.
    func during(_ operation: String) -> GitError { GitError(kind, operation: operation, message: message) }

    /// Calls libgit2 and, when it fails, reads its error at once, before the thread does anything else.
    static func check(_ operation: @autoclosure () -> String, _ call: () -> Int32) throws(GitError) {
        let code = call()
        guard code < 0 else { return }
        throw last(operation(), code: code)
    }

    /// As ``check``, for what a commit, a tree or a reference of the store names: it has to be there, or the store has lost something.
    static func checkStored(_ operation: @autoclosure () -> String, _ call: () -> Int32) throws(GitError) {
        do throws(GitError) {
            try check(operation(), call)
        } catch {
            throw error.kind == .notFound ? GitError(.corrupt, operation: error.operation, message: error.message) : error
        }
    }

    /// The error of the failed call; libgit2 leaves none behind for some (a refused password).
    static func last(_ operation: String, code: Int32) -> GitError {
        let error = git_error_last()
        let text = error?.pointee.message.map { String(cString: $0) } ?? "libgit2 gives no reason (code \(code))"
        let subsystem = error.map { git_error_t(UInt32($0.pointee.klass)) } ?? GIT_ERROR_NONE
        return GitError(kind(of: code, subsystem, text), operation: operation, message: text)
    }

    private static func kind(of code: Int32, _ subsystem: git_error_t, _ text: String) -> Kind {
        switch git_error_code(code) {
        case GIT_ENOTFOUND, GIT_EUNBORNBRANCH: return .notFound
        case GIT_EAUTH: return .authentication
        case GIT_ECERTIFICATE: return .untrusted
        case GIT_EUSER: return .cancelled
        default: break
        }
        if text.contains("No space left") || text.contains("Disk quota exceeded") { return .diskFull }
        switch subsystem {
        case GIT_ERROR_ODB, GIT_ERROR_ZLIB, GIT_ERROR_INDEXER, GIT_ERROR_OBJECT, GIT_ERROR_SHA: return .corrupt
        case GIT_ERROR_NET, GIT_ERROR_SSH, GIT_ERROR_HTTP, GIT_ERROR_SSL: return .unreachable
        default: return .other
        }
    }
}
