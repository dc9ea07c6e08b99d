import Foundation
import HTTP
import HomelabTestSupport

/// HTTP/1.1 over a plain socket, for servers on loopback: a connection for every request, whole answers, redirects given back.
struct LoopbackHTTP: HTTPTransport {
    func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Result { try Self.exchange(request) }) }
        }
    }

    func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse {
        let answer = try await send(request, timeout: timeout)
        let (body, pieces) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
        pieces.yield(answer.body)
        pieces.finish()
        return HTTPStreamingResponse(status: answer.status, headers: answer.headers, body: body)
    }

    private static func exchange(_ request: HTTPRequest) throws -> HTTPResponse {
        guard let url = URL(string: request.url), let host = url.host, let port = url.port else {
            throw HTTPError(.invalidRequest, url: request.url, detail: "no URL of a port")
        }
        let socket = FileHandle(fileDescriptor: try Loopback.connect(port), closeOnDealloc: true)
        let place = url.path + (url.query.map { "?" + $0 } ?? "")
        var head = "\(request.method) \(place) HTTP/1.1\r\nHost: \(host):\(port)\r\nConnection: close\r\n"
        head += "Content-Length: \(request.body.count)\r\n"
        for (name, value) in request.headers { head += "\(name): \(value)\r\n" }
        try socket.write(contentsOf: Data((head + "\r\n").utf8) + Data(request.body))
        let answer = try socket.readToEnd() ?? Data()
        guard let end = answer.range(of: Data("\r\n\r\n".utf8)) else {
            throw HTTPError(.connectionLost, url: request.url, detail: "no whole answer")
        }
        let lines = String(decoding: answer[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let headers = lines.dropFirst().compactMap { line -> (name: String, value: String)? in
            let halves = line.components(separatedBy: ": ")
            return halves.count < 2 ? nil : (halves[0], halves.dropFirst().joined(separator: ": "))
        }
        let status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return HTTPResponse(status: status, headers: headers, body: [UInt8](answer[end.upperBound...]))
    }
}
