package import ArgumentParser
import NodeInventory
import Provisioning

/// `homelab kubeconfig`: the cluster's kubeconfig from a server, printed or put into the operator's file.
package struct KubeconfigCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "kubeconfig", abstract: "Print the cluster's kubeconfig, or merge it into yours.")

    @OptionGroup var inventory: InventoryOption

    @Flag(help: "Put it into --kubeconfig beside what is there, instead of printing it.")
    var merge = false

    @Option(help: "The file for --merge.")
    var kubeconfig = "~/.kube/config"

    package init() {}

    package func run() async throws {
        let machines = try await inventory.machines()
        let found = try await machines.kubeconfig()
        guard merge else { return Console.standard.raw(found.text) }
        let file = KubeconfigFile(path: kubeconfig)
        let name = machines.spec.name
        let earlier: String?
        do { earlier = try file.write(found, merging: true) } catch { throw file.problem(error) }
        Console.standard.line("\(file.path): context \(name)")
        if let earlier { Console.standard.problem(Self.replaced(name, earlier)) }
    }

    /// That entries which were there are not any more.
    static func replaced(_ name: String, _ earlier: String) -> String {
        "warning: the entries \(name) that were there led to another cluster and are replaced; the file from before is \(earlier)"
    }
}
