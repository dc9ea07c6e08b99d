import Cryptography
import Diagnostics
import Git
import HTTP
import HTTPNetworking
import KubernetesModel
import NodeInventory
import Reconciliation
import SSH

/// The repository an agent's configuration names, as something to follow.
enum AgentRepository {
    static func source(
        of configuration: AgentConfiguration, log: @escaping @Sendable (String) -> Void
    ) throws -> any RepositorySource {
        let repository = configuration.repository
        if repository.url.hasPrefix("/") { return LocalRepository(path: repository.url, branch: repository.branch) }
        let mirror = configuration.stateDirectory + "/mirror.git"
        if let remote = SSHRemote(repository.url) {
            let transport = SSHGitTransport(
                remote, identityFile: repository.identityFile ?? configuration.identityFile,
                knownHostsFile: repository.knownHostsFile ?? configuration.knownHostsFile)
            return RemoteRepository(transport: transport, following: .branch(repository.branch), mirror: mirror, log: log)
        }
        if repository.url.hasPrefix("https://") || repository.url.hasPrefix("http://") {
            let transport = HTTPGitTransport(
                url: repository.url, username: repository.username, tokenFile: repository.tokenFile,
                transport: try AsyncHTTPTransport(followsRedirects: false, connectionsPerHost: 2))
            return RemoteRepository(transport: transport, following: .branch(repository.branch), mirror: mirror, log: log)
        }
        throw Diagnostic(
            .error, "repository.url \(repository.url) is nothing that can be fetched",
            remedy: "a path on this server, ssh://user@host/path or https://host/path")
    }

    /// The repositories of GitRepository objects, with what their Secrets hold, by Flux' names: `username` and `password`, `bearerToken`,
    /// `ca.crt` or `caFile`, `tls.crt` and `tls.key`; `identity`, `known_hosts` and the key's `password` for ssh.
    static func factory(
        _ configuration: AgentConfiguration, log: @escaping @Sendable (String) -> Void
    ) -> RepositoryFactory {
        { spec, secret in
            let mirror = Self.mirror(of: spec, in: configuration.stateDirectory)
            let followed = try FollowedReference(spec)
            let data = secret.mapValues { String(decoding: $0, as: UTF8.self) }
            let transport: any GitTransport
            if let remote = SSHRemote(spec.url) {
                let login = try login(data, spec)
                transport = SSHGitTransport(remote) { login }
            } else if spec.url.hasPrefix("https://") || spec.url.hasPrefix("http://") {
                let tls = TLSOptions(
                    trustRoots: data["ca.crt"] ?? data["caFile"], clientCertificate: data["tls.crt"] ?? data["certFile"],
                    clientKey: data["tls.key"] ?? data["keyFile"])
                let credential = credential(data)
                transport = HTTPGitTransport(
                    url: spec.url, transport: try AsyncHTTPTransport(tls: tls, followsRedirects: false, connectionsPerHost: 2)
                ) { credential }
            } else {
                return nil
            }
            return RemoteRepository(transport: transport, following: followed, mirror: mirror, log: log)
        }
    }

    /// A directory of its own for each repository, so that an object which is pointed elsewhere never reads the old one's commits.
    private static func mirror(of spec: GitRepositorySpec, in directory: String) -> String {
        let digest = SHA256.hex(of: spec.url).prefix(12)
        return "\(directory)/sources/\(spec.namespace)/\(spec.name)-\(digest).git"
    }

    private static func credential(_ data: [String: String]) -> GitCredential? {
        if let token = data["bearerToken"] { return GitCredential(secret: Secret(token), isBearer: true) }
        return data["password"].map { GitCredential(username: data["username"], secret: Secret($0)) }
    }

    private static func login(_ data: [String: String], _ spec: GitRepositorySpec) throws -> GitLogin {
        guard let identity = data["identity"], let knownHosts = data["known_hosts"] else {
            throw Diagnostic(
                .error, "\(spec.url) needs a Secret with `identity` and `known_hosts`", subject: "\(spec.namespace)/\(spec.name)",
                remedy: "name it in spec.secretRef, as `flux create secret git` makes it")
        }
        let passphrase = data["password"]
        return GitLogin(
            authentication: [
                .key(text: identity, name: "the Secret \(spec.namespace)/\(spec.secret ?? "")", passphrase: { _ in passphrase })
            ],
            knownHosts: KnownHosts(text: knownHosts), publicKey: data["identity.pub"])
    }
}
