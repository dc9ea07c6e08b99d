import Cryptography
package import Diagnostics
import FileSystem
package import Git
package import HTTP
import KubernetesModel
import Synchronization

/// What a git host over http is told of who asks.
package struct GitCredential: Sendable {
    /// nil: the host takes any name beside a token.
    package var username: String?
    /// A password or a token.
    package var secret: Secret
    /// Only as a bearer token, as `bearerToken` in a Secret of Flux asks for.
    package var isBearer: Bool

    package init(username: String? = nil, secret: Secret, isBearer: Bool = false) {
        self.username = username
        self.secret = secret
        self.isBearer = isBearer
    }
}

/// git's smart protocol over http (gitprotocol-http). The credential is read for every conversation, so that a new one counts at once,
/// and goes only to the host of the URL.
package struct HTTPGitTransport: GitTransport {
    package let url: String
    /// What the URL says of who asks.
    private let login: GitCredential?
    private let user: String?
    private let transport: any HTTPTransport
    private let credential: @Sendable () async throws(GitError) -> GitCredential?
    private let refused: @Sendable () async -> Void

    /// - Parameters:
    ///   - url: a login in it counts where `credential` has none.
    ///   - transport: must not follow redirects by itself; they are followed here, within the URL's scheme.
    ///   - refused: hears that the host did not take the credential.
    package init(
        url: String, transport: any HTTPTransport, credential: @escaping @Sendable () async throws(GitError) -> GitCredential?,
        refused: @escaping @Sendable () async -> Void = {}
    ) {
        let parts = RepositoryURL(url)
        self.url = parts.plain
        user = parts.user
        login = parts.password.map { GitCredential(username: parts.user, secret: Secret($0)) }
        self.transport = transport
        self.credential = credential
        self.refused = refused
    }

    /// With a token from a file of this server.
    package init(url: String, username: String?, tokenFile: String?, transport: any HTTPTransport) {
        self.init(url: url, transport: transport) { () throws(GitError) in
            guard let tokenFile else { return nil }
            do throws(FileError) {
                let token = String(try Files.readText(tokenFile, limit: 64 << 10).prefix { !$0.isNewline })
                return GitCredential(username: username, secret: Secret(token))
            } catch {
                throw GitError(.authentication, operation: "", message: "the token cannot be read: \(error)")
            }
        }
    }

    package func connect() async throws(GitError) -> GitConversation {
        var credential = try await credential() ?? login
        if credential?.username == nil, credential?.isBearer == false { credential?.username = user }
        return .requests(HTTPGitRequests(url: url, credential: credential, transport: transport, refused: refused))
    }
}

/// The rounds of one conversation.
private final class HTTPGitRequests: GitRequests {
    private struct State {
        /// Where redirects have led, without `/info/refs`.
        var base: String
        var sendsBearer = false
    }

    private let origin: Substring
    private let credential: GitCredential?
    private let transport: any HTTPTransport
    private let refused: @Sendable () async -> Void
    private let state: Mutex<State>

    /// Until the answer begins, and between two pieces of it; the conversation's own limits are shorter or longer as its caller likes.
    private static let patience = Duration.seconds(60)

    init(url: String, credential: GitCredential?, transport: any HTTPTransport, refused: @escaping @Sendable () async -> Void) {
        let base = url.hasSuffix("/") ? String(url.dropLast()) : url
        origin = Self.origin(of: base)
        self.credential = credential
        self.transport = transport
        self.refused = refused
        state = Mutex(State(base: base, sendsBearer: credential?.isBearer == true))
    }

    func references() async throws(GitError) -> any GitAnswer {
        for _ in 0...5 {
            let base = state.withLock { $0.base }
            let place = base + Self.listing
            let response = try await ask(HTTPRequest(url: place), accept: "application/x-git-upload-pack-advertisement")
            switch response.status {
            case 200:
                let type = Self.header("content-type", response) ?? ""
                guard type.hasPrefix("application/x-git-upload-pack-advertisement") else {
                    throw GitError(
                        .notFound, operation: "",
                        message: "what answers there is no git server (it sends \(type.isEmpty ? "no type" : type))")
                }
                return HTTPGitAnswer(body: response.body, url: base)
            case 301, 302, 303, 307, 308:
                let target = try Self.target(of: response, asked: place)
                state.withLock { $0.base = target }
            case 401 where wantsBearer(response): state.withLock { $0.sendsBearer = true }
            default: throw await refusal(response.status)
            }
        }
        throw GitError(.other, operation: "", message: "it redirects again and again")
    }

