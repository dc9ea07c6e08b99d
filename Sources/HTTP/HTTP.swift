/// A request by absolute URL; header names are matched without case.
package struct HTTPRequest: Sendable {
    package var method: String
    package var url: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(method: String = "GET", url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

/// An answer whose body has been read whole.
package struct HTTPResponse: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    package func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// The start of an answer whose body is still arriving: a watch, a pack, a log.
package struct HTTPStreamingResponse: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    /// Chunks as they arrive; ends when the peer ends the body, throws `HTTPError` when the connection is lost.
    package var body: AsyncThrowingStream<[UInt8], any Error>

    package init(status: Int, headers: [(name: String, value: String)], body: AsyncThrowingStream<[UInt8], any Error>) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// What the project needs of an HTTP client; implemented on async-http-client in HTTPNetworking, by fakes in tests.
package protocol HTTPTransport: Sendable {
    /// Sends and reads the whole answer. Any status is an answer; throws `HTTPError` when there was none within `timeout`.
    func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse

    /// Sends and returns as soon as the head of the answer is there (within `timeout`); the body may take for ever.
    /// `idleTimeout` ends a body on which nothing arrived for that long.
    func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse
}

/// Why there was no answer, classed by what the caller can do about it.
package struct HTTPError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// Nobody listens there, no route, or the name is unknown: try again later.
        case unreachable
        case timedOut
        /// The connection ended in the middle: try again.
        case connectionLost
        /// The peer's certificate is not to be trusted: a person must look.
        case untrusted
        /// The peer wants a certificate, or another one than it is shown: a person must look.
        case refused
        case invalidRequest
    }

    package let kind: Kind
    package let url: String
    package let detail: String

    package init(_ kind: Kind, url: String, detail: String) {
        self.kind = kind
        self.url = url
        self.detail = detail
    }

    package var description: String { "\(url): \(detail)" }
}
