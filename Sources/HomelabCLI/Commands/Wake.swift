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
        let machines = try await inventory.machines()
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
        if wait, !woken.isEmpty {
            problems.append(contentsOf: try await ProgressView.following(.standard) { await awaken(woken, machines, $0) })
        }
        try problems.throwIfErrors()
    }

    private func awaken(
        _ nodes: [NodeSpec], _ machines: Machines, _ tell: @escaping @Sendable (ProvisioningEvent) -> Void
    ) async -> Diagnostics {
        let step = "wait until it lets us in over SSH"
        let outcomes = await parallel(nodes, limit: 20) { node -> Diagnostic? in
            let start = ContinuousClock.now
            tell(.stepStarted(node: node.name, step: step))
            do {
                try await machines.wait(for: node, limit: .seconds(300)) { tell(.stepDetail(node: node.name, step: step, text: $0)) }
                tell(.stepDone(node: node.name, step: step, elapsed: .now - start))
                return nil
            } catch {
                let problem = Diagnostic(
                    .error, "it did not come up within 5 min", subject: "node \"\(node.name)\"",
                    cause: (error as? HostError).map { $0.diagnostic.cause ?? $0.diagnostic.summary } ?? "\(error)",
                    remedy: "is wake-on-LAN switched on in its firmware and on its interface (`ethtool -s eth0 wol g`)?")
                tell(.stepFailed(node: node.name, step: step, elapsed: .now - start, diagnostic: problem))
                return problem
            }
        }
        return Diagnostics(outcomes.compactMap { $0 })
    }
}
