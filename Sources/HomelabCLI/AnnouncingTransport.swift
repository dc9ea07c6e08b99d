import HTTP
import Synchronization

/// Says what is waited for when a server takes its time, so that nobody sits before a terminal on which nothing happens.
final class AnnouncingTransport: HTTPTransport {
    private let transport: any HTTPTransport
    private let server: String
    private let patience: Duration
    private let tell: @Sendable (String) -> Void
    private let isTold = Mutex(false)

    /// - Parameters:
    ///   - server: what people know it by.
    ///   - patience: how long an answer may take in silence.
    ///   - tell: gets one line, and another one only when the server has answered in between.
    init(_ transport: any HTTPTransport, server: String, patience: Duration = .seconds(5), tell: @escaping @Sendable (String) -> Void) {
        self.transport = transport
        self.server = server
        self.patience = patience
        self.tell = tell
    }

    func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse {
        let announcement = Task {
            try await Task.sleep(for: patience)
            let isNews = isTold.withLock { isTold in
                defer { isTold = true }
                return !isTold
            }
            if isNews { tell("waits for \(server) to answer, \(timeout.components.seconds) s at most") }
        }
        defer { announcement.cancel() }
        let response = try await transport.send(request, timeout: timeout)
        isTold.withLock { $0 = false }
        return response
    }

    func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse {
        try await transport.stream(request, timeout: timeout, idleTimeout: idleTimeout)
    }
}
