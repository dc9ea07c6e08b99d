import Foundation
import HTTP
import Synchronization
import Testing

/// A transport that answers what it was told to and reports every other request as a test failure.
final class ScriptedTransport: HTTPTransport {
    struct Answer: Sendable {
        var status = 200
        var headers: [(name: String, value: String)] = []
        var body = ""
        /// Instead of an answer.
        var error: HTTPError?
    }

    private struct State {
        var answers: [String: [Answer]] = [:]
        var requests: [HTTPRequest] = []
    }

    static let server = "https://cluster.test:6443"
    private let state = Mutex(State())

    var requests: [HTTPRequest] { state.withLock { $0.requests } }
    /// `GET /api/v1`, in the order they came.
    var lines: [String] { requests.map { "\($0.method) \($0.url.dropFirst(Self.server.count))" } }

    /// The next answers to one request line, in turn; the last one stays.
    func on(_ line: String, _ answers: Answer...) { state.withLock { $0.answers[line, default: []] += answers } }

    /// The plain lists of a server without aggregated discovery.
    func servePlainDiscovery() throws {
        on("GET /api", Answer(body: #"{"kind": "APIVersions", "versions": ["v1"]}"#))
        on(
            "GET /apis",
            Answer(
                body:
                    #"{"kind": "APIGroupList", "groups": [{"name": "apps", "versions": [{"groupVersion": "apps/v1beta1"}, {"groupVersion": "apps/v1"}], "preferredVersion": {"groupVersion": "apps/v1"}}]}"#
            ))
        on("GET /api/v1", Answer(body: try fixture("discovery/api-v1.json")))
        on("GET /apis/apps/v1", Answer(body: try fixture("discovery/apis-apps-v1.json")))
    }

    func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse {
        let answer = try answer(request)
        return HTTPResponse(status: answer.status, headers: answer.headers, body: Array(answer.body.utf8))
    }

    func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse {
        let answer = try answer(request)
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: [UInt8].self, throwing: (any Error).self)
        // Cut where no line ends, as a network does.
        var rest = Array(answer.body.utf8)[...]
        while !rest.isEmpty {
            continuation.yield(Array(rest.prefix(7)))
            rest = rest.dropFirst(7)
        }
        continuation.finish()
        return HTTPStreamingResponse(status: answer.status, headers: answer.headers, body: stream)
    }

    private func answer(_ request: HTTPRequest) throws -> Answer {
        let line = "\(request.method) \(request.url.dropFirst(Self.server.count))"
        // The length of a watch is drawn by lot.
        let key = line.replacing(/&timeoutSeconds=\d+/, with: "")
        let answer = state.withLock { state -> Answer? in
            state.requests.append(request)
            guard var left = state.answers[key], let next = left.first else { return nil }
            if left.count > 1 { left.removeFirst() }
            state.answers[key] = left
            return next
        }
        guard let answer else {
            Issue.record("unexpected request: \(key)")
            throw HTTPError(.invalidRequest, url: request.url, detail: "unexpected in this test")
        }
        if let error = answer.error { throw error }
        return answer
    }
}

func fixture(_ path: String) throws -> String {
    try String(contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/" + path), encoding: .utf8)
}
