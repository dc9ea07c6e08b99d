package import ArgumentParser
import Diagnostics
import FileSystem
import Kustomize
import NodeInventory

/// `homelab validate`: everything that can be known to be wrong without touching a machine.
package struct Validate: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check inventory/ and clusters/ and tell every problem at once.",
        discussion: "Reads files only. Exit status 0: nothing is wrong, 1: something is.")

    @OptionGroup var inventory: InventoryOption

    package init() {}

    package func run() async throws {
        let path = try inventory.path()
        var found = Diagnostics()
        var summary: [String] = []
        // An inventory that cannot be read still has a name, so that the objects are checked in the same run.
        var directory = "clusters/" + ClusterSpec.stem(of: path)
        var answersWebhooks = false
        do {
            let (spec, warnings) = try ClusterSpec.loadWithWarnings(path, files: InventoryOption.texts(around: path))
            found.append(contentsOf: warnings)
            summary.append("\(path): \(spec.servers.count) server(s), \(spec.agents.count) agent(s), k3s \(spec.k3s.version)")
            directory = spec.repository.path ?? "clusters/\(spec.name)"
            answersWebhooks = spec.agent.webhook != nil
        } catch let problems as Diagnostics {
            found.append(contentsOf: problems)
        }
        let (objects, problems) = ClusterTree(directory: directory, answersWebhooks: answersWebhooks).check()
        found.append(contentsOf: problems)
        if let objects { summary.append("\(directory): \(objects) object(s)") }
        for problem in found.sorted { Console.standard.problem(problem.description) }
        let errors = found.all.filter { $0.severity == .error }.count
        guard errors == 0 else {
            Console.standard.problem("\(errors) problem(s) found")
            throw ExitCode(1)
        }
        for line in summary { Console.standard.line(line) }
        let warnings = found.all.count
        Console.standard.line(warnings == 0 ? "Nothing is wrong." : "No errors, \(warnings) warning(s).")
    }
}
