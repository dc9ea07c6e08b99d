import Cryptography
import Diagnostics
import FileSystem
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
        of configuration: AgentConfiguration, inUse: CommitsInUse? = nil, log: @escaping @Sendable (String) -> Void
    ) throws -> any RepositorySource {
        let repository = configuration.repository
        if repository.url.hasPrefix("/") { return LocalRepository(path: repository.url, branch: repository.branch) }
        let mirror = configuration.stateDirectory + "/mirror.git"
        if let remote = SSHRemote(repository.url) {
            let transport = SSHGitTransport(
                remote, identityFile: repository.identityFile ?? configuration.identityFile,
                knownHostsFile: repository.knownHostsFile ?? configuration.knownHostsFile)
            return RemoteRepository(
                transport: transport, following: .branch(repository.branch), mirror: mirror, inUse: inUse, log: log)
        }
        if repository.url.hasPrefix("https://") || repository.url.hasPrefix("http://") {
            let tls = TLSOptions(trustRoots: try repository.caFile.map { try Files.readText($0) })
            let transport = HTTPGitTransport(
                url: repository.url, username: repository.username, tokenFile: repository.tokenFile,
                transport: try AsyncHTTPTransport(tls: tls, followsRedirects: false, connectionsPerHost: 2))
            return RemoteRepository(
                transport: transport, following: .branch(repository.branch), mirror: mirror, inUse: inUse, log: log)
        }
        throw Diagnostic(
            .error, "repository.url \(repository.url) is nothing that can be fetched",
            remedy: "a path on this server, ssh://user@host/path or https://host/path")
    }

    /// The repositories of GitRepository objects, with what their Secrets hold, by Flux' names: `username` and `password`, `bearerToken`,
    /// `ca.crt` or `caFile`, `tls.crt` and `tls.key`; `identity`, `known_hosts` and the key's `password` for ssh; those of a GitHub App
    /// (``GitHubApp``); `address`, `username` and `password` of a proxy.
    static func factory(
        _ configuration: AgentConfiguration, inUse: CommitsInUse? = nil, log: @escaping @Sendable (String) -> Void
    ) -> RepositoryFactory {
        { spec, secrets in
            let mirror = Self.mirror(of: spec, in: configuration.stateDirectory)
            let followed = try FollowedReference(spec)
            let way = try RepositoryAccess(spec, Self.texts(secrets.login), proxy: Self.texts(secrets.proxy))
            guard let transport = try way.transport(to: spec.url) else { return nil }
            let submodules = spec.recursesSubmodules ? RemoteCommits(directory: mirror + ".submodules") { try way.submodule($0) } : nil
            return RemoteRepository(
                transport: transport, following: followed, mirror: mirror, limits: limits(of: spec), submodules: submodules, inUse: inUse,
                log: log)
        }
    }

    /// What `spec.timeout` leaves a host to answer in. A fetch that goes on is let go on: the first of a large repository takes long.
    private static func limits(of spec: GitRepositorySpec) -> RemoteLimits {
        var limits = RemoteLimits()
        limits.listing = spec.timeout
        limits.silence = max(min(spec.timeout, limits.silence), spec.timeout / 2)
        return limits
    }

    private static func texts(_ data: [String: [UInt8]]) -> [String: String] { data.mapValues { String(decoding: $0, as: UTF8.self) } }

    /// A directory of its own for each repository, so that an object which is pointed elsewhere never reads the old one's commits.
    private static func mirror(of spec: GitRepositorySpec, in directory: String) -> String {
        // A new password is no new repository.
        let digest = SHA256.hex(of: RepositoryURL(spec.url).password == nil ? spec.url : spec.plainURL).prefix(12)
        return "\(directory)/sources/\(spec.namespace)/\(spec.name)-\(digest).git"
    }
}
