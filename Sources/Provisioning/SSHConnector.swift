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
        guard case .person = trust else {
            self.init(trust: trust, secrets: secrets, config: SSHConfig())
            return
        }
        do throws(SSHError) {
            self.init(trust: trust, secrets: secrets, config: try SSHConfig(file: Self.configFile))
        } catch {
            throw Diagnostic(.error, error.summary, subject: "~/.ssh/config", remedy: error.advice)
        }
    }

    init(trust: Trust, secrets: SecretSource, config: SSHConfig) {
        self.trust = trust
        self.secrets = secrets
        self.config = config
    }

    /// A host that is not connected yet: call `connect()` (or `reconnect`) on it.
    package func host(for node: NodeSpec) -> SSHHost {
        let user = Self.user(of: node, config)
        return SSHHost(
            name: node.name, user: user,
            dial: { [self] in
                let target = try target(for: node)
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

    /// What of the way to the machines came from `~/.ssh/config`: it works for this operator, and the agents know nothing of it.
    package func findings(on nodes: [NodeSpec]) -> Diagnostics {
        Diagnostics(
            nodes.compactMap { node in
                let settings = settings(for: node.host, user: node.writtenUser, port: node.writtenPort)
                var taken: [(what: String, field: String)] = []
                if node.writtenUser == nil, let user = settings.user, user != Self.defaultUser { taken.append(("User \(user)", "user:")) }
                if let name = settings.hostName, name != node.host { taken.append(("HostName \(name)", "host:")) }
                if node.writtenPort == nil, let port = settings.port, port != 22 { taken.append(("Port \(port)", "port:")) }
                if node.jumps.isEmpty, !settings.proxyJump.isEmpty {
                    taken.append(("ProxyJump \(settings.proxyJump.joined(separator: ","))", "jump:"))
                }
                for jump in node.jumps {
                    let own = self.settings(for: jump.host, user: jump.writtenUser, port: jump.writtenPort)
                    if jump.writtenUser == nil, let user = own.user, user != Self.defaultUser {
                        taken.append(("User \(user) for \(jump.host)", "user: of the jump host"))
                    }
                    if let name = own.hostName, name != jump.host {
                        taken.append(("HostName \(name) for \(jump.host)", "host: of the jump host"))
                    }
                    if jump.writtenPort == nil, let port = own.port, port != 22 {
                        taken.append(("Port \(port) for \(jump.host)", "port: of the jump host"))
                    }
                }
                if taken.isEmpty { return nil }
                return Diagnostic(
                    .warning, "the way to it came from ~/.ssh/config, which the agents on the servers do not have",
                    subject: "node \"\(node.name)\"", cause: taken.map(\.what).joined(separator: ", "),
                    remedy: "Write \(taken.map(\.field).joined(separator: " and ")) in the inventory.")
            })
    }

    /// Kubeconfigs name a server by its `host`, and kubectl does not read `~/.ssh/config`.
    package func findings(onTheOnlyServer server: NodeSpec) -> Diagnostics {
        guard let name = settings(for: server.host).hostName, name != server.host else { return Diagnostics() }
        return Diagnostics([
            Diagnostic(
                .warning, "kubeconfigs will name \(server.host), which only ~/.ssh/config knows", subject: "node \"\(server.name)\"",
                cause: "HostName \(name)", remedy: "Write \(name) as its host: or as endpoint: in the inventory.")
        ])
    }

    /// Whom this operator's own ssh is to log in as.
    package static func user(of node: NodeSpec) -> String {
        user(of: node, (try? SSHConfig(file: configFile)) ?? SSHConfig())
    }

    private static func user(of node: NodeSpec, _ config: SSHConfig) -> String {
        node.writtenUser ?? config.settings(for: node.host, port: node.writtenPort).user ?? defaultUser
    }

    private static var configFile: String { Files.homeDirectory + "/.ssh/config" }

    /// What the inventory does not say is left to `~/.ssh/config`.
    func settings(for host: String, user: String? = nil, port: Int? = nil) -> SSHConfig.Settings {
        config.settings(for: host, user: user, port: port)
    }

    func target(for node: NodeSpec) throws -> SSHTarget {
        let settings = settings(for: node.host, user: node.writtenUser, port: node.writtenPort)
        try requireNoProxyCommand(to: node, settings)
        let host = settings.hostName ?? node.host
        let port = node.writtenPort ?? settings.port ?? 22
        return SSHTarget(
            host: host, port: port, user: Self.user(of: node, config),
            authentication: try authentication(
                node.login, settings: settings, name: node.name, subject: Self.subject(node.name, jump: nil)),
            hostKeys: try policy(node.hostKeys, of: node.name, jump: nil, settings: settings, host: host, port: port),
            jump: try jumps(for: node, settings: settings))
    }

    /// The way to the nearest machine, be it the node or its first jump host, is what `~/.ssh/config` says of that machine.
    private func requireNoProxyCommand(to node: NodeSpec, _ settings: SSHConfig.Settings) throws(HostError) {
        let jump = jumps(to: node).first
        let nearest = jump.map { self.settings(for: $0.host, user: $0.writtenUser, port: $0.writtenPort) } ?? settings
        guard let command = nearest.unsupported.first(where: { $0.hasPrefix("ProxyCommand") }) else { return }
        throw HostError(
            .refused, node: node.name,
            Diagnostic(
                .error, "~/.ssh/config wants a ProxyCommand, which is not used here", subject: Self.subject(node.name, jump: jump?.host),
                cause: command, remedy: "Name the host in between as `jump` in the inventory, or as ProxyJump in ~/.ssh/config."))
    }

    func jumps(for node: NodeSpec, settings: SSHConfig.Settings) throws -> [SSHTarget] {
        if !node.jumps.isEmpty {
            return try node.jumps.map { jump in
                let own = self.settings(for: jump.host, user: jump.writtenUser, port: jump.writtenPort)
                let host = own.hostName ?? jump.host
                let port = jump.writtenPort ?? own.port ?? 22
                return SSHTarget(
                    host: host, port: port, user: jump.writtenUser ?? own.user ?? Self.defaultUser,
                    authentication: try authentication(
                        jump.login, settings: own, name: jump.host, subject: Self.subject(node.name, jump: jump.host)),
                    hostKeys: try policy(jump.hostKeys, of: node.name, jump: jump.host, settings: own, host: host, port: port))
            }
        }
        return try hops(settings.proxyJump).map { text in
            let address = JumpAddress(text)
            let own = config.settings(for: address.host, user: address.user, port: address.port)
            let host = own.hostName ?? address.host
            let port = address.port ?? own.port ?? 22
            return SSHTarget(
                host: host, port: port, user: address.user ?? own.user ?? Files.environment("USER") ?? Self.defaultUser,
                authentication: try authentication(
                    Login(), settings: own, name: address.host, subject: Self.subject(node.name, jump: address.host)),
                hostKeys: try policy([], of: node.name, jump: address.host, settings: own, host: host, port: port))
        }
    }

    /// The same as an inventory has them: what it says, else `~/.ssh/config`.
    func jumps(to node: NodeSpec) -> [JumpHost] {
        if !node.jumps.isEmpty { return node.jumps }
        let settings = settings(for: node.host, user: node.writtenUser, port: node.writtenPort)
        return hops(settings.proxyJump).map { text in
            let address = JumpAddress(text)
            return JumpHost(host: address.host, port: address.port, user: address.user, location: node.location)
        }
    }

    /// The way to the first of these hosts is what `~/.ssh/config` says of it, as OpenSSH has it; the others follow from there.
    private func hops(_ list: [String], seen: Set<String> = []) -> [String] {
        guard let first = list.first.map({ JumpAddress($0).host }), !seen.contains(first) else { return list }
        return hops(config.settings(for: first).proxyJump, seen: seen.union([first])) + list
    }

    private static func subject(_ node: String, jump: String?) -> String {
        (jump.map { "jump host \"\($0)\" of " } ?? "") + "node \"\(node)\""
    }

    /// Keys first, then the password.
    private func authentication(
        _ login: Login, settings: SSHConfig.Settings, name: String, subject: String
    ) throws -> [SSHAuthentication] {
        // What the operator logs in with is not on the servers.
        if case .pinsOnly(let identityFile) = trust { return [.keyFile(identityFile)] }
        // A file or variable that is missing is told as such; left to the login it would only look like a refusal.
        for reference in [login.password, login.passphrase].compactMap({ $0 }) where reference != .prompt {
            _ = try secrets.secret(reference, question: reference.description, subject: subject)
        }
        var methods: [SSHAuthentication] = []
        let passphrase: SSHAuthentication.SecretProvider = { [secrets] prompt in
            if let reference = login.passphrase {
                return (try? secrets.secret(reference, question: prompt, subject: subject))?.revealed
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
                (try? secrets.secret(reference, question: "Password for \(name)", subject: subject))?.revealed
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
        _ pins: [HostKey], of node: String, jump: String?, settings: SSHConfig.Settings, host: String, port: Int
    ) throws -> HostKeyPolicy {
        var keys: [OpenSSHPublicKey] = []
        var fingerprints: [String] = []
        for pin in pins {
            switch pin {
            case .key(let type, let blob): if let key = OpenSSHPublicKey(line: "\(type) \(blob)") { keys.append(key) }
            case .fingerprint(let text): fingerprints.append("SHA256:" + text)
            }
        }
        if !pins.isEmpty { return .pinned(keys, fingerprints: fingerprints) }
        guard case .person(let confirm) = trust else {
            throw HostError(
                .refused, node: node,
                Diagnostic(
                    .error, "no host key is pinned for it, so the agent does not connect", subject: Self.subject(node, jump: jump),
                    remedy:
                        "Pin it in the inventory under this \(jump == nil ? "node" : "jump host (as a mapping with `host:`, `user:`)"): "
                        + "`hostKeys:` with a line of `ssh-keyscan -t ed25519 HOST` compared with the machine's own."))
        }
        let own = Self.knownHostsFiles(settings)
        do throws(SSHError) {
            let known = try KnownHosts(files: own + Self.systemKnownHostsFiles)
            guard let confirm else { return .knownHosts(known) }
            return .knownHosts(known) { [asking] _, offered in
                asking.ask {
                    guard confirm(jump ?? node, offered.line, offered.fingerprint) else { return false }
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
