import Cryptography
import Diagnostics
import FileSystem
import Foundation
import Glibc
import HTTP
import HTTPNetworking
import HomelabTestSupport
import NodeInventory
import Synchronization
import Testing

@testable import Provisioning

/// k3s from a release page, which a real HTTP server on loopback stands for.
@Suite struct BinaryDownloadTests {
    static let file = Array("a k3s".utf8)
    static let list = "/v1.33.4%2Bk3s1/sha256sum-amd64.txt"
    static let asset = "/v1.33.4%2Bk3s1/k3s"

    /// What is answered by path, and what was asked for.
    final class Page: Sendable {
        let answers: Mutex<[String: HTTPResponse]>
        let asked = Mutex<[String]>([])

        init(_ answers: [String: HTTPResponse]) { self.answers = Mutex(answers) }

        func answer(_ request: HTTPRequest) -> HTTPResponse {
            asked.withLock { $0.append(request.url) }
            return answers.withLock { $0[request.url] } ?? HTTPResponse(status: 404)
        }
    }

    /// Takes the release page to loopback; all other URLs are asked as they are.
    private struct Rerouted: HTTPTransport {
        let client: AsyncHTTPTransport
        let base: String

        func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse {
            try await client.send(rerouted(request), timeout: timeout)
        }

        func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse {
            try await client.stream(rerouted(request), timeout: timeout, idleTimeout: idleTimeout)
        }

        private func rerouted(_ request: HTTPRequest) -> HTTPRequest {
            var request = request
            request.url = request.url.replacingOccurrences(of: BinaryStore.releasePage, with: base)
            return request
        }
    }

    static func sums(of file: [UInt8]) -> HTTPResponse {
        HTTPResponse(status: 200, body: Array("\(SHA256.hex(of: file))  k3s\n".utf8))
    }

    static func spec(_ source: K3sSource, pin: String? = nil) throws -> K3sSpec {
        var spec = K3sSpec(version: try #require(K3sVersion("v1.33.4+k3s1")))
        spec.source = source
        if let pin { spec.sha256 = [.amd64: pin] }
        return spec
    }

    static func kept(in cache: String) -> [String] {
        let paths = (FileManager.default.subpaths(atPath: cache) ?? []).filter { !Files.isDirectory(cache + "/" + $0) }
        return paths.map { Files.baseName($0) }.sorted()
    }

    func withStore(
        at url: String, followsRedirects: Bool = true, _ body: (_ store: BinaryStore, _ cache: String) async throws -> Void
    ) async throws {
        let cache = NSTemporaryDirectory() + "homelab-download-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: cache) }
        let client = try AsyncHTTPTransport(followsRedirects: followsRedirects)
        try await body(BinaryStore(cache: cache, transport: Rerouted(client: client, base: url)), cache)
        await client.shutdown()
    }

    func withPage(
        _ page: Page, followsRedirects: Bool = true, _ body: (_ url: String, _ store: BinaryStore, _ cache: String) async throws -> Void
    ) async throws {
        let server = try await HTTPServer(host: "127.0.0.1", port: 0) { page.answer($0) }
        let url = "http://127.0.0.1:\(server.port)"
        try await withStore(at: url, followsRedirects: followsRedirects) { store, cache in try await body(url, store, cache) }
        await server.shutdown()
    }

    /// As the release page has it: the file itself lies elsewhere, and either the client or the store goes there.
    @Test(arguments: [true, false]) func `a release is fetched by way of a redirect`(_ clientFollows: Bool) async throws {
        let page = Page([Self.list: Self.sums(of: Self.file), "/objects/1": HTTPResponse(status: 200, body: Self.file)])
        try await withPage(page, followsRedirects: clientFollows) { url, store, cache in
            page.answers.withLock { $0[Self.asset] = HTTPResponse(status: 302, headers: [("location", url + "/objects/1")]) }
            let seen = Mutex<[Int64]>([])
            let binary = try await store.k3s(Self.spec(.release), architecture: .amd64, folderBase: "/") { done, whole in
                seen.withLock { $0 = [done, whole] }
            }
            #expect(binary.sha256 == SHA256.hex(of: Self.file))
            #expect(try Files.read(binary.path) == Self.file)
            #expect(Self.kept(in: cache) == ["k3s", "sha256sum-amd64.txt"])
            let length = Int64(Self.file.count)
            #expect(seen.withLock { $0 } == [length, length])
        }
        #expect(page.asked.withLock { $0 } == [Self.list, Self.asset, "/objects/1"])
    }

    @Test func `what is in the cache is not asked for again, and what was damaged there is`() async throws {
        let page = Page([Self.list: Self.sums(of: Self.file), Self.asset: HTTPResponse(status: 200, body: Self.file)])
        try await withPage(page) { url, store, _ in
            let spec = try Self.spec(.mirror(url))
            let first = try await store.k3s(spec, architecture: .amd64, folderBase: "/")
            let second = try await store.k3s(spec, architecture: .amd64, folderBase: "/")
            #expect(second == first)
            #expect(page.asked.withLock { $0 } == [Self.list, Self.asset])
            try Files.write("damaged", to: first.path)
            let third = try await store.k3s(spec, architecture: .amd64, folderBase: "/")
            #expect(third == first)
            #expect(try Files.read(first.path) == Self.file)
            #expect(page.asked.withLock { $0 } == [Self.list, Self.asset, Self.asset])
        }
    }

    @Test func `what the page does not have is told with its URL`() async throws {
        let page = Page([:])
        try await withPage(page) { url, store, cache in
            let spec = try Self.spec(.mirror(url))
            let unlisted = await #expect(throws: Diagnostic.self) { try await store.k3s(spec, architecture: .amd64, folderBase: "/") }
            #expect(
                unlisted
                    == Diagnostic(
                        .error, "the server does not give the file", subject: url + Self.list, cause: "HTTP status 404",
                        remedy: "Check `k3s.version` and `k3s.source` in the inventory."))
            #expect(Self.kept(in: cache).isEmpty)
            page.answers.withLock {
                $0[Self.list] = Self.sums(of: Self.file)
                $0[Self.asset] = HTTPResponse(status: 503, body: Array("overloaded".utf8))
            }
            let refused = await #expect(throws: Diagnostic.self) { try await store.k3s(spec, architecture: .amd64, folderBase: "/") }
            #expect(refused?.subject == url + Self.asset && refused?.cause == "HTTP status 503" && refused?.remedy == "Try again later.")
            #expect(Self.kept(in: cache) == ["sha256sum-amd64.txt"])
        }
    }

