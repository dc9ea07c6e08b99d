package import ArgumentParser
import Diagnostics
import FileSystem
import Kustomize
import NodeInventory

/// `homelab validate`: everything that can be known to be wrong without touching a machine.
package struct Validate: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        abstract: "Check inventory/ and clusters/ and tell every problem at once.",
        discussion: "Reads files only. Exit status 0: nothing is wrong, 1: something is.")

    @OptionGroup var inventory: InventoryOption

    package init() {}

    package func run() async throws {
        let path = try inventory.path()
        var found = Diagnostics()
        var summary: [String] = []
        do {
            let (spec, warnings) = try ClusterSpec.loadWithWarnings(path, files: InventoryOption.texts(around: path))
            found.append(contentsOf: warnings)
            summary.append("\(path): \(spec.servers.count) server(s), \(spec.agents.count) agent(s), k3s \(spec.k3s.version)")
            let (objects, problems) = ClusterTree(directory: spec.repository.path ?? "clusters/\(spec.name)").check()
            found.append(contentsOf: problems)
            if let objects { summary.append("\(spec.repository.path ?? "clusters/\(spec.name)"): \(objects) object(s)") }
        } catch let problems as Diagnostics {
            found.append(contentsOf: problems)
        }
        for problem in found.sorted { Console.standard.problem(problem.description) }
        let errors = found.all.filter { $0.severity == .error }.count
        guard errors == 0 else {
            Console.standard.problem("\(errors) problem(s) found")
            throw ExitCode(1)
        }
        for line in summary { Console.standard.line(line) }
        Console.standard.line("Nothing is wrong.")
    }
}
