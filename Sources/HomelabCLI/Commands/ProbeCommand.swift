package import ArgumentParser
import Diagnostics
import Provisioning

/// `homelab probe`: the two ends of `homelab preflight`'s probes, run by it on the nodes.
package struct ProbeCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Try ports between nodes, and the way to them.", shouldDisplay: false,
        subcommands: [Listen.self, Send.self, Upload.self, Library.self])

    package init() {}

    package struct Listen: ParsableCommand {
        package static let configuration = CommandConfiguration(
            commandName: "listen", abstract: "Wait for probes until the output is closed.")

        @Option(help: "The address to listen on.")
        var address: String

        @Argument(help: "tcp:PORT or udp:PORT.")
        var ports: [String]

        package init() {}

        package func run() throws {
            let ports = try ports.map { text in
                guard let port = ProbeListener.Port(text) else { throw Diagnostic(.error, "\(text) is neither tcp:PORT nor udp:PORT") }
                return port
            }
            ProbeListener(ports, address: address) { Console.standard.line($0) }.run(seconds: 120)
        }
    }

    package struct Send: ParsableCommand {
        package static let configuration = CommandConfiguration(
            commandName: "send", abstract: "Try what standard input names, one `tcp:PORT ADDRESS` a line.")

        @Option(help: "How long each may take.")
        var seconds = 3.0

        package init() {}

        package func run() throws {
            var targets: [String] = []
            while let line = readLine() { targets.append(line) }
            var sender = ProbeSender(targets)
            for line in sender.run(seconds: seconds) { Console.standard.line(line) }
        }
    }

    /// What the SSH connections of this build can do depends on it.
    package struct Library: ParsableCommand {
        package static let configuration = CommandConfiguration(commandName: "library", abstract: "Show libssh2's version.")

        package init() {}

        package func run() { Console.standard.line(SSHConnector.libraryVersion) }
    }

    /// The way every binary takes to a node, for measuring it.
    package struct Upload: AsyncParsableCommand {
        package static let configuration = CommandConfiguration(commandName: "upload", abstract: "Bring a file to nodes.")

        @OptionGroup var inventory: InventoryOption

        @Argument(help: "The file.")
        var file: String

        @Argument(help: "Where it goes.")
        var destination: String

        @Argument(help: "The nodes; all when none is named.")
        var nodes: [String] = []

        package init() {}

        package func run() async throws {
            let machines = try await inventory.machines()
            try await machines.upload(file, to: destination, nodes: try machines.spec.nodes(named: nodes))
        }
    }
}
