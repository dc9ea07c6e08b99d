import Diagnostics
import FileSystem
import Git
import HTTPNetworking
import Kustomize
import NodeInventory
import Reconciliation
import SSH

/// How `homelab build` and `homelab diff` with `--allow-remote` reach the repositories that a kustomization names by URL: over https without a login, over ssh
/// as the operator, with their agent, keys and known_hosts.
enum RemoteBases {
    /// - Parameter followsNames: whether branches and tags may be named, as the agent allows them.
    static func source(followsNames: Bool = false) throws -> RemoteCommits {
        let client = try AsyncHTTPTransport(followsRedirects: false, connectionsPerHost: 2)
        return RemoteCommits(directory: CacheFolder.path + "/remotes", followsNames: followsNames) { url in
            if url.hasPrefix("https://") || url.hasPrefix("http://") {
                return HTTPGitTransport(url: url, transport: client) { nil }
            }
            guard let remote = SSHRemote(Self.sshURL(url)) else {
                throw Diagnostic(.error, "\(url) cannot be fetched", remedy: "https://… and ssh://… can, and host:path over ssh")
            }
            let home = Files.homeDirectory + "/.ssh"
            return SSHGitTransport(remote) { () throws(SSHError) in
                let keys = ["id_ed25519", "id_ecdsa", "id_rsa"].map { "\(home)/\($0)" }.filter { Files.exists($0) }
                return GitLogin(
                    authentication: [.agent()] + keys.map { .keyFile($0) }, knownHosts: try KnownHosts(files: [home + "/known_hosts"]))
            }
        }
    }

    /// The agent's: over https without a login, over ssh with the key and the pins of the inventory's repository. Branches are followed.
    static func agent(_ configuration: AgentConfiguration) throws -> RemoteCommits {
        let client = try AsyncHTTPTransport(followsRedirects: false, connectionsPerHost: 2)
        let repository = configuration.repository
        return RemoteCommits(directory: configuration.stateDirectory + "/remotes", followsNames: true) { url in
            if url.hasPrefix("https://") || url.hasPrefix("http://") { return HTTPGitTransport(url: url, transport: client) { nil } }
            guard let remote = SSHRemote(Self.sshURL(url)) else {
                throw Diagnostic(.error, "\(url) cannot be fetched", remedy: "https://… and ssh://… can, and host:path over ssh")
            }
            return SSHGitTransport(
                remote, identityFile: repository.identityFile ?? configuration.identityFile,
                knownHostsFile: repository.knownHostsFile ?? configuration.knownHostsFile)
        }
    }

    /// `git@host:path` as a URL.
    static func sshURL(_ text: String) -> String {
        guard !text.contains("://"), let colon = text.firstIndex(of: ":") else { return text }
        return "ssh://\(text[..<colon])/\(text[text.index(after: colon)...].drop { $0 == "/" })"
    }
}
