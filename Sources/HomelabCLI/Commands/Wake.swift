package import ArgumentParser
import Diagnostics
import NodeInventory
import Provisioning

/// `homelab wake`: wake-on-LAN for nodes with a hardware address in the inventory.
package struct Wake: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "wake",
        abstract: "Wake sleeping machines by their hardware address (mac).",
        discussion: "The packet goes to the networks of this machine and to network.nodes; a router passes it on only if it was told to.")

    @OptionGroup var inventory: InventoryOption

    @Argument(help: "Nodes; all with a mac when none is named.")
    var nodes: [String] = []

    @Flag(help: "Wait until each lets us in over SSH, five minutes at most.")
    var wait = false

    package init() {}

    package func run() async throws {
        let machines = try inventory.machines()
        var problems = Diagnostics()
        var woken: [NodeSpec] = []
        for node in try machines.spec.nodes(named: nodes) {
            guard let mac = node.mac, let packet = WakePacket(mac: mac) else {
                if !nodes.isEmpty {
                    problems.append(
                        Diagnostic(
                            .error, "the inventory has no mac for it", subject: "node \"\(node.name)\"", at: node.location,
                            remedy: "add mac: aa:bb:cc:dd:ee:ff, as `ip link` shows it on the machine"))
                }
                continue
            }
            let reached = packet.send(to: machines.spec.network.nodes)
            if reached.isEmpty {
                problems.append(
                    Diagnostic(
                        .error, "its packet could not be sent", subject: "node \"\(node.name)\"",
                        remedy: "this machine needs an IPv4 network with broadcasts"))
                continue
            }
            Console.standard.line("\(node.name): sent the wake-up packet for \(mac) to \(reached.joined(separator: ", "))")
            woken.append(node)
        }
        if nodes.isEmpty, woken.isEmpty, problems.isEmpty {
            problems.append(
                Diagnostic(.error, "no node of the inventory has a mac", remedy: "add mac: aa:bb:cc:dd:ee:ff to those that can be woken"))
        }
        if wait { await waitForAll(woken, machines, &problems) }
        try problems.throwIfErrors()
    }

    private func waitForAll(_ nodes: [NodeSpec], _ machines: Machines, _ problems: inout Diagnostics) async {
        let outcomes = await parallel(nodes, limit: 20) { node -> Diagnostic? in
            do {
                try await machines.wait(for: node, limit: .seconds(300)) { _ in }
                Console.standard.line("\(node.name): is there")
                return nil
            } catch {
                return Diagnostic(
                    .error, "it did not come up within 5 min", subject: "node \"\(node.name)\"", cause: "\(error)",
                    remedy: "is wake-on-LAN switched on in its firmware and on its interface (`ethtool -s eth0 wol g`)?")
            }
        }
        for problem in outcomes { if let problem { problems.append(problem) } }
    }
}
