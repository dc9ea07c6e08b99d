/// An API server's refusal, or that it could not be asked, classed by what the caller does next.
package struct ClusterError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        case notFound
        case conflict
        case alreadyExists
        /// 422: the object itself is wrong; `isImmutable` on the error tells the special case.
        case invalid
        case forbidden
        case unauthorized
        /// 410: the resourceVersion of a watch or page is too old; list anew.
        case expired
        /// 429: come back after `retryAfter`.
        case tooManyRequests
        /// 5xx or a webhook that failed: retry.
        case serverFailure
        /// No answer at all: retry.
        case unreachable
        case badRequest
        /// The server knows no such kind (yet).
        case unknownKind
    }

    package var kind: Kind
    /// Which object or path.
    package var subject: String
    /// The server's own words.
    package var message: String
    package var retryAfter: Duration?

    package init(_ kind: Kind, subject: String, message: String, retryAfter: Duration? = nil) {
        self.kind = kind
        self.subject = subject
        self.message = message
        self.retryAfter = retryAfter
    }

    /// Whether trying the same again later can help.
    package var isTransient: Bool {
        switch kind {
        case .tooManyRequests, .serverFailure, .unreachable, .conflict, .expired: true
        default: false
        }
    }

    package var description: String { "\(subject): \(message)" }
}
