import Cryptography
import HTTP
import Reconciliation
import Synchronization

/// The way to the API server of a kubeconfig, which says when the server does not take what was read from that file any more, or is not
/// believed by it, and the file is another by now: k3s renews its certificates when it starts, and `k3s certificate rotate-ca` all of them.
final class KubeconfigTransport: HTTPTransport {
    private let transport: any HTTPTransport
    private let file: String
    private let digest: String?
    private let isOutdated = Mutex(false)
    /// Rung once, when the file has to be read anew.
    let outdated = Bell()

    /// - Parameter digest: of the file when it was read, by `digest(of:)`.
    init(_ transport: any HTTPTransport, file: String, digest: String?) {
        self.transport = transport
        self.file = file
        self.digest = digest
    }

    /// nil while it cannot be read.
    static func digest(of file: String) -> String? { try? SHA256.hex(ofFile: file) }

    func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse {
        let response = try await judged { try await transport.send(request, timeout: timeout) }
        if response.status == 401 { compare() }
        return response
    }

    func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse {
        let response = try await judged { try await transport.stream(request, timeout: timeout, idleTimeout: idleTimeout) }
        if response.status == 401 { compare() }
        return response
    }

    private func judged<Response>(_ send: () async throws -> Response) async throws -> Response {
        do {
            return try await send()
        } catch let error as HTTPError where error.kind == .untrusted || error.kind == .refused {
            compare()
            throw error
        }
    }

    private func compare() {
        guard let now = Self.digest(of: file), now != digest else { return }
        let isNews = isOutdated.withLock { known -> Bool in
            defer { known = true }
            return !known
        }
        if isNews { outdated.ring() }
    }
}