    func uploadPack(_ request: [UInt8]) async throws(GitError) -> any GitAnswer {
        let base = state.withLock { $0.base }
        let post = HTTPRequest(
            method: "POST", url: base + "/git-upload-pack", headers: [("content-type", "application/x-git-upload-pack-request")],
            body: request)
        let response = try await ask(post, accept: "application/x-git-upload-pack-result")
        guard response.status == 200 else { throw await refusal(response.status) }
        return HTTPGitAnswer(body: response.body, url: base)
    }

    private func ask(_ request: HTTPRequest, accept: String) async throws(GitError) -> HTTPStreamingResponse {
        var request = request
        // Some hosts give the smart protocol only to what calls itself git.
        request.headers += [("accept", accept), ("user-agent", "git/2 homelab"), ("cache-control", "no-cache")]
        if let authorization, Self.origin(of: request.url) == origin { request.headers.append(("authorization", authorization)) }
        do {
            return try await transport.stream(request, timeout: Self.patience, idleTimeout: Self.patience)
        } catch {
            throw GitError(http: error)
        }
    }

    // MARK: Credentials

    /// Hosts take any user name beside a token; one is needed all the same.
    private var authorization: String? {
        guard let credential else { return nil }
        if state.withLock({ $0.sendsBearer }) { return "Bearer " + credential.secret.revealed }
        return "Basic " + Base64.encode(Array("\(credential.username ?? "git"):\(credential.secret.revealed)".utf8))
    }

    /// A host that takes nothing but bearer tokens says so; with a user name given there is nothing to guess.
    private func wantsBearer(_ response: HTTPStreamingResponse) -> Bool {
        guard let credential, credential.username == nil, !state.withLock({ $0.sendsBearer }) else { return false }
        let offers = response.headers.filter { $0.name.lowercased() == "www-authenticate" }.map { $0.value.lowercased() }
        return offers.contains { $0.hasPrefix("bearer") } && !offers.contains { $0.hasPrefix("basic") }
    }

    private func refusal(_ status: Int) async -> GitError {
        switch status {
        case 401, 403:
            await refused()
            let missing = "it wants a token, and none is given (repository.token; of a GitRepository, spec.secretRef)"
            let text = credential == nil ? missing : "it refuses the token"
            return GitError(.authentication, operation: "", message: "\(text) (HTTP \(status))")
        case 404, 410: return GitError(.notFound, operation: "", message: "there is no such repository for this login (HTTP \(status))")
        case 429, 500...599: return GitError(.unreachable, operation: "", message: "the server cannot answer now (HTTP \(status))")
        default: return GitError(.other, operation: "", message: "the server answers HTTP \(status)")
        }
    }

    // MARK: Places

    private static let listing = "/info/refs?service=git-upload-pack"

    /// Where a redirected listing leads, as a base; only to where a listing is, and never to another scheme.
    private static func target(of response: HTTPStreamingResponse, asked: String) throws(GitError) -> String {
        guard var target = header("location", response) else {
            throw GitError(.other, operation: "", message: "it redirects to nowhere (HTTP \(response.status))")
        }
        if target.hasPrefix("/"), !target.hasPrefix("//") { target = origin(of: asked) + target }
        guard scheme(of: target) == scheme(of: asked) else {
            throw GitError(.untrusted, operation: "", message: "it redirects to another scheme, which is not followed")
        }
        guard target.hasSuffix(listing) else {
            throw GitError(.notFound, operation: "", message: "it redirects to something that is no repository (a login page?)")
        }
        return String(target.dropLast(listing.count))
    }

    private static func scheme(of url: String) -> Substring { url.prefix { $0 != ":" } }

    /// `https://host:port`.
    private static func origin(of url: String) -> Substring {
        var slashes = 0
        return url.prefix { character in
            if character == "/" { slashes += 1 }
            return slashes < 3
        }
    }

    private static func header(_ name: String, _ response: HTTPStreamingResponse) -> String? {
        response.headers.first { $0.name.lowercased() == name }?.value
    }
}

private struct HTTPGitAnswer: GitAnswer {
    let body: AsyncThrowingStream<[UInt8], any Error>
    let url: String

    func read() async throws(GitError) -> [UInt8]? {
        do {
            var chunks = body.makeAsyncIterator()
            while let chunk = try await chunks.next() {
                if !chunk.isEmpty { return chunk }
            }
            return nil
        } catch {
            throw GitError(http: error)
        }
    }
}

extension GitError {
    /// Without the URL, which the operation names.
    init(http error: any Error) {
        guard let error = error as? HTTPError else {
            self.init(
                error is CancellationError ? .cancelled : .unreachable, operation: "",
                message: error is CancellationError ? "cancelled" : "\(error)")
            return
        }
        let kind: Kind =
            switch error.kind {
            case .unreachable, .connectionLost: .unreachable
            case .timedOut: .timedOut
            case .untrusted: .untrusted
            case .refused: .authentication
            case .invalidRequest: .other
            }
        self.init(kind, operation: "", message: error.detail)
    }
}
