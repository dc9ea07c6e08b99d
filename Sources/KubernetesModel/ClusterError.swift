/// An API server's refusal, or that it could not be asked, classed by what the caller does next.
package struct ClusterError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        case notFound
        case conflict
        case alreadyExists
        /// 422: the object itself is wrong; `isImmutableFieldError` tells the special case.
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
        /// It was asked and did not answer in time: an admission webhook behind it may hang while all else goes on.
        case timedOut
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
    /// The fields the server named, as far as it did.
    package var causes: [Cause]

    /// One field the server objects to: an entry of `details.causes` in its Status answer.
    package struct Cause: Hashable, Sendable {
        /// `spec.selector`; empty when the server names none.
        package var field: String
        /// `FieldValueInvalid`, `FieldValueForbidden`, `FieldManagerConflict` ...
        package var reason: String
        package var message: String

        package init(field: String, reason: String, message: String) {
            self.field = field
            self.reason = reason
            self.message = message
        }
    }

    package init(_ kind: Kind, subject: String, message: String, retryAfter: Duration? = nil, causes: [Cause] = []) {
        self.kind = kind
        self.subject = subject
        self.message = message
        self.retryAfter = retryAfter
        self.causes = causes
    }

    /// Whether trying the same again later can help.
    package var isTransient: Bool {
        switch kind {
        case .tooManyRequests, .serverFailure, .unreachable, .timedOut, .conflict, .expired: true
        default: false
        }
    }

    /// Whether the server refuses only because fields that can never change would change, so that deleting and creating anew would pass.
    /// True only when every cause it gives says so in the words of Kubernetes' own validation: a typo beside it, or a refusal for any
    /// other reason, must never cost a healthy object its life.
    package var isImmutableFieldError: Bool {
        kind == .invalid && !causes.isEmpty && causes.allSatisfy(\.isImmutableField)
    }

    package var description: String { "\(subject): \(message)" }
}

extension ClusterError.Cause {
    /// There is no code for it in the API: `FieldValueInvalid` and `FieldValueForbidden` stand for typos too, so the sentence decides.
    var isImmutableField: Bool {
        guard reason == "FieldValueInvalid" || reason == "FieldValueForbidden" else { return false }
        return Self.immutableEndings.contains { message.hasSuffix($0) } || Self.immutableBeginnings.contains { message.hasPrefix($0) }
    }

    /// k8s.io/kubernetes pkg/apis/*/validation and apimachinery `FieldImmutableErrorMsg`.
    private static let immutableEndings = [
        "field is immutable",
        "field is immutable when `immutable` is set",
        "may not change once set",
        "cannot change roleRef",
        "is immutable after creation",
        "updates to parameters are forbidden.",
        "updates to provisioner are forbidden.",
        "updates to reclaimPolicy are forbidden.",
    ]

    private static let immutableBeginnings = [
        "Forbidden: updates to statefulset spec for fields other than",
        "Forbidden: pod updates may not change fields other than",
        "Forbidden: spec is immutable after creation except",
        "Forbidden: is immutable after creation except",
        "Forbidden: updates to parameters are forbidden",
        "Forbidden: updates to provisioner are forbidden",
        "Forbidden: updates to reclaimPolicy are forbidden",
    ]
}
