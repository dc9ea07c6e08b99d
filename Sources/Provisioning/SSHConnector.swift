internal import Cryptography
package import Diagnostics
internal import FileSystem
package import NodeInventory
internal import SSH
internal import Synchronization

/// Turns a node of the inventory into an SSH connection: who logs in, with what, through which hosts, and which host keys are believed.
package struct SSHConnector: Sendable {
    /// On whose word a host key is believed, and whose keys log in.
    package enum Trust: Sendable {
        /// The operator's keys, `~/.ssh/config` and known_hosts; an unknown key is shown for confirmation where somebody can be asked.
        case person(confirm: HostKeyConfirmation?)
        /// The agent's own key and pinned host keys, nothing else: there is nobody to ask.
        case pinsOnly(identityFile: String)
    }

    /// Shows an unknown host key (its line and fingerprint) and says whether the operator accepts it; may block.
    package typealias HostKeyConfirmation = @Sendable (_ node: String, _ keyLine: String, _ fingerprint: String) -> Bool

    /// The version of libssh2 that makes the connections: 1.11 and later reach servers that 1.10 cannot.
    package static var libraryVersion: String { SSHSession.libraryVersion }

    private let trust: Trust
    private let secrets: SecretSource
    private let config: SSHConfig
    /// Held while the operator is asked, so that questions about several nodes come one after the other.
    private let asking = AskingLock()

    /// - Throws: `Diagnostic` when `~/.ssh/config` cannot be read.
    package init(trust: Trust, secrets: SecretSource) throws(Diagnostic) {
        self.trust = trust
        self.secrets = secrets
        guard case .person = trust else {
            config = SSHConfig()
            return
        }
        do throws(SSHError) {
            config = try SSHConfig(file: Files.homeDirectory + "/.ssh/config")
        } catch {
            throw Diagnostic(.error, error.summary, subject: "~/.ssh/config", remedy: error.advice)
        }
    }

    /// A host that is not connected yet: call `connect()` (or `reconnect`) on it.
    package func host(for node: NodeSpec) -> SSHHost {
        let user = settings(for: node.host, port: node.port).user.flatMap { node.user == Self.defaultUser ? $0 : nil } ?? node.user
        return SSHHost(
            name: node.name, user: user,
            dial: { [self] in
                let target = try target(for: node, user: user)
                do throws(SSHError) {
                    return try await SSHSession.connect(to: target, timeout: .seconds(20))
                } catch {
                    throw HostError.translated(error, node: node.name)
                }
            },
            sudoPassword: { [secrets] in
                let question = "Password for \(user) on \(node.name) (sudo)"
                if let reference = node.sudoPassword {
                    return try secrets.secret(reference, question: question, subject: "node \"\(node.name)\"")
                }
                return secrets.ask(question)
            })
    }

    private static let defaultUser = "root"
}

/// A mutex that can be held over a question to the operator.
final class AskingLock: Sendable {
    private let mutex = Mutex(())

    func ask(_ question: () -> Bool) -> Bool { mutex.withLock { _ in question() } }
}

extension SSHConnector {
    /// What of `~/.ssh/config` stands for these nodes and is not followed here, told once for all of them.
    package func notes(on nodes: [NodeSpec]) -> Diagnostics {
        var notes = Diagnostics()
        var names: [String: [String]] = [:]
        for node in nodes {
            for line in Set(settings(for: node.host).unsupported) where line.hasPrefix("Match") {
                names[line, default: []].append(node.name)
            }
        }
        for (line, concerned) in names.sorted(by: { $0.key < $1.key }) {
            notes.append(
                Diagnostic(
                    .note, "`\(line)` is not read here", subject: "~/.ssh/config",
                    cause: "it may be meant for \(concerned.joined(separator: ", "))",
                    remedy: "Write what it says about these machines under `Host`, or into the inventory."))
        }
        return notes
    }

    /// What the inventory leaves at its default is left to `~/.ssh/config`.
    func settings(for host: String, user: String = defaultUser, port: Int = 22) -> SSHConfig.Settings {
        config.settings(for: host, user: user == Self.defaultUser ? nil : user, port: port == 22 ? nil : port)
    }

