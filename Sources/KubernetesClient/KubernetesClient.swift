internal import Cryptography
internal import Diagnostics
internal import FileSystem
package import HTTP
package import KubernetesModel
internal import YAML

/// A Kubernetes API server over HTTP, 1.20 and later. Safe to share; every error is a `ClusterError` that names the object and gives the
/// server's reason, or a `CancellationError` when the task was cancelled.
package struct KubernetesClient: ClusterAPI {
    package struct Options: Hashable, Sendable {
        /// Requests on their way at once; watches do not count.
        package var requestsInFlight: Int
        package var timeout: Duration
        /// For what changes something: more than the 60 s after which the server itself gives up, so that its own words arrive.
        package var writeTimeout: Duration
        /// Items a page of a list has.
        package var pageSize: Int
        /// How often a request is repeated when the server says 429, each time after what it says.
        package var retriesWhenBusy: Int
        /// Lists and watches come without `metadata.managedFields`, often half of an object.
        package var trimsManagedFields: Bool

        package init(
            requestsInFlight: Int = 8, timeout: Duration = .seconds(30), writeTimeout: Duration = .seconds(70), pageSize: Int = 500,
            retriesWhenBusy: Int = 5, trimsManagedFields: Bool = true
        ) {
            self.requestsInFlight = requestsInFlight
            self.timeout = timeout
            self.writeTimeout = writeTimeout
            self.pageSize = pageSize
            self.retriesWhenBusy = retriesWhenBusy
            self.trimsManagedFields = trimsManagedFields
        }
    }

    package let connection: ClusterConnection
    let transport: any HTTPTransport
    let options: Options
    let discovery: Discovery
    private let limit: InFlightLimit
    private let sleep: @Sendable (Duration) async throws -> Void
    /// A request that takes longer is no work for the server: a webhook hangs, and must not keep all others from their turn.
    private static let patience = Duration.seconds(5)

    package init(
        _ connection: ClusterConnection, transport: any HTTPTransport, options: Options = Options(),
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.connection = connection
        self.transport = transport
        self.options = options
        self.sleep = sleep
        let limit = InFlightLimit(options.requestsInFlight, patience: Self.patience)
        self.limit = limit
        let sender = RequestSender(connection: connection, transport: transport, options: options, limit: limit, sleep: sleep)
        discovery = Discovery { path, accept in
            do {
                return try await sender.value(Call(method: "GET", path: path, accept: accept, subject: path))
            } catch let error as ClusterError where error.kind == .notFound {
                return nil
            }
        }
    }

    var sender: RequestSender {
        RequestSender(connection: connection, transport: transport, options: options, limit: limit, sleep: sleep)
    }

    package func resource(for kind: GroupVersionKind) async throws -> APIResource? { try await discovery.resource(for: kind) }
    package func resource(for kind: GroupKind) async throws -> APIResource? { try await discovery.resource(for: kind) }

    /// Every kind the server has, in its order of preference; asked for anew each time.
    package func resources() async throws -> [APIResource] { try await discovery.all() }

    package func raw(_ path: String) async throws -> (status: Int, body: String) {
        let response = try await sender.response(Call(method: "GET", path: path, accept: "*/*", subject: path))
        return (response.status, String(decoding: response.body, as: UTF8.self))
    }
}

/// One request to the API server, before it has an address.
struct Call: Sendable {
    var method: String
    var path: String
    var query: [(name: String, value: String)] = []
    var accept: String?
    var contentType = "application/json"
    var body: [UInt8] = []
    /// Whom the caller acts for (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation).
    var user: String?
    /// Which object, for messages.
    var subject: String
    /// Whether sending it twice does no harm, so that it may be repeated at once when a kept connection turns out dead.
    var isIdempotent: Bool { method != "POST" }
    /// A Lease is renewed in time or lost: it passes what waits, and what keeps its place while the server is busy.
    var isUrgent: Bool { path.hasPrefix("/apis/coordination.k8s.io/") }
}

/// Sends calls: address, credentials, the bound of requests in flight, and patience with a busy server.
struct RequestSender: Sendable {
    let connection: ClusterConnection
    let transport: any HTTPTransport
    let options: KubernetesClient.Options
    let limit: InFlightLimit
    let sleep: @Sendable (Duration) async throws -> Void