    /// More than the store holds back before it writes, and like itself nowhere.
    static let long = (0..<3 << 20).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }

    @Test(arguments: [true, false]) func `what broke off is gone on with where the server can do that`(_ hasRanges: Bool) async throws {
        let page = try BreakingPage(Self.long, breakingOff: 1, hasRanges: hasRanges)
        let url = "http://127.0.0.1:\(page.port)"
        try await withStore(at: url) { store, cache in
            let spec = try Self.spec(.mirror(url), pin: SHA256.hex(of: Self.long))
            let broken = await #expect(throws: Diagnostic.self) {
                try await store.k3s(spec, architecture: .amd64, folderBase: "/") { _, _ in page.isTaken.withLock { $0 = true } }
            }
            #expect(broken?.summary == "cannot download" && broken?.subject == url + Self.asset, "\(String(describing: broken))")
            #expect(broken?.cause?.isEmpty == false && broken?.remedy?.hasSuffix("then run again.") == true)
            #expect(Self.kept(in: cache) == ["k3s.part"])
            let size = try Self.part(in: cache).size
            let seen = Mutex<[Int64]>([])
            let binary = try await store.k3s(spec, architecture: .amd64, folderBase: "/") { done, whole in
                seen.withLock { $0 = [done, whole] }
            }
            #expect(try Files.read(binary.path) == Self.long)
            #expect(Self.kept(in: cache) == ["k3s"])
            #expect(seen.withLock { $0 } == [3 << 20, 3 << 20])
            #expect(size > 0 && page.asked.withLock { $0 } == [0, size])
        }
    }

    /// What is there may be of another file of that name, or more than there is.
    @Test(arguments: [1 << 20, 4 << 20]) func `a beginning that does not fit is fetched anew`(_ size: Int) async throws {
        let page = try BreakingPage(Self.long, breakingOff: 1, hasRanges: true)
        let url = "http://127.0.0.1:\(page.port)"
        try await withStore(at: url) { store, cache in
            let spec = try Self.spec(.mirror(url), pin: SHA256.hex(of: Self.long))
            await #expect(throws: Diagnostic.self) {
                try await store.k3s(spec, architecture: .amd64, folderBase: "/") { _, _ in page.isTaken.withLock { $0 = true } }
            }
            try Files.write([UInt8](repeating: 7, count: size), to: Self.part(in: cache).path)
            let binary = try await store.k3s(spec, architecture: .amd64, folderBase: "/")
            #expect(try Files.read(binary.path) == Self.long)
            #expect(Self.kept(in: cache) == ["k3s"])
            #expect(page.asked.withLock { $0 } == [0, size, 0])
        }
    }

    private static func part(in cache: String) throws -> (path: String, size: Int) {
        let name = try #require(FileManager.default.subpaths(atPath: cache)?.first { $0.hasSuffix(".part") })
        return (cache + "/" + name, try Files.status(cache + "/" + name).size)
    }

    @Test func `another file than the pinned or the listed one is refused and not kept`() async throws {
        let page = Page([
            Self.list: Self.sums(of: Array("another k3s".utf8)), Self.asset: HTTPResponse(status: 200, body: Self.file),
        ])
        try await withPage(page) { url, store, cache in
            let (pin, sum) = (String(repeating: "a", count: 64), SHA256.hex(of: Self.file))
            let pinned = try Self.spec(.mirror(url), pin: pin)
            let refused = await #expect(throws: Diagnostic.self) { try await store.k3s(pinned, architecture: .amd64, folderBase: "/") }
            #expect(refused?.summary == "the k3s binary is not the one that was expected" && refused?.subject == url + Self.asset)
            #expect(refused?.cause == "its sha256 is \(sum), the inventory pins \(pin)")
            #expect(refused?.remedy == "If the version was changed on purpose, run `homelab lock`; otherwise do not use this file.")
            #expect(Self.kept(in: cache).isEmpty)
            #expect(page.asked.withLock { $0 } == [Self.asset], "a pin needs no list")
            let listed = try Self.spec(.mirror(url))
            let unlike = await #expect(throws: Diagnostic.self) { try await store.k3s(listed, architecture: .amd64, folderBase: "/") }
            #expect(unlike?.cause?.hasPrefix("its sha256 is \(sum), the release's list says ") == true)
            #expect(unlike?.remedy == "Fetch the file again; if it stays so, do not use it.")
            #expect(Self.kept(in: cache) == ["sha256sum-amd64.txt"])
        }
    }
}

