import Diagnostics
import NodeInventory
import Reconciliation

/// The repository an agent's configuration names, as something to follow.
enum AgentRepository {
    static func source(of configuration: AgentConfiguration) throws -> any RepositorySource {
        let url = configuration.repository.url
        if url.hasPrefix("/") { return LocalRepository(path: url, branch: configuration.repository.branch) }
        throw Diagnostic(.error, "repository.url \(url) is of no kind that is known", remedy: "a path on this server, ssh://… or https://…")
    }
}
