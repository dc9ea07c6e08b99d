package import ArgumentParser
import Diagnostics
import FileSystem
import NodeInventory
import Provisioning

/// `homelab token`: the cluster's server token.
package struct TokenCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Rotate the cluster's server token.", subcommands: [Rotate.self])

    package init() {}

    package struct Rotate: AsyncParsableCommand {
        package static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Make a new server token and restart the servers with it, one at a time.",
            discussion: """
                The old one is kept in ~/.local/state/homelab/tokens: snapshots from before need it. No server is restarted while etcd would \
                lose its majority without it.
                """)

        @OptionGroup var inventory: InventoryOption

        @Flag(help: "Do not ask.")
        var yes = false

        package init() {}

        package func run() async throws {
            let state = Files.environment("XDG_STATE_HOME") ?? Files.homeDirectory + "/.local/state"
            let folder = "\(state)/homelab/tokens"
            let (outcome, file) = try await ProgressView.following(.standard) { events in
                let machines = try await inventory.machines(for: "homelab token rotate", logs: true, events: events)
                let question = "Give \(machines.spec.name) a new server token and restart its servers one at a time?"
                guard yes || Console.standard.confirms(question) else {
                    throw Diagnostic(.error, "nothing was done", remedy: "answer y, or give --yes")
                }
                let file = "\(folder)/\(machines.spec.name)-until-\(RunRecorder.folderName()).token"
                let rotation = TokenRotation(machines: machines) { old in
                    try Files.makeDirectory(folder, mode: 0o700)
                    try Files.write(old.revealed + "\n", to: file, mode: 0o600)
                }
                return (try await rotation.run(), file)
            }
            switch outcome {
            case .rotated: Console.standard.line("The token is rotated. Snapshots from before need the old one, which is in \(file)")
            case .finishedEarlier:
                Console.standard.line(
                    "An earlier rotation had been interrupted: it is finished, and all servers have its token. Run again for another one.")
            }
        }
    }
}
