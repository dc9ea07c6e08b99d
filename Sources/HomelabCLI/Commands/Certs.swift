package import ArgumentParser
import Diagnostics
import Glibc
import NodeInventory
import NodePlanning
import Provisioning
import YAML

/// `homelab certs`: when k3s' certificates end, and their renewal.
package struct Certs: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "certs",
        abstract: "Check or renew k3s' certificates on the nodes.", subcommands: [Check.self, Rotate.self], defaultSubcommand: Check.self)

    package init() {}

    package struct Check: AsyncParsableCommand {
        package static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Say when the certificates on each node end; exit status 1 when one has ended.")

        @OptionGroup var inventory: InventoryOption

        @Argument(help: "Nodes; all when none is named.")
        var nodes: [String] = []

        @Option(name: .shortAndLong, help: "text or json.")
        var output = OutputFormat.text

        package init() {}

        package func run() async throws {
            let machines = try inventory.machines()
            let (found, unreached) = try await machines.certificates(of: try machines.spec.nodes(named: nodes))
            let now = Int(time(nil))
            for problem in unreached.sorted { Console.standard.problem(problem.description) }
            switch output {
            case .json: Console.standard.line(JSONWriter.text(Self.json(found), pretty: true))
            case .text: Self.show(found, now)
            }
            if unreached.hasErrors || found.contains(where: { $0.firstEnd.map { $0 < now } ?? false }) { throw ExitCode(1) }
        }

        private static func show(_ found: [NodeCertificates], _ now: Int) {
            var table = Table(header: ["NODE", "CERTIFICATES", "FIRST ENDS IN", "WHICH"])
            for node in found {
                guard let first = node.certificates.min(by: { $0.notAfter < $1.notAfter }) else {
                    table.append([node.node, "0", "", ""])
                    continue
                }
                let days = (first.notAfter - now) / 86400
                let style: Console.Style = days < 0 ? .red : days < 30 ? .yellow : .green
                table.append([
                    node.node, String(node.certificates.count),
                    Console.standard.styled(first.notAfter < now ? "has ended" : "\(days) days", style), first.path,
                ])
            }
            Console.standard.line(table.text)
        }

        private static func json(_ found: [NodeCertificates]) -> Value {
            .array(
                found.map { node in
                    [
                        "node": .string(node.node),
                        "certificates": .array(
                            node.certificates.map { ["path": .string($0.path), "notAfter": .int(Int64($0.notAfter))] }),
                    ]
                })
        }
    }

    package struct Rotate: AsyncParsableCommand {
        package static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Renew the certificates: servers one at a time, then agents; each restarts its k3s.")

        @OptionGroup var inventory: InventoryOption

        @Argument(help: "Nodes; all when none is named.")
        var nodes: [String] = []

        @Flag(help: "Do not ask.")
        var yes = false

        package init() {}

        package func run() async throws {
            let machines = try inventory.machines(logs: true) { Console.standard.line($0.description) }
            let nodes = try machines.spec.nodes(named: nodes)
            let names = nodes.map(\.name).joined(separator: ", ")
            guard yes || Console.standard.confirms("Restart k3s on \(names), one after the other, to renew its certificates?") else {
                throw Diagnostic(.error, "nothing was done", remedy: "answer y, or give --yes")
            }
            try await CertificateRotation(machines: machines).run(nodes)
            Console.standard.line("The certificates are renewed; `homelab kubeconfig --merge` brings the administrator's.")
        }
    }
}