    private func target(for node: NodeSpec, user: String) throws -> SSHTarget {
        let settings = settings(for: node.host, user: node.user, port: node.port)
        if let reason = settings.unsupported.first, settings.proxyJump.isEmpty, reason.hasPrefix("ProxyCommand") {
            throw HostError(
                .refused, node: node.name,
                Diagnostic(
                    .error, "~/.ssh/config wants a ProxyCommand, which is not used here", subject: "node \"\(node.name)\"", cause: reason,
                    remedy: "Name the host in between as `jump` in the inventory, or as ProxyJump in ~/.ssh/config."))
        }
        let host = settings.hostName ?? node.host
        let port = node.port != 22 ? node.port : settings.port ?? 22
        return SSHTarget(
            host: host, port: port, user: user,
            authentication: try authentication(node.login, settings: settings, subject: node.name),
            hostKeys: try policy(node.hostKeys, node: node.name, settings: settings, host: host, port: port),
            jump: try jumps(for: node, settings: settings))
    }

    func jumps(for node: NodeSpec, settings: SSHConfig.Settings) throws -> [SSHTarget] {
        if !node.jumps.isEmpty {
            return try node.jumps.map { jump in
                let own = self.settings(for: jump.host, user: jump.user, port: jump.port)
                let host = own.hostName ?? jump.host
                let port = jump.port != 22 ? jump.port : own.port ?? 22
                return SSHTarget(
                    host: host, port: port, user: jump.user == Self.defaultUser ? own.user ?? jump.user : jump.user,
                    authentication: try authentication(jump.login, settings: own, subject: jump.host),
                    hostKeys: try policy(jump.hostKeys, node: jump.host, settings: own, host: host, port: port))
            }
        }
        return try hops(settings.proxyJump).map { text in
            let address = JumpAddress(text)
            let own = config.settings(for: address.host, user: address.user, port: address.port)
            let host = own.hostName ?? address.host
            let port = address.port ?? own.port ?? 22
            return SSHTarget(
                host: host, port: port, user: address.user ?? own.user ?? Files.environment("USER") ?? Self.defaultUser,
                authentication: try authentication(Login(), settings: own, subject: address.host),
                hostKeys: try policy([], node: address.host, settings: own, host: host, port: port))
        }
    }

    /// The way to the first of these hosts is what `~/.ssh/config` says of it, as OpenSSH has it; the others follow from there.
    private func hops(_ list: [String], seen: Set<String> = []) -> [String] {
        guard let first = list.first.map({ JumpAddress($0).host }), !seen.contains(first) else { return list }
        return hops(config.settings(for: first).proxyJump, seen: seen.union([first])) + list
    }

    /// Keys first, then the password.
    private func authentication(_ login: Login, settings: SSHConfig.Settings, subject: String) throws -> [SSHAuthentication] {
        // A file or variable that is missing is told as such; left to the login it would only look like a refusal.
        for reference in [login.password, login.passphrase].compactMap({ $0 }) where reference != .prompt {
            _ = try secrets.secret(reference, question: reference.description, subject: "node \"\(subject)\"")
        }
        if case .pinsOnly(let identityFile) = trust { return [.keyFile(identityFile)] }
        var methods: [SSHAuthentication] = []
        let passphrase: SSHAuthentication.SecretProvider = { [secrets] prompt in
            if let reference = login.passphrase {
                return (try? secrets.secret(reference, question: prompt, subject: "node \"\(subject)\""))?.revealed
            }
            return secrets.ask(prompt)?.revealed
        }
        let files = identityFiles(login, settings: settings)
        // ssh_config(5), IdentityAgent: `none`, or the variable's name for the agent of the environment.
        let socket = settings.identityAgent.flatMap { $0 == "SSH_AUTH_SOCK" ? nil : Files.expandingHome($0) }
        let hasAgent = login.agent && socket?.lowercased() != "none" && (socket != nil || Files.environment("SSH_AUTH_SOCK") != nil)
        // As OpenSSH does it: the agent's own copies of the files' keys, the files, then what else the agent holds.
        let named = files.compactMap { file in
            (try? Files.readText(file + ".pub", limit: 1 << 16)).flatMap { OpenSSHPublicKey(line: $0.trimmingLineBreaks) }
        }
        if hasAgent, !named.isEmpty { methods.append(.agent(socket: socket, .only(named))) }
        for file in files where Files.exists(file) || !Files.exists(file + ".pub") {
            methods.append(.keyFile(file, passphrase: passphrase))
        }
        if hasAgent, !settings.identitiesOnly { methods.append(.agent(socket: socket, .except(named))) }
        if let reference = login.password {
            let password: SSHAuthentication.SecretProvider = { [secrets] prompt in
                (try? secrets.secret(reference, question: "Password for \(subject)", subject: "node \"\(subject)\""))?.revealed
            }
            methods += [.password(password), .keyboardInteractive(password)]
        }
        return methods
    }