/// Gives one file at every URL; of the first answers only a half, behind which the connection ends.
final class BreakingPage: Sendable {
    let port: Int
    /// The bytes from which on the file was asked for.
    let asked: Mutex<[Int]>
    /// Whoever asks says so when some of a half is in its file: it may drop what it has not read yet when the connection ends.
    let isTaken = Mutex(false)
    private let listener: Int32

    init(_ file: [UInt8], breakingOff: Int, hasRanges: Bool = false) throws {
        (listener, port) = try Loopback.listen()
        asked = Mutex([])
        Thread.detachNewThread { [weak self, listener] in
            var left = breakingOff
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                let asked = Self.firstByte(Self.readHead(connection))
                self?.asked.withLock { $0.append(asked) }
                let rest = hasRanges ? file.dropFirst(asked) : file[...]
                var head = "HTTP/1.1 200 OK"
                if hasRanges, asked > 0 {
                    let range = "\r\nContent-Range: bytes "
                    head =
                        rest.isEmpty
                        ? "HTTP/1.1 416 Range Not Satisfiable\(range)*/\(file.count)"
                        : "HTTP/1.1 206 Partial Content\(range)\(asked)-\(file.count - 1)/\(file.count)"
                }
                head += "\r\nContent-Length: \(rest.count)\r\nConnection: close\r\n\r\n"
                Self.write(Array(head.utf8) + rest.prefix(left > 0 ? file.count / 2 : file.count), to: connection)
                while left > 0, self?.isTaken.withLock({ $0 }) == false { usleep(10_000) }
                left -= 1
                close(connection)
            }
        }
    }

    deinit {
        shutdown(listener, 2)
        close(listener)
    }

    private static func readHead(_ connection: Int32) -> String {
        var head: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !head.suffix(4).elementsEqual(Array("\r\n\r\n".utf8)) {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            head += buffer[..<count]
        }
        return String(decoding: head, as: UTF8.self)
    }

    private static func firstByte(_ head: String) -> Int {
        let range = head.lowercased().components(separatedBy: "\r\nrange: bytes=").dropFirst().first
        return range.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
    }

    private static func write(_ bytes: [UInt8], to connection: Int32) {
        var sent = 0
        while sent < bytes.count {
            let step = bytes[sent...].withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard step > 0 else { return }
            sent += step
        }
    }
}
