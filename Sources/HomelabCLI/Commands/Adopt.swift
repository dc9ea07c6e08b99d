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
        discussion: """
            homelab adopt 192.0.2.11 192.0.2.12. The inventory's plan is empty: a cluster that somebody installed by hand is paused in it, and \
            homelab plan shows what taking it over changes once that is taken out. A cluster that homelab itself made, whose inventory was \
            lost, is not: name its machines as that inventory did.
            """)

    @Argument(help: "Names or addresses of all machines of the cluster, with :PORT where it is not 22.")
    var hosts: [String]

    @Option(help: "The cluster's name; what its homelab agents call it, or home, if not given. The inventory is inventory/NAME.yaml.")
    var name: String?

    @Option(help: "The SSH user of all of them; what ssh's own configuration says, or root, if not given.")
    var user: String?

    @Option(help: "The private key file; what ssh would take when it is not given.")
    var identityFile: String?

    @Option(help: "A host on the way to all of them, [USER@]HOST[:PORT]; once for each, the first one first.")
    var jump: [String] = []

    package init() {}

    package func run() async throws {
        if let name { try check(name) }
        let user = Operator(console: .standard)
        let machines = try Machines(
            try spec(), inventoryDirectory: "inventory", logDirectory: nil,
            interaction: BootstrapInteraction(events: user.waits, prompt: user.prompt, confirmHostKey: user.confirmHostKey))
        let adopted = try await Adoption(machines).inventory(name: name)
        try check(adopted.name)
        let path = Self.path(adopted.name)
        for finding in adopted.findings.sorted { Console.standard.problem(finding.description) }
        let (_, warnings) = try ClusterSpec.loadWithWarnings(path, files: [path: adopted.text])
        for warning in warnings.sorted { Console.standard.problem(warning.description) }
        try Files.makeDirectory("inventory")
        try Files.write(adopted.text, to: path)
        Console.standard.line("\(path): written. `homelab plan -i \(path)` shows what is still different.")
        guard !adopted.isOfHomelab else { return }
        Console.standard.line(
            "The cluster is paused in it, and stays as it was installed. Take `paused` out, and the plan is what taking it over changes.")
    }

    private static func path(_ name: String) -> String { "inventory/\(name).yaml" }

    private func check(_ name: String) throws {
        guard Init.isName(name) else {
            throw Diagnostic(.error, "\"\(name)\" cannot be a cluster's name", remedy: "use lower-case letters, digits and dashes")
        }
        guard !Files.exists(Self.path(name)) else {
            let way = self.name == nil ? "move it away" : "give another --name, or move it away"
            throw Diagnostic(.error, "\(Self.path(name)) is there already", remedy: way)
        }
    }

    /// The hosts as an inventory of which only the way to them is known yet.
    private func spec() throws -> ClusterSpec {
        let place = SourceLocation(file: "the command line", line: 1)
        let jumps = try jump.map { text in
            guard let jump = JumpHost(text, location: place) else {
                throw Diagnostic(.error, "--jump \(text) is neither a name nor an address", remedy: "write [USER@]HOST[:PORT]")
            }
            return jump
        }
        var nodes: [NodeSpec] = []
        for text in hosts {
            guard let address = Endpoint(text, defaultPort: 22) else {
                throw Diagnostic(.error, "\(text) is neither a name nor an address", remedy: "write HOST or HOST:PORT")
            }
            var node = NodeSpec(
                name: address.host, role: .agent, host: address.host, user: user, location: place)
            node.jumps = jumps
            if address.port != 22 { node.writtenPort = address.port }
            guard !nodes.contains(where: { $0.host == node.host && $0.port == node.port }) else {
                throw Diagnostic(.error, "\(text) is named twice", remedy: "name each machine once")
            }
            if let identityFile { node.login.identityFiles = [identityFile] }
            nodes.append(node)
        }
        return ClusterSpec(
            name: name ?? "home", k3s: K3sSpec(version: K3sVersion(major: 0, minor: 0)), nodes: nodes, location: place)
    }
}
