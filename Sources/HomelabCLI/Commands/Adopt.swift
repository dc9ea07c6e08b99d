package import ArgumentParser
import Diagnostics
import FileSystem
import NodeInventory
import Provisioning

/// `homelab adopt`: the inventory of a k3s cluster that is there already.
package struct Adopt: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "adopt",
        abstract: "Write the inventory of an existing k3s cluster from its machines; changes nothing on them.",
        discussion: "homelab adopt --name home 192.0.2.11 192.0.2.12. Then homelab plan shows what bootstrap would change.")

    @Argument(help: "Names or addresses of all machines of the cluster, with :PORT where it is not 22.")
    var hosts: [String]

    @Option(help: "The cluster's name; the inventory is inventory/NAME.yaml.")
    var name = "home"

    @Option(help: "The SSH user of all of them; what ssh's own configuration says, or root, if not given.")
    var user: String?

    @Option(help: "The private key file; what ssh would take when it is not given.")
    var identityFile: String?

    package init() {}

    package func run() async throws {
        guard Init.isName(name) else {
            throw Diagnostic(.error, "\"\(name)\" cannot be a cluster's name", remedy: "use lower-case letters, digits and dashes")
        }
        let path = "inventory/\(name).yaml"
        guard !Files.exists(path) else {
            throw Diagnostic(.error, "\(path) is there already", remedy: "give another --name, or move it away")
        }
        let user = Operator(console: .standard)
        let machines = try Machines(
            try spec(), inventoryDirectory: "inventory", logDirectory: nil,
            interaction: BootstrapInteraction(events: user.waits, prompt: user.prompt, confirmHostKey: user.confirmHostKey))
        let (text, findings) = try await Adoption(machines).inventory(name: name)
        for finding in findings.sorted { Console.standard.problem(finding.description) }
        let (_, warnings) = try ClusterSpec.loadWithWarnings(path, files: [path: text])
        for warning in warnings.sorted { Console.standard.problem(warning.description) }
        try Files.makeDirectory("inventory")
        try Files.write(text, to: path)
        Console.standard.line("\(path): written. `homelab plan -i \(path)` shows what is still different.")
    }

    /// The hosts as an inventory of which only the way to them is known yet.
    private func spec() throws -> ClusterSpec {
        var nodes: [NodeSpec] = []
        for text in hosts {
            guard let address = Endpoint(text, defaultPort: 22) else {
                throw Diagnostic(.error, "\(text) is neither a name nor an address", remedy: "write HOST or HOST:PORT")
            }
            var node = NodeSpec(
                name: address.host, role: .agent, host: address.host, user: user,
                location: SourceLocation(file: "the command line", line: 1))
            if address.port != 22 { node.writtenPort = address.port }
            guard !nodes.contains(where: { $0.host == node.host && $0.port == node.port }) else {
                throw Diagnostic(.error, "\(text) is named twice", remedy: "name each machine once")
            }
            if let identityFile { node.login.identityFiles = [identityFile] }
            nodes.append(node)
        }
        return ClusterSpec(
            name: name, k3s: K3sSpec(version: K3sVersion(major: 0, minor: 0)), nodes: nodes,
            location: SourceLocation(file: "the command line", line: 1))
    }
}
