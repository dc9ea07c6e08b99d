internal import AsyncHTTPClient
internal import Glibc
package import HTTP
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// The project's HTTP client, on async-http-client: a bounded pool of kept connections per host, TLS with a private CA and client certificates.
package final class AsyncHTTPTransport: HTTPTransport {
    private let client: HTTPClient
    /// Streams have connections of their own: they last, and would in the end leave none for requests.
    private let streaming: HTTPClient
    /// The largest body that is read whole; more is an error, so that no peer can exhaust the memory.
    private let bodyLimit: Int

    /// - Parameters:
    ///   - followsRedirects: false gives a redirect to the caller as the answer it is.
    ///   - connectionsPerHost: how many requests may be under way to one host at a time; streams do not count.
    ///   - silence: how long nothing may arrive of an answer that is read whole, whatever the timeout of its request, which ends with
    ///     the answer's head.
    /// - Throws: `HTTPError` of kind `untrusted` when the certificates or the key cannot be read.
    package init(
        tls: TLSOptions = TLSOptions(), followsRedirects: Bool = true, connectionsPerHost: Int = 64, bodyLimit: Int = 256 << 20,
        silence: Duration = .seconds(90), proxy: HTTPProxy? = nil
    ) throws(HTTPError) {
        var configuration = HTTPClient.Configuration(tlsConfiguration: try Self.configuration(tls))
        configuration.timeout.connect = .seconds(10)
        configuration.proxy = proxy.map(Self.proxy)
        configuration.redirectConfiguration = followsRedirects ? .follow(max: 5, allowCycles: false) : .disallow
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connectionsPerHost
        configuration.connectionPool.idleTimeout = .seconds(60)
        // What refuses a connection is told at once: whether to try again, and when, is for the caller to say.
        configuration.connectionPool.retryConnectionEstablishment = false
        // Several HTTP/1.1 connections carry many small requests to an API server faster than one HTTP/2 connection does.
        configuration.httpVersion = .http1Only
        configuration.timeout.read = TimeAmount(silence)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        configuration.timeout.read = nil
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 4096
        streaming = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        self.bodyLimit = bodyLimit
    }

    private static func proxy(_ proxy: HTTPProxy) -> HTTPClient.Configuration.Proxy {
        switch proxy.kind {
        case .socks: .socksServer(host: proxy.host, port: proxy.port)
        case .http:
            .server(
                host: proxy.host, port: proxy.port,
                authorization: proxy.login.map { .basic(username: $0.username, password: $0.password) })
        }
    }

    /// A client that goes away with its connections open ends the process, so whoever drops the transport need not think of them.
    deinit {
        let clients = [client, streaming]
        Task { for client in clients { try? await client.shutdown() } }
    }

    /// Ends idle connections and waits for those in use; the transport answers nothing after it.
    package func shutdown() async {
        for client in [client, streaming] { try? await client.shutdown() }
    }

    package func send(_ request: HTTPRequest, timeout: Duration) async throws -> HTTPResponse {
        do {
            let answer = try await client.execute(try Self.clientRequest(request), deadline: .now() + TimeAmount(timeout))
            var body = try await answer.body.collect(upTo: bodyLimit)
            return HTTPResponse(
                status: Int(answer.status.code), headers: answer.headers.map { ($0.name, $0.value) },
                body: body.readBytes(length: body.readableBytes) ?? [])
        } catch {
            throw Self.translated(error, request.url)
        }
    }

    package func stream(_ request: HTTPRequest, timeout: Duration, idleTimeout: Duration?) async throws -> HTTPStreamingResponse {
        let answer = try await head(of: request, within: timeout)
        let url = request.url
        let (stream, continuation) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
        let (activity, backlog) = (Activity(), Backlog())
        let reading = Task {
            do {
                for try await var chunk in answer.body {
                    let bytes = chunk.readBytes(length: chunk.readableBytes) ?? []
                    continuation.yield(bytes)
                    await activity.pause()
                    await backlog.add(bytes.count)
                    await activity.note()
                }
                continuation.finish()
            } catch {
                continuation.finish(
                    throwing: await activity.isIdle
                        ? HTTPError(.timedOut, url: url, detail: "nothing arrived for too long")
                        : Self.translated(error, url))
            }
        }
        let watching = idleTimeout.map { limit in Task { await activity.wait(limit: limit) { reading.cancel() } } }
        continuation.onTermination = { _ in
            reading.cancel()
            watching?.cancel()
            Task { await backlog.end() }
        }
        let body = AsyncThrowingStream {
            var iterator = stream.makeAsyncIterator()
            let bytes = try await iterator.next()
            await backlog.take(bytes?.count ?? 0)
            return bytes
        }
        return HTTPStreamingResponse(status: Int(answer.status.code), headers: answer.headers.map { ($0.name, $0.value) }, body: body)
    }

    /// The answer's head within the timeout; its body may take longer than any deadline.
    private func head(of request: HTTPRequest, within timeout: Duration) async throws -> HTTPClientResponse {
        let client = streaming
        let clientRequest = try Self.clientRequest(request)
        do {
            return try await withThrowingTaskGroup(of: HTTPClientResponse?.self) { group in
                group.addTask { try await client.execute(clientRequest, deadline: .distantFuture) }
                group.addTask {
                    try await Task.sleep(for: timeout)
                    return nil
                }
                defer { group.cancelAll() }
                guard let answer = try await group.next() ?? nil else {
                    throw HTTPError(.timedOut, url: request.url, detail: "no answer within \(timeout)")
                }
                return answer
            }
        } catch {
            throw Self.translated(error, request.url)
        }
    }

    private static func clientRequest(_ request: HTTPRequest) throws -> HTTPClientRequest {
        var result = HTTPClientRequest(url: request.url)
        result.method = HTTPMethod(rawValue: request.method)
        for header in request.headers { result.headers.add(name: header.name, value: header.value) }
        if !request.body.isEmpty { result.body = .bytes(ByteBuffer(bytes: request.body)) }
        return result
    }

    private static func configuration(_ options: TLSOptions) throws(HTTPError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        do {
            if let roots = options.trustRoots {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(roots.utf8)))
            }
            if let certificate = options.clientCertificate {
                tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8)).map { .certificate($0) }
            }
            if let key = options.clientKey { tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem)) }
        } catch {
            throw HTTPError(.untrusted, url: "", detail: "the TLS certificates or key given cannot be read (PEM is expected): \(error)")
        }
        if options.insecureSkipVerify { tls.certificateVerification = .none }
        return tls
    }

    private static func translated(_ error: any Error, _ url: String) -> any Error {
        switch error {
        case is HTTPError, is CancellationError: return error
        case let error as HTTPClientError:
            switch error {
            case .deadlineExceeded, .readTimeout, .connectTimeout, .getConnectionFromPoolTimeout, .writeTimeout:
                return HTTPError(.timedOut, url: url, detail: "no answer in time")
            case .cancelled: return CancellationError()
            case .invalidURL, .emptyHost, .emptyScheme: return HTTPError(.invalidRequest, url: url, detail: "this is no http or https URL")
            case .proxyAuthenticationRequired: return HTTPError(.unreachable, url: url, detail: "the proxy wants another login")
            case .invalidProxyResponse: return HTTPError(.unreachable, url: url, detail: "what is at the proxy's address is no proxy")
            case .remoteConnectionClosed: return HTTPError(.connectionLost, url: url, detail: "the server closed the connection")
            default: return HTTPError(.connectionLost, url: url, detail: error.shortDescription)
            }
        case let error as NIOConnectionError:
            let refused = error.connectionErrors.map { ($0.error as? IOError).map(Self.words) ?? "\($0.error)" }
            return HTTPError(.unreachable, url: url, detail: refused.first ?? "the name \(error.host) is not known")
        case let error as IOError:
            let isAway = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN].contains(error.errnoCode)
            return HTTPError(isAway ? .unreachable : .connectionLost, url: url, detail: Self.words(error))
        default:
            if let failure = TLSFailure(error) { return HTTPError(failure.kind, url: url, detail: failure.detail) }
            return HTTPError(.connectionLost, url: url, detail: "\(error)")
        }
    }

    /// The system's own words, such as "connection refused".
    private static func words(_ error: IOError) -> String {
        let text = String(cString: strerror(error.errnoCode))
        return text.prefix(1).lowercased() + text.dropFirst()
    }
}

