package import ArgumentParser
import Diagnostics
import NodeInventory
import Provisioning

/// `homelab reset`: takes the whole cluster down, after its name was typed.
package struct Reset: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Take the whole cluster down: k3s, homelab and all their data go from every machine.")

    @OptionGroup var inventory: InventoryOption

    @Option(help: "The cluster's name, in place of typing it.")
    var confirm: String?

    package init() {}

    package func run() async throws {
        let (name, problems) = try await ProgressView.following(.standard) { events in
            let machines = try inventory.machines(logs: true, events: events)
            let names = machines.spec.nodes.map(\.name).joined(separator: ", ")
            try Confirmation.demand(
                machines.spec.name, given: confirm,
                "Cluster \(machines.spec.name) and all data in it will be gone from \(names): apps, volumes, snapshots, the git repository."
            )
            return (machines.spec.name, try await machines.reset())
        }
        if problems.isEmpty { return Console.standard.line("Nothing of cluster \(name) is left on its machines.") }
        try problems.throwIfErrors()
    }
}
