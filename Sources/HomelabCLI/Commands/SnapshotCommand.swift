package import ArgumentParser
import Diagnostics
import FileSystem
import Glibc
import NodeInventory
import Provisioning
import YAML

/// `homelab snapshot`: etcd's snapshots, kept off the nodes together with the token that opens them.
package struct SnapshotCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Save, list and restore snapshots of etcd.", subcommands: [Save.self, List.self, Restore.self])

    package init() {}

    /// `~/.local/state/homelab/snapshots/CLUSTER`, or the folder that was given.
    static func folder(_ given: String?, cluster: String) -> SnapshotFolder {
        let state = Files.environment("XDG_STATE_HOME") ?? Files.homeDirectory + "/.local/state"
        return SnapshotFolder(given.map(Files.expandingHome) ?? "\(state)/homelab/snapshots/\(cluster)")
    }

    package struct Save: AsyncParsableCommand {
        package static let configuration = CommandConfiguration(
            commandName: "save",
            abstract: "Make a snapshot, check it and bring it here with the server token.")

        @OptionGroup var inventory: InventoryOption

        @Option(help: "The beginning of its name.")
        var name = "homelab"

        @Option(help: "The folder it is kept in; ~/.local/state/homelab/snapshots/CLUSTER when it is not given.")
        var to: String?

        package init() {}

        package func validate() throws {
            guard !name.hasPrefix("homelab-before-") else {
                throw ValidationError(
                    "Names that begin with homelab-before- are of the snapshots that homelab makes and removes by itself.")
            }
        }

        package func run() async throws {
            let copy = try await ProgressView.following(.standard) { events in
                let machines = try await inventory.machines(logs: true, events: events)
                return try await machines.saveSnapshot(to: SnapshotCommand.folder(to, cluster: machines.spec.name), name: name)
            }
            Console.standard.line(
                "\(copy.path)  \(copy.size >> 10) KiB, its token beside it in \(copy.name).token; keep both, and keep them secret")
        }
    }

    package struct List: AsyncParsableCommand {
        package static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the snapshots on the servers and here.")

        @OptionGroup var inventory: InventoryOption

        @Option(help: "The folder of the copies; ~/.local/state/homelab/snapshots/CLUSTER when it is not given.")
        var from: String?

        @Option(name: .shortAndLong, help: "text or json.")
        var output = OutputFormat.text

        package init() {}

        package func run() async throws {
            let machines = try await inventory.machines()
            let (onServers, unreached) = try await machines.snapshots()
            let all = SnapshotCommand.folder(from, cluster: machines.spec.name).list() + onServers
            for problem in unreached.sorted { Console.standard.problem(problem.description) }
            switch output {
            case .json:
                let items = all.map { snapshot -> Value in
                    [
                        "where": .string(snapshot.node ?? "here"), "path": .string(snapshot.path), "bytes": .int(Int64(snapshot.size)),
                        "made": .int(Int64(snapshot.made)),
                    ]
                }
                Console.standard.line(JSONWriter.text(.array(items), pretty: true))
            case .text:
                var table = Table(header: ["WHERE", "AGE", "SIZE", "PATH"])
                for snapshot in all.sorted(by: { $0.made > $1.made }) {
                    table.append([
                        snapshot.node ?? "here", Age.text(seconds: Int(time(nil)) - snapshot.made), "\(snapshot.size >> 10) KiB",
                        snapshot.path,
                    ])
                }
                Console.standard.line(table.isEmpty ? "There is none." : table.text)
            }
            if unreached.hasErrors { throw ExitCode(1) }
        }
    }

    package struct Restore: AsyncParsableCommand {
        package static let configuration = CommandConfiguration(
            commandName: "restore",
            abstract: "Put the cluster back to a snapshot: what came after it is lost.",
            discussion: "All servers stop, the first begins anew from the file, the others forget their data and join it one by one.")

        @OptionGroup var inventory: InventoryOption

        @Argument(help: "A file that homelab snapshot save wrote, its .token beside it.")
        var file: String

        @Option(help: "The cluster's name, in place of typing it.")
        var confirm: String?

        package init() {}

        package func run() async throws {
            try await ProgressView.following(.standard) { events in
                let machines = try await inventory.machines(for: "homelab snapshot restore", logs: true, events: events)
                let restore = try SnapshotRestore(machines, file: Files.expandingHome(file))
                try Confirmation.demand(
                    machines.spec.name, given: confirm,
                    "All that was written to cluster \(machines.spec.name) since this snapshot will be lost, and its API stops for minutes."
                )
                try await restore.run()
            }
            Console.standard.line(
                "Restored. Nodes that came after the snapshot are not known any more: `homelab bootstrap` joins them anew.")
        }
    }
}

/// How long ago something was, in the largest whole unit.
enum Age {
    static func text(seconds: Int) -> String {
        switch seconds {
        case ..<120: "\(max(0, seconds)) s"
        case ..<7200: "\(seconds / 60) min"
        case ..<172_800: "\(seconds / 3600) h"
        default: "\(seconds / 86400) days"
        }
    }
}

/// What destroys something wants the thing's name typed, so that no habit of the fingers confirms it.
enum Confirmation {
    /// - Throws: `Diagnostic` when the name was not given.
    static func demand(_ name: String, given: String?, _ warning: String) throws(Diagnostic) {
        try refuse(given, otherThan: name)
        if given != nil { return }
        guard isatty(0) == 1 else {
            throw Diagnostic(
                .error, "this has to be confirmed, and there is nobody to ask", cause: warning, remedy: "give --confirm \(name)")
        }
        Console.standard.line(warning)
        guard let typed = TerminalQuestion.answer(to: "Type \(name) to go on: "), typed == name else {
            throw Diagnostic(.error, "that was not the name", remedy: "nothing was done")
        }
    }

    /// For what looks at machines before it asks: the wrong name is told at once.
    static func refuse(_ given: String?, otherThan name: String) throws(Diagnostic) {
        guard let given, given != name else { return }
        throw Diagnostic(
            .error, "--confirm \(given) is not the name \(name)", remedy: "nothing was done; give the name of what is meant")
    }
}
