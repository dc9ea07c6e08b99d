import Foundation
import HTTP
import NodeInventory
import Synchronization
import Testing

@testable import Provisioning

/// What is kept of downloads.
@Suite struct BinaryCacheTests {
    /// Gives each URL's list of sums, and counts.
    private final class Web: HTTPTransport {
        let lists: Mutex<[String: String]>
        let asked = Mutex<[String]>([])

        init(_ lists: [String: String]) { self.lists = Mutex(lists) }

        func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse {
            HTTPResponse(status: 404, headers: [], body: [])
        }

        func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse {
            asked.withLock { $0.append(request.url) }
            let text = lists.withLock { lists in lists.first { request.url.hasPrefix($0.key) }?.value }
            let (body, feed) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
            feed.yield(Array((text ?? "").utf8))
            feed.finish()
            return HTTPStreamingResponse(status: text == nil ? 404 : 200, headers: [], body: body)
        }
    }

    private static func list(_ digit: Character) -> String { String(repeating: digit, count: 64) + "  k3s\n" }

    private func withStore(_ web: Web, _ body: (BinaryStore, K3sSpec) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "homelab-cache-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(BinaryStore(cache: folder, transport: web), K3sSpec(version: #require(K3sVersion("v1.33.4+k3s1"))))
    }

    @Test func `what a mirror said is not believed of the release page`() async throws {
        let web = Web(["https://bad.example": Self.list("b"), BinaryStore.releasePage: Self.list("a")])
        try await withStore(web) { store, release in
            var mirrored = release
            mirrored.source = .mirror("https://bad.example")
            for (spec, digit) in [(mirrored, "b"), (release, "a"), (mirrored, "b"), (release, "a")] as [(K3sSpec, Character)] {
                let sum = try await store.expectedSHA256(spec, architecture: .amd64, folderBase: "/")
                #expect(sum == String(repeating: digit, count: 64))
            }
            #expect(web.asked.withLock { $0.count } == 2, "each list is kept")
        }
    }

    @Test func `a lock asks the source, whatever is kept`() async throws {
        let web = Web([BinaryStore.releasePage: Self.list("b")])
        try await withStore(web) { store, release in
            _ = try await store.expectedSHA256(release, architecture: .amd64, folderBase: "/")
            web.lists.withLock { $0[BinaryStore.releasePage] = Self.list("a") }
            let lock = try await ReleaseLock(release, store: store, folderBase: "/")
            #expect(lock.sums[.amd64] == String(repeating: "a", count: 64))
            let kept = try await store.expectedSHA256(release, architecture: .amd64, folderBase: "/")
            #expect(kept == String(repeating: "a", count: 64), "and keeps what it said")
        }
    }
}
