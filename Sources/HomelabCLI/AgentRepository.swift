import Diagnostics
import HTTPNetworking
import NodeInventory
import Reconciliation

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
            return RemoteRepository(transport: transport, branch: repository.branch, mirror: mirror, log: log)
        }
        if repository.url.hasPrefix("https://") || repository.url.hasPrefix("http://") {
            let transport = HTTPGitTransport(
                url: repository.url, username: repository.username, tokenFile: repository.tokenFile,
                transport: try AsyncHTTPTransport(followsRedirects: false, connectionsPerHost: 2))
            return RemoteRepository(transport: transport, branch: repository.branch, mirror: mirror, log: log)
        }
        throw Diagnostic(
            .error, "repository.url \(repository.url) is nothing that can be fetched",
            remedy: "a path on this server, ssh://user@host/path or https://host/path")
    }
}
