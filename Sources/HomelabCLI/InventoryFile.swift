import ArgumentParser
import Diagnostics
import FileSystem
import NodeInventory

/// `-i inventory/<cluster>.yaml`, or the only one there is.
struct InventoryOption: ParsableArguments {
    @Option(name: [.short, .customLong("inventory")], help: "The inventory; the only file in inventory/ when it is not given.")
    var inventory: String?

    /// The file meant, as a path the messages can show.
    func path() throws -> String {
        if let inventory { return inventory }
        let found = ((try? Files.list("inventory")) ?? []).filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }
            .filter { !$0.hasSuffix(".lock.yaml") }
        switch found.count {
        case 1: return "inventory/" + found[0]
        case 0:
            throw Diagnostic(
                .error, "there is no inventory here",
                remedy: "run this in the repository's folder, name one with -i, or begin with homelab init")
        default:
            throw Diagnostic(
                .error, "there are several inventories here: \(found.joined(separator: ", "))",
                remedy: "name one with -i inventory/NAME.yaml")
        }
    }

    /// Reads and checks it; what is wrong without stopping anything is printed.
    func load() throws -> (path: String, spec: ClusterSpec) {
        let path = try path()
        let (spec, warnings) = try ClusterSpec.loadWithWarnings(path, files: Self.texts(around: path))
        for warning in warnings.sorted { Console.standard.problem(warning.description) }
        return (path, spec)
    }

    /// The inventory with the files that belong to it, path -> text.
    static func texts(around path: String) throws -> [String: String] {
        var texts: [String: String] = [:]
        let directory = ClusterSpec.nodeDirectory(of: path)
        let nodes = Files.exists(directory) ? try Files.list(directory).map { directory + "/" + $0 } : []
        for file in [path, ClusterSpec.lockFile(of: path)] + nodes where Files.exists(file) { texts[file] = try Files.readText(file) }
        return texts
    }
}
