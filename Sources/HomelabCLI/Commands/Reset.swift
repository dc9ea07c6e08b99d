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
        let view = ProgressView(console: .standard)
        let (events, feed) = AsyncStream<ProvisioningEvent>.makeStream()
        let drawing = Task { for await event in events { await view.show(event) } }
        let machines = try inventory.machines(logs: true) { feed.yield($0) }
        let names = machines.spec.nodes.map(\.name).joined(separator: ", ")
        try Confirmation.demand(
            machines.spec.name, given: confirm,
            "Cluster \(machines.spec.name) and all data in it will be gone from \(names): apps, volumes, snapshots, the git repository.")
        let outcome: Result<Diagnostics, any Error>
        do { outcome = .success(try await machines.reset()) } catch { outcome = .failure(error) }
        feed.finish()
        await drawing.value
        await view.finish()
        let problems = try outcome.get()
        if problems.isEmpty { return Console.standard.line("Nothing of cluster \(machines.spec.name) is left on its machines.") }
        try problems.throwIfErrors()
    }
}
