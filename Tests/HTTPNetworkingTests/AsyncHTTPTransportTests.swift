import Foundation
import HTTP
import HTTPNetworking
import Synchronization
import Testing

/// Client and server against each other on loopback.
@Suite struct HTTPNetworkingTests {
    @Test func theClientGetsWhatTheServerAnswers() async throws {
        let server = try await HTTPServer(host: "127.0.0.1", port: 0) { request in
            HTTPResponse(status: 200, headers: [("x-seen", request.method + " " + request.url)], body: request.body + Array("!".utf8))
        }
        let client = try AsyncHTTPTransport()
        let answer = try await client.send(
            HTTPRequest(method: "POST", url: "http://127.0.0.1:\(server.port)/a?b=c", body: Array("hello".utf8)), timeout: .seconds(60))
        #expect(answer.status == 200)
        #expect(answer.header("X-Seen") == "POST /a?b=c")
        #expect(String(decoding: answer.body, as: UTF8.self) == "hello!")
        await client.shutdown()
        await server.shutdown()
    }

    @Test func nobodyListeningIsUnreachable() async throws {
        let client = try AsyncHTTPTransport()
        await #expect { try await client.send(HTTPRequest(url: "http://127.0.0.1:1/"), timeout: .seconds(5)) } throws: { error in
            (error as? HTTPError)?.kind == .unreachable && (error as? HTTPError)?.detail == "connection refused"
        }
        await #expect { try await client.send(HTTPRequest(url: "nonsense"), timeout: .seconds(5)) } throws: { error in
            (error as? HTTPError)?.kind == .invalidRequest
        }
        await client.shutdown()
    }

    @Test func aSilentServerCostsATimeoutNotAHang() async throws {
        let server = try await HTTPServer(host: "127.0.0.1", port: 0) { _ in
            try? await Task.sleep(for: .seconds(30))
            return HTTPResponse(status: 200)
        }
        let client = try AsyncHTTPTransport()
        let request = HTTPRequest(url: "http://127.0.0.1:\(server.port)/")
        await #expect { try await client.send(request, timeout: .milliseconds(200)) } throws: { ($0 as? HTTPError)?.kind == .timedOut }
        await #expect { try await client.stream(request, timeout: .milliseconds(200), idleTimeout: nil) } throws: {
            ($0 as? HTTPError)?.kind == .timedOut
        }
        await client.shutdown()
        await server.shutdown()
    }

    @Test func anAnswerThatStopsInTheMiddleCostsATimeoutNotAHang() async throws {
        let peer = try SilentPeer(answer: "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        let client = try AsyncHTTPTransport(silence: .milliseconds(300))
        let request = HTTPRequest(url: "http://127.0.0.1:\(peer.port)/")
        await #expect { try await client.send(request, timeout: .seconds(60)) } throws: { ($0 as? HTTPError)?.kind == .timedOut }
        await client.shutdown()
    }

    @Test func aBodyBeyondTheLimitIsRefused() async throws {
        var limits = HTTPServer.Limits()
        limits.body = 10
        let server = try await HTTPServer(host: "127.0.0.1", port: 0, limits: limits) { _ in HTTPResponse(status: 200) }
        let client = try AsyncHTTPTransport()
        let url = "http://127.0.0.1:\(server.port)/"
        let small = try await client.send(
            HTTPRequest(method: "POST", url: url, body: Array(repeating: 65, count: 10)), timeout: .seconds(60))
        #expect(small.status == 200)
        let large = try? await client.send(
            HTTPRequest(method: "POST", url: url, body: Array(repeating: 65, count: 11)), timeout: .seconds(60))
        #expect(large == nil || large?.status == 413)
        await client.shutdown()
        await server.shutdown()
    }

    @Test func aStreamEndsWhenNothingArrivesAnyMore() async throws {
        let peer = try SilentPeer(answer: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        let client = try AsyncHTTPTransport()
        let answer = try await client.stream(
            HTTPRequest(url: "http://127.0.0.1:\(peer.port)/"), timeout: .seconds(60), idleTimeout: .seconds(3))
        var received = ""
        await #expect {
            for try await chunk in answer.body { received += String(decoding: chunk, as: UTF8.self) }
        } throws: { ($0 as? HTTPError)?.kind == .timedOut }
        #expect(received == "first")
        await client.shutdown()
    }

    @Test func aPeerThatSendsFasterThanIsTakenIsHeldBack() async throws {
        let size = 200 << 20
        let peer = try SilentPeer(answer: "HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n", zeros: size)
        let client = try AsyncHTTPTransport()
        // What nobody takes for longer than that is no silence of the peer's.
        let answer = try await client.stream(
            HTTPRequest(url: "http://127.0.0.1:\(peer.port)/"), timeout: .seconds(60), idleTimeout: .seconds(3))
        var before = -1
        while peer.sent != before {
            before = peer.sent
            try await Task.sleep(for: .seconds(4))
        }
        #expect(before > 0 && before < 50 << 20, "\(before) bytes were sent, and none was taken")
        var received = 0
        for try await chunk in answer.body { received += chunk.count }
        #expect(received == size)
        await client.shutdown()
    }
}

/// Accepts connections, answers the request with one text and so many bytes, and then says nothing for ever.
private final class SilentPeer: Sendable {
    let port: Int
    private let socketDescriptor: Int32
    private let count = Count()
    /// How many of the bytes are on their way.
    var sent: Int { count.value.withLock { $0 } }

    private final class Count: Sendable {
        let value = Mutex(0)
    }

    init(answer: String, zeros: Int = 0) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, size)
                listen(descriptor, 8)
                getsockname(descriptor, $0, &size)
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        socketDescriptor = descriptor
        Thread { [count] in
            while true {
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0 else { return }
                // An answer before the request is no answer: a client may close such a connection.
                var request = [UInt8]()
                var buffer = [UInt8](repeating: 0, count: 4096)
                while !request.suffix(4).elementsEqual(Array("\r\n\r\n".utf8)) {
                    let count = read(connection, &buffer, buffer.count)
                    guard count > 0 else { break }
                    request += buffer[..<count]
                }
                _ = answer.withCString { write(connection, $0, strlen($0)) }
                let block = [UInt8](repeating: 0, count: 1 << 16)
                var left = zeros
                while left > 0 {
                    let written = send(connection, block, min(block.count, left), Int32(MSG_NOSIGNAL))
                    guard written > 0 else { break }
                    left -= written
                    count.value.withLock { $0 += written }
                }
            }
        }.start()
    }

    deinit { close(socketDescriptor) }
}