    private func identityFiles(_ login: Login, settings: SSHConfig.Settings) -> [String] {
        if !login.identityFiles.isEmpty { return login.identityFiles.map(Files.expandingHome) }
        if !settings.identityFiles.isEmpty { return settings.identityFiles.filter { Files.exists($0) || Files.exists($0 + ".pub") } }
        if settings.hasNoDefaultIdentities { return [] }
        return ["id_ed25519", "id_ecdsa", "id_rsa"].map { Files.homeDirectory + "/.ssh/" + $0 }.filter(Files.exists)
    }
}

extension SSHConnector {
    private func policy(
        _ pins: [HostKey], node: String, settings: SSHConfig.Settings, host: String, port: Int
    ) throws -> HostKeyPolicy {
        var keys: [OpenSSHPublicKey] = []
        var fingerprints: [String] = []
        for pin in pins {
            switch pin {
            case .key(let type, let blob): if let key = OpenSSHPublicKey(line: "\(type) \(blob)") { keys.append(key) }
            case .fingerprint(let text): fingerprints.append("SHA256:" + text)
            }
        }
        if !fingerprints.isEmpty {
            let accepted = Set(fingerprints + keys.map(\.fingerprint))
            return HostKeyPolicy(confirm: { _, offered in accepted.contains(offered.fingerprint) })
        }
        if !keys.isEmpty { return .pinned(keys) }
        guard case .person(let confirm) = trust else {
            throw HostError(
                .refused, node: node,
                Diagnostic(
                    .error, "no host key is pinned for it, so the agent does not connect", subject: "node \"\(node)\"",
                    remedy:
                        "Pin it in the inventory under this node: `hostKeys:` with a line of `ssh-keyscan -t ed25519 HOST` compared with the machine's own."
                ))
        }
        let own = Self.knownHostsFiles(settings)
        do throws(SSHError) {
            let known = try KnownHosts(files: own + Self.systemKnownHostsFiles)
            guard let confirm else { return .knownHosts(known) }
            return .knownHosts(known) { [asking] _, offered in
                asking.ask {
                    guard confirm(node, offered.line, offered.fingerprint) else { return false }
                    if let file = own.first { Self.remember(offered, host: host, port: port, file: file) }
                    return true
                }
            }
        } catch {
            throw HostError.translated(error, node: node)
        }
    }

    /// The operator's own files; none when `UserKnownHostsFile none` says so.
    static func knownHostsFiles(_ settings: SSHConfig.Settings) -> [String] {
        if settings.userKnownHostsFiles.isEmpty { return ["known_hosts", "known_hosts2"].map { Files.homeDirectory + "/.ssh/" + $0 } }
        return settings.userKnownHostsFiles.filter { $0.lowercased() != "none" }
    }

    /// Read beside the operator's own, as OpenSSH does.
    static let systemKnownHostsFiles = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]

    /// Confirmed once is confirmed for good. A known_hosts that cannot be written only means being asked again.
    private static func remember(_ key: OpenSSHPublicKey, host: String, port: Int, file: String) {
        try? Files.makeDirectory(Files.directoryName(file), mode: 0o700)
        try? Files.append(Array((KnownHosts.line(host: host, port: port, key: key) + "\n").utf8), to: file, mode: 0o600)
    }
}

/// `user@host:port` as ProxyJump has it; user and port may be missing, an IPv6 address is in brackets.
struct JumpAddress: Hashable, Sendable {
    var user: String?
    var host: String
    var port: Int?

    init(_ text: String) {
        var rest = text[...]
        if rest.hasPrefix("ssh://") { rest = rest.dropFirst(6) }
        if let at = rest.lastIndex(of: "@") {
            user = String(rest[..<at])
            rest = rest[rest.index(after: at)...]
        }
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            host = String(rest[rest.index(after: rest.startIndex)..<end])
            port = Int(rest[rest.index(after: end)...].drop { $0 == ":" })
        } else if let colon = rest.firstIndex(of: ":"), rest.lastIndex(of: ":") == colon {
            host = String(rest[..<colon])
            port = Int(rest[rest.index(after: colon)...])
        } else {
            host = String(rest)
        }
    }
}
