package import HTTP
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// A small HTTP/1.1 server for health, metrics and webhooks: bounded in connections, sizes and time, so that nobody on the network can
/// exhaust the agent.
package final class HTTPServer: Sendable {
    /// The path with its query, the body read whole.
    package typealias Handler = @Sendable (HTTPRequest) async -> HTTPResponse

    package struct Limits: Sendable {
        /// Bytes of a request's body.
        package var body = 1 << 20
        package var connections = 64
        /// For one request from its first byte to the handler.
        package var time: Duration = .seconds(10)

        package init() {}
    }

    /// What the system chose when the port asked for was 0.
    package let port: Int
    private let channel: any Channel

    /// Listens and answers until `shutdown`.
    /// - Throws: `HTTPError` when the address cannot be listened on.
    package init(host: String, port: Int, limits: Limits = Limits(), handler: @escaping Handler) async throws {
        let count = ConnectionCount(limit: limits.connections)
        do {
            channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.backlog, value: 32)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { child in
                    child.eventLoop.makeCompletedFuture {
                        guard count.enter(child) else { return child.close(promise: nil) }
                        try child.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
                        try child.pipeline.syncOperations.addHandler(RequestHandler(limits: limits, handler: handler))
                    }
                }
                .bind(host: host, port: port).get()
        } catch {
            throw HTTPError(.unreachable, url: "\(host):\(port)", detail: "cannot listen there: \(error)")
        }
        self.port = channel.localAddress?.port ?? port
    }

    package func shutdown() async {
        try? await channel.close()
    }
}

/// Collects one request at a time and writes the handler's answer; closes the connection on anything out of bounds.
private final class RequestHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let limits: HTTPServer.Limits
    private let handler: HTTPServer.Handler
    private var request: HTTPRequest?
    private var keepsAlive = false
    private var deadline: Scheduled<Void>?

    init(limits: HTTPServer.Limits, handler: @escaping HTTPServer.Handler) {
        self.limits = limits
        self.handler = handler
    }

    func channelActive(context: ChannelHandlerContext) {
        startDeadline(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            keepsAlive = head.isKeepAlive
            request = HTTPRequest(
                method: head.method.rawValue, url: head.uri, headers: head.headers.map { ($0.name, $0.value) })
        case .body(let part):
            guard let size = request?.body.count, size + part.readableBytes <= limits.body else {
                request = nil
                write(HTTPResponse(status: 413), context: context, close: true)
                return
            }
            request?.body += part.readableBytesView
        case .end:
            deadline?.cancel()
            guard let request else { return }
            self.request = nil
            let (handler, loop, bound) = (handler, context.eventLoop, NIOLoopBound((self, context), eventLoop: context.eventLoop))
            let close = !keepsAlive
            Task {
                let answer = await handler(request)
                loop.execute {
                    let (own, context) = bound.value
                    own.write(answer, context: context, close: close)
                }
            }
        }
    }

    private func startDeadline(_ context: ChannelHandlerContext) {
        let channel = context.channel
        let seconds = limits.time.components.seconds
        deadline = context.eventLoop.scheduleTask(in: .seconds(seconds)) { channel.close(promise: nil) }
    }

    private func write(_ answer: HTTPResponse, context: ChannelHandlerContext, close: Bool) {
        guard context.channel.isActive else { return }
        var headers = HTTPHeaders(answer.headers.map { ($0.name, $0.value) })
        headers.replaceOrAdd(name: "content-length", value: String(answer.body.count))
        if close { headers.replaceOrAdd(name: "connection", value: "close") }
        let head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
        let channel = context.channel
        let written = context.eventLoop.makePromise(of: Void.self)
        if close { written.futureResult.whenComplete { _ in channel.close(promise: nil) } } else { startDeadline(context) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }
}

/// How many connections are open, counted over all event loops.
private final class ConnectionCount: Sendable {
    private let limit: Int
    private let open = ManagedCount()

    init(limit: Int) { self.limit = limit }

    func enter(_ channel: any Channel) -> Bool {
        let open = open
        guard open.add(1) <= limit else {
            open.add(-1)
            return false
        }
        channel.closeFuture.whenComplete { _ in open.add(-1) }
        return true
    }
}
