package import ArgumentParser
import Diagnostics
import FileSystem
import HTTPNetworking
import NodeInventory
import Provisioning

/// `homelab lock`: pins the sha256 of the k3s binaries in a file beside the inventory.
package struct Lock: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "lock",
        abstract: "Pin the sha256 of the inventory's k3s version, with `k3s.airgap` of its images too, in inventory/CLUSTER.lock.yaml.",
        discussion:
            "Reads the release's lists of sums (release page, mirror or folder). Commit the file: what it pins is checked, not fetched.")

    @OptionGroup var inventory: InventoryOption

    package init() {}

    package func run() async throws {
        let (path, spec) = try await inventory.load()
        let transport = try AsyncHTTPTransport()
        let outcome: Result<ReleaseLock, any Error>
        do {
            let store = BinaryStore(cache: CacheFolder.path, transport: transport)
            var lock = try await ReleaseLock(spec.k3s, store: store, folderBase: Files.directoryName(path))
            try await lock.add(spec.agent, store: store, folderBase: Files.directoryName(path))
            outcome = .success(lock)
        } catch {
            outcome = .failure(error)
        }
        await transport.shutdown()
        let lock = try outcome.get()
        let file = ClusterSpec.lockFile(of: path)
        let before = Files.exists(file) ? try Files.readText(file) : nil
        let text = lock.text(replacing: before)
        for (architecture, sum) in lock.sums.sorted(by: { $0.key < $1.key }) {
            Console.standard.line("\(spec.k3s.version)  \(architecture.rawValue)  \(sum)")
        }
        for (name, sum) in lock.imageSums.sorted(by: { $0.key < $1.key }) {
            Console.standard.line("\(spec.k3s.version)  \(name)  \(sum)")
        }
        for (architecture, sum) in lock.agentSums.sorted(by: { $0.key < $1.key }) {
            Console.standard.line("homelab \(lock.agentVersion)  \(architecture.rawValue)  \(sum)")
        }
        for (_, problem) in lock.missing.sorted(by: { $0.key < $1.key }) {
            var note = problem
            note.severity = .note
            Console.standard.problem(note.description)
        }
        if text == before { return Console.standard.line("\(file): unchanged") }
        try Files.write(text, to: file)
        Console.standard.line("\(file): written")
    }
}