/// When something last arrived on a stream, and the wait that ends when nothing does.
private actor Activity {
    private var last = ContinuousClock.now
    private var isPaused = false
    private(set) var isIdle = false

    func note() { (last, isPaused) = (.now, false) }

    /// Until the next note it is not the peer that is waited for.
    func pause() { isPaused = true }

    /// Calls `giveUp` once nothing has been noted for `limit`.
    func wait(limit: Duration, _ giveUp: @Sendable () -> Void) async {
        while !Task.isCancelled {
            let left = isPaused ? limit : limit - (ContinuousClock.now - last)
            if left <= .zero {
                isIdle = true
                return giveUp()
            }
            try? await Task.sleep(for: left)
        }
    }
}

/// What has been read and not taken: a peer that sends faster than a disk takes is held back, and does not fill the memory.
private actor Backlog {
    private static let limit = 4 << 20
    private var size = 0
    private var isOver = false
    private var reader: CheckedContinuation<Void, Never>?

    /// Returns when there is room for more.
    func add(_ count: Int) async {
        size += count
        if size > Self.limit, !isOver { await withCheckedContinuation { reader = $0 } }
    }

    func take(_ count: Int) {
        size -= count
        if size <= Self.limit { release() }
    }

    /// Nobody takes any more.
    func end() {
        isOver = true
        release()
    }

    private func release() {
        reader?.resume()
        reader = nil
    }
}

extension TimeAmount {
    fileprivate init(_ duration: Duration) {
        self = .nanoseconds(duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000)
    }
}
