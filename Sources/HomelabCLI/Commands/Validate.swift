package import ArgumentParser
import Diagnostics
import FileSystem
import KubernetesModel
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
        let stem = ClusterSpec.stem(of: path)
        var tree = ClusterTree(directory: "clusters/" + stem, own: Ownership(of: nil, cluster: stem))
        do {
            let (spec, warnings) = try await InventoryOption.load(path, isTimeZone: Self.timeZones)
            found.append(contentsOf: warnings)
            summary.append("\(path): \(spec.servers.count) server(s), \(spec.agents.count) agent(s), k3s \(spec.k3s.version)")
            tree = ClusterTree(
                directory: spec.repository.path ?? "clusters/\(spec.name)", own: Ownership(of: spec.repository.unit, cluster: spec.name))
            tree.branch = spec.repository.branch
            tree.url = spec.repository.url
            tree.answersWebhooks = spec.agent.webhook != nil
            tree.allowsRemoteBases = spec.agent.allowsRemoteBases
        } catch {
            found.append(contentsOf: error)
        }
        let (objects, problems) = tree.check()
        found.append(contentsOf: problems)
        if let objects { summary.append("\(tree.directory): \(objects) object(s)") }
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

    /// A window in a zone that nobody knows never opens. This machine's tz database is asked, where it has one.
    private static var timeZones: ((String) -> Bool)? {
        let database = "/usr/share/zoneinfo/"
        guard Files.exists(database + "Europe/Berlin") else { return nil }
        return { zone in !zone.contains("..") && Files.exists(database + zone) }
    }
}
