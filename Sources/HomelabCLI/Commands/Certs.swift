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
            abstract: "Say when the certificates on each node end; exit status 1 when one has ended or a node cannot be seen.")

        @OptionGroup var inventory: InventoryOption

        @Argument(help: "Nodes; all when none is named.")
        var nodes: [String] = []

        @Option(name: .shortAndLong, help: "text or json.")
        var output = OutputFormat.text

        package init() {}

        package func run() async throws {
            let machines = try await inventory.machines()
            let (found, unreached) = try await machines.certificates(of: try machines.spec.nodes(named: nodes))
            let now = Int(time(nil))
            let ending = found.compactMap { $0.finding(at: now) }
            switch output {
            case .json: Console.standard.line(JSONWriter.text(Self.json(found, ending, unreached), pretty: true))
            case .text:
                if !found.isEmpty { Self.show(found, now) }
                for problem in unreached.sorted + ending { Console.standard.problem(problem.description) }
            }
            if unreached.hasErrors || ending.contains(where: { $0.severity == .error }) { throw ExitCode(1) }
        }

        private static func show(_ found: [NodeCertificates], _ now: Int) {
            var table = Table(header: ["NODE", "CERTIFICATES", "FIRST ENDS IN", "WHICH"])
            for node in found {
                guard let first = node.certificates.min(by: { $0.notAfter < $1.notAfter }) else {
                    table.append([node.node, "0", "", ""])
                    continue
                }
                let days = (first.notAfter - now) / 86400
                let style: Console.Style = first.notAfter < now ? .red : days < [ServerReview.Certificate].nearDays ? .yellow : .green
                table.append([
                    node.node, String(node.certificates.count),
                    Console.standard.styled(first.notAfter < now ? "has ended" : "\(days) days", style), first.path,
                ])
            }
            Console.standard.line(table.text)
        }

        private static func json(_ found: [NodeCertificates], _ ending: [Diagnostic], _ unreached: Diagnostics) -> Value {
            [
                "nodes": .array(
                    found.map { node in
                        [
                            "node": .string(node.node),
                            "certificates": .array(
                                node.certificates.map { ["path": .string($0.path), "notAfter": .int(Int64($0.notAfter))] }),
                        ]
                    }),
                "findings": .array(ending.map(\.json)), "unreached": .array(unreached.sorted.map(\.json)),
            ]
        }
    }

    package struct Rotate: AsyncParsableCommand {
        package static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Renew the certificates: servers one at a time, then agents; each restarts its k3s.",
            discussion: "No server is restarted while etcd would lose its majority without it.")

        @OptionGroup var inventory: InventoryOption

        @Argument(help: "Nodes; all when none is named.")
        var nodes: [String] = []

        @Flag(help: "Do not ask.")
        var yes = false

        package init() {}

        package func run() async throws {
            try await ProgressView.following(.standard) { events in
                let machines = try await inventory.machines(for: "homelab certs rotate", logs: true, events: events)
                let nodes = try machines.spec.nodes(named: nodes)
                let names = nodes.map(\.name).joined(separator: ", ")
                guard yes || Console.standard.confirms("Restart k3s on \(names), one after the other, to renew its certificates?") else {
                    throw Diagnostic(.error, "nothing was done", remedy: "answer y, or give --yes")
                }
                try await CertificateRotation(machines: machines).run(nodes)
            }
            Console.standard.line("The certificates are renewed; `homelab kubeconfig --merge` brings the administrator's.")
        }
    }
}
