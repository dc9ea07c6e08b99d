import Foundation
import HTTP
import Reconciliation
import Testing

@testable import HomelabCLI

@Suite struct KubeconfigTransportTests {
    /// Answers everything with one status, or not at all.
    private struct Answering: HTTPTransport {
        var status = 200
        var error: HTTPError.Kind?

        func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse {
            if let error { throw HTTPError(error, url: request.url, detail: "in this test") }
            return HTTPResponse(status: status)
        }

        func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse {
            let answer = try await send(request, timeout: timeout)
            return HTTPStreamingResponse(status: answer.status, headers: [], body: AsyncThrowingStream { $0.finish() })
        }
    }

    /// Whether it says that the kubeconfig has to be read anew, after one request and one stream.
    private func saysOutdated(_ answering: Answering, changing: Bool) async throws -> Bool {
        let file = NSTemporaryDirectory() + "homelab-kubeconfig-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: file) }
        try "certificate: old\n".write(toFile: file, atomically: true, encoding: .utf8)
        let transport = KubeconfigTransport(answering, file: file, digest: KubeconfigTransport.digest(of: file))
        if changing { try "certificate: new\n".write(toFile: file, atomically: true, encoding: .utf8) }
        // A bell counts as rung at first.
        _ = transport.outdated.takeWholeLook()
        let request = HTTPRequest(url: "https://127.0.0.1:6443/readyz")
        _ = try? await transport.send(request, timeout: .seconds(1))
        _ = try? await transport.stream(request, timeout: .seconds(1), idleTimeout: nil)
        return transport.outdated.takeWholeLook()
    }

    @Test func `a kubeconfig that was renewed is read anew once the server does not take the old one`() async throws {
        #expect(try await saysOutdated(Answering(status: 401), changing: true))
        #expect(try await saysOutdated(Answering(error: .untrusted), changing: true))
        #expect(try await saysOutdated(Answering(error: .refused), changing: true))
    }

    @Test func `nothing is read anew where that would change nothing`() async throws {
        #expect(try await !saysOutdated(Answering(status: 401), changing: false))
        #expect(try await !saysOutdated(Answering(error: .untrusted), changing: false))
        #expect(try await !saysOutdated(Answering(status: 200), changing: true))
        #expect(try await !saysOutdated(Answering(status: 403), changing: true))
        #expect(try await !saysOutdated(Answering(error: .unreachable), changing: true))
    }
}