    /// The answer's JSON; every status but 2xx is thrown.
    func value(_ call: Call) async throws -> Value {
        let response = try await response(call)
        guard (200..<300).contains(response.status) else {
            throw refusal(status: response.status, headers: response.headers, body: response.body, subject: call.subject)
        }
        do {
            return try JSONReader.value(response.body)
        } catch {
            throw ClusterError(.serverFailure, subject: call.subject, message: "the server's answer is no JSON: \(error)")
        }
    }

    /// Waits as a busy server asks, keeping its place, so that everything behind it slows down too.
    func response(_ call: Call) async throws -> HTTPResponse {
        let request = try await request(call)
        let response = try await inTurn(request, call)
        guard response.status == 401, await canProveAnew(after: request) else { return response }
        return try await inTurn(try await self.request(call), call)
    }

    private func inTurn(_ request: HTTPRequest, _ call: Call) async throws -> HTTPResponse {
        if call.isUrgent { return try await patiently(request, call, nil) }
        return try await limit.run { try await patiently(request, call, $0) }
    }

    private func patiently(_ request: HTTPRequest, _ call: Call, _ place: InFlightLimit.Place?) async throws -> HTTPResponse {
        var retries = 0
        while true {
            let response = try await send(request, call)
            guard response.status == 429, retries < options.retriesWhenBusy else { return response }
            retries += 1
            let seconds = response.header("Retry-After").flatMap { Int64($0) } ?? 1
            if let place { await limit.hold(place) }
            try await sleep(.seconds(min(max(seconds, 1), 30)))
            if let place { await limit.goOn(place) }
        }
    }

    private func send(_ request: HTTPRequest, _ call: Call) async throws -> HTTPResponse {
        let timeout = call.method == "GET" ? options.timeout : max(options.timeout, options.writeTimeout)
        do {
            return try await transport.send(request, timeout: timeout)
        } catch let error as HTTPError where error.kind == .connectionLost && call.isIdempotent {
            do {
                return try await transport.send(request, timeout: timeout)
            } catch let error as HTTPError {
                throw ClusterError(error, subject: call.subject)
            }
        } catch let error as HTTPError {
            throw ClusterError(error, subject: call.subject)
        }
    }

    func request(_ call: Call) async throws -> HTTPRequest {
        var url = connection.server + call.path
        for (index, item) in call.query.enumerated() {
            url += (index == 0 && !call.path.contains("?") ? "?" : "&") + item.name + "=" + Self.encoded(item.value)
        }
        var headers: [(name: String, value: String)] = [("Accept", call.accept ?? "application/json"), ("User-Agent", "homelab")]
        if !call.body.isEmpty { headers.append(("Content-Type", call.contentType)) }
        if let user = call.user { headers.append(("Impersonate-User", user)) }
        switch connection.credentials {
        case .none: break
        case .token(let token): headers.append(("Authorization", "Bearer \(token.revealed)"))
        case .tokenFile(let path):
            do {
                let token = try Files.readText(path, limit: 1 << 20)
                headers.append(("Authorization", "Bearer \(token.filter { !$0.isWhitespace })"))
            } catch {
                throw ClusterError(.unauthorized, subject: call.subject, message: "the token \(error.description)")
            }
        case .serviceAccount(let account): headers.append(("Authorization", "Bearer \(try await account.token().revealed)"))
        case .basic(let user, let password):
            headers.append(("Authorization", "Basic \(Base64.encode(Array("\(user):\(password.revealed)".utf8)))"))
        }
        return HTTPRequest(method: call.method, url: url, headers: headers, body: call.body)
    }

    /// Whether what the server refused in this request is replaced by something new.
    func canProveAnew(after request: HTTPRequest) async -> Bool {
        guard case .serviceAccount(let account) = connection.credentials,
            let sent = request.headers.first(where: { $0.name == "Authorization" })
        else { return false }
        return await account.forget(Secret(String(sent.value.dropFirst("Bearer ".count))))
    }

    /// The error behind an answer that is no success, with who was refused where the server does not say.
    func refusal(status: Int, headers: [(name: String, value: String)], body: [UInt8], subject: String) -> ClusterError {
        var error = StatusAnswer.error(status: status, headers: headers, body: body, subject: subject)
        if status == 401, case .serviceAccount(let account) = connection.credentials { error.message += account.advice }
        return error
    }

    /// Percent-encoding of everything but RFC 3986's unreserved characters.
    static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: bytes.append(byte)
            default: bytes += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
