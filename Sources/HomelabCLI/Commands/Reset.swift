package import ArgumentParser
import Diagnostics
import NodeInventory
import NodePlanning
import Provisioning

/// `homelab reset`: takes the whole cluster down, after its name was typed.
package struct Reset: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Take the whole cluster down: k3s, homelab and all their data go from every machine.",
        discussion: """
            Machines whose k3s is of another cluster, and those that are to be absent and hold nothing of this one, are left alone and named \
            before the question.
            """)

    @OptionGroup var inventory: InventoryOption

    @Option(help: "The cluster's name, in place of typing it.")
    var confirm: String?

    package init() {}

    package func run() async throws {
        let (name, spared, problems) = try await ProgressView.following(.standard) { events in
            let machines = try await inventory.machines(for: "homelab reset", logs: true, events: events)
            let name = machines.spec.name
            try Confirmation.refuse(confirm, otherThan: name)
            let (spared, problems) = try await machines.reset { scope, unseen in
                for note in scope.spared { Console.standard.problem(note.finding(.warning).description) }
                for problem in unseen.sorted { Console.standard.problem(problem.description) }
                guard !scope.nodes.isEmpty else {
                    throw Diagnostic(
                        .error, "there is no machine that could be taken", subject: "cluster \"\(name)\"", remedy: "nothing was done")
                }
                try Confirmation.demand(
                    name, given: confirm,
                    "Cluster \(name) and all data in it will be gone from \(scope.nodes.joined(separator: ", ")): apps, volumes, snapshots, "
                        + "the git repository.")
            }
            return (name, spared.compactMap(\.node), problems)
        }
        try problems.throwIfErrors()
        let rest = spared.isEmpty ? "" : "; left alone: \(spared.joined(separator: ", "))"
        Console.standard.line("Nothing of cluster \(name) is left on its machines\(rest).")
    }
}
