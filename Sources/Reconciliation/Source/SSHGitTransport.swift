package import Git
import NodeInventory
import SSH

/// git over ssh: a channel for every conversation, on one connection with a key of the agent's and pinned host keys that is kept between
/// polls and made anew when it is lost.
package actor SSHGitTransport: GitTransport {
    package nonisolated let url: String
    private let remote: SSHRemote
    private let identityFile: String
    private let knownHostsFile: String
    private var session: SSHSession?

    package init(_ remote: SSHRemote, identityFile: String, knownHostsFile: String) {
        self.remote = remote
        self.identityFile = identityFile
        self.knownHostsFile = knownHostsFile
        url = remote.url
    }

    package func connect() async throws(GitError) -> GitConversation {
        do throws(SSHError) {
            return .stream(SSHGitStream(try await command(), remote))
        } catch {
            throw GitError(error)
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

    /// Read afresh for each connection: a new pin counts at once.
    private func target() throws(SSHError) -> SSHTarget {
        SSHTarget(
            host: remote.host, port: remote.port, user: remote.user, authentication: [.keyFile(identityFile)],
            hostKeys: .knownHosts(try KnownHosts(files: [knownHostsFile])))
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
    package init?(_ url: String) {
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
        user = at.map { String(authority[..<$0]) } ?? "root"
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
        self.init(kind, operation: "", message: "\(error.summary); \(error.advice)")
    }
}
