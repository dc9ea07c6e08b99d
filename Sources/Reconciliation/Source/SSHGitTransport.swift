import FileSystem
package import Git
import NodeInventory
package import SSH

/// git over ssh: a channel for every conversation, on one connection with a key of the agent's and pinned host keys that is kept between
/// polls and made anew when it is lost.
package actor SSHGitTransport: GitTransport {
    package nonisolated let url: String
    private let remote: SSHRemote
    private let login: @Sendable () throws(SSHError) -> GitLogin
    private var session: SSHSession?

    /// - Parameter login: asked for each connection, so that a new key or pin counts at once.
    package init(_ remote: SSHRemote, login: @escaping @Sendable () throws(SSHError) -> GitLogin) {
        self.remote = remote
        self.login = login
        url = remote.url
    }

    /// With a key and pinned host keys in files of this server.
    package init(_ remote: SSHRemote, identityFile: String, knownHostsFile: String) {
        self.init(remote) { () throws(SSHError) in
            let line = try? Files.readText(identityFile + ".pub").split(whereSeparator: \.isNewline).first
            return GitLogin(
                authentication: [.keyFile(identityFile)], knownHosts: try KnownHosts(files: [knownHostsFile]),
                publicKey: line.map(String.init))
        }
    }

    package func connect() async throws(GitError) -> GitConversation {
        do throws(SSHError) {
            return .stream(SSHGitStream(try await command(), remote))
        } catch {
            guard case .authenticationFailed(_, let hint) = error.kind else { throw GitError(error) }
            // A key that cannot even be used need not be registered.
            let key = hint.isEmpty ? (try? login())?.publicKey : nil
            let text = key.map { "; its key is \($0)" } ?? "; \(error.advice)"
            throw GitError(.authentication, operation: "", message: error.summary + text)
        }
    }

    private func command() async throws(SSHError) -> SSHCommandStream {
        if let session, session.isAlive {
            do throws(SSHError) {
                return try await session.open(remote.command)
            } catch {
                // Only a connection that died between two polls is worth a second one.
                guard case .connectionLost = error.kind else { throw error }
            }
        }
        await session?.close()
        session = nil
        let made = try await SSHSession.connect(to: try target())
        session = made
        return try await made.open(remote.command)
    }

    private func target() throws(SSHError) -> SSHTarget {
        let login = try login()
        return SSHTarget(
            host: remote.host, port: remote.port, user: remote.user, authentication: login.authentication,
            hostKeys: .knownHosts(login.knownHosts))
    }
}

/// How a git host over ssh is told who asks, and which host keys are believed.
package struct GitLogin: Sendable {
    package var authentication: [SSHAuthentication]
    package var knownHosts: KnownHosts
    /// To be registered with the host, for messages.
    package var publicKey: String?

    package init(authentication: [SSHAuthentication], knownHosts: KnownHosts, publicKey: String? = nil) {
        self.authentication = authentication
        self.knownHosts = knownHosts
        self.publicKey = publicKey
    }
}

/// `ssh://[user@]host[:port]/path` as git on this server would read it.
package struct SSHRemote: Hashable, Sendable {
    let url: String
    let user: String
    let host: String
    let port: Int
    /// Below `/`, or `~user/…` for a home directory.
    let path: String

    /// nil when the text is no such URL.
    /// - Parameters:
    ///   - login: the user whatever the URL says.
    ///   - fallback: the user where the URL names none.
    package init?(_ url: String, login: String? = nil, fallback: String = "root") {
        guard url.hasPrefix("ssh://") else { return nil }
        let rest = url.dropFirst("ssh://".count)
        guard let slash = rest.firstIndex(of: "/") else { return nil }
        let authority = rest[..<slash]
        let at = authority.lastIndex(of: "@")
        guard let endpoint = Endpoint(String(at.map { authority[authority.index(after: $0)...] } ?? authority), defaultPort: 22) else {
            return nil
        }
        let path = rest[slash...]
        guard path.count > 1 else { return nil }
        self.url = url
        user = login ?? at.map { String(authority[..<$0].prefix { $0 != ":" }) } ?? fallback
        host = endpoint.host
        port = endpoint.port
        self.path = path.hasPrefix("/~") ? String(path.dropFirst()) : String(path)
    }

    /// What the server's login shell, or its forced command, is given.
    var command: String {
        "git-upload-pack '" + path.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}

/// A running `git-upload-pack`; when it gives up, its own words are the cause.
// @unchecked: read by one task at a time.
private final class SSHGitStream: GitStream, @unchecked Sendable {
    private let stream: SSHCommandStream
    private let remote: SSHRemote
    private var hasAnswered = false

    init(_ stream: SSHCommandStream, _ remote: SSHRemote) {
        self.stream = stream
        self.remote = remote
    }

    func read() async throws(GitError) -> [UInt8]? {
        let end: CommandResult
        do throws(SSHError) {
            if let bytes = try await stream.read() {
                hasAnswered = true
                return bytes
            }
            let errors = await stream.errorText
            end = try await stream.wait(timeout: .seconds(5))
            if end.succeeded { return nil }
            throw SSHError(target: "", kind: .refused(Self.words(errors) ?? "git-upload-pack there ended with status \(end.exitStatus)"))
        } catch {
            guard case .refused(let text) = error.kind else { throw GitError(error) }
            throw GitError(hasAnswered ? .unreachable : .notFound, operation: "", message: text)
        }
    }

    func write(_ bytes: [UInt8]) async throws(GitError) {
        do throws(SSHError) {
            try await stream.write(bytes)
        } catch {
            // A command that ended has said why: the next read tells it.
            guard case .refused = error.kind else { throw GitError(error) }
        }
    }

    func close() async { await stream.close() }

    /// What the other side said, on one line.
    private static func words(_ text: String) -> String? {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.filter { !$0.isASCII || $0 >= " " } }.filter { !$0.isEmpty }
        return lines.isEmpty ? nil : String(lines.suffix(4).joined(separator: " ").prefix(500))
    }
}

extension GitError {
    fileprivate init(_ error: SSHError) {
        let kind: Kind =
            switch error.kind {
            case .unreachable, .connectionLost: .unreachable
            case .timedOut: .timedOut
            case .hostKeyUnknown, .hostKeyChanged, .hostKeyRevoked: .untrusted
            case .authenticationFailed: .authentication
            case .cancelled: .cancelled
            case .protocolMismatch, .refused, .localFile: .other
            }
        // Where the remedy of the source says what to do, the connection's advice would only say it again.
        let isClear = if case .hostKeyChanged = error.kind { true } else { [.unreachable, .timedOut, .cancelled].contains(kind) }
        self.init(kind, operation: "", message: isClear ? error.summary : error.description)
    }
}
