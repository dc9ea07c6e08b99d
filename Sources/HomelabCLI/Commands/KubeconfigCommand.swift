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
        let found = try await inventory.machines().kubeconfig()
        guard merge else { return Console.standard.raw(found.text) }
        let file = KubeconfigFile(path: kubeconfig)
        try file.write(found, merging: true)
        Console.standard.line("\(file.path): context \(try inventory.load().spec.name)")
    }
}
