package import ArgumentParser
import Diagnostics
import NodeInventory
import NodePlanning
import Provisioning

/// `homelab repository`: the URL that `git remote add` wants.
package struct RepositoryCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "repository", abstract: "Print the URL of the repository the agent follows, as git push wants it.")

    @OptionGroup var inventory: InventoryOption

    package init() {}

    package func run() async throws {
        let (path, spec) = try await inventory.load()
        guard let url = spec.repositoryURL else {
            throw Diagnostic(
                .error, "\(path) lists no server, so there is no place for the repository", remedy: "add a node with role: server")
        }
        Console.standard.line(url)
    }
}

extension ClusterSpec {
    /// The URL the inventory names, or that of the bare repository on the first server; nil without a server.
    var repositoryURL: String? {
        if let url = repository.url { return url }
        guard let server = servers.first else { return nil }
        let host = server.host.contains(":") ? "[\(server.host)]" : server.host
        // git logs in by ssh, which reads the operator's own file where nothing is said here.
        let port = server.writtenPort.map { ":\($0)" } ?? ""
        return "ssh://\(SSHConnector.user(of: server))@\(host)\(port)\(NodeLayout.repository)"
    }
}
