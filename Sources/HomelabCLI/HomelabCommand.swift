package import ArgumentParser
import Diagnostics
import Glibc

/// The root of the command line. One file per command in Commands/.
package struct HomelabCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "homelab",
        abstract: "Takes bare machines to a running k3s cluster, and keeps nodes and apps as git says.",
        version: HomelabVersion.current,
        groupedSubcommands: [
            CommandGroup(name: "From machines to a cluster", subcommands: [Init.self, Validate.self, Plan.self, Bootstrap.self]),
            CommandGroup(name: "Daily use", subcommands: [Status.self, Build.self, Key.self, RepositoryCommand.self, Schema.self]),
            CommandGroup(
                name: "Run by homelab itself on the nodes",
                subcommands: [AgentCommand.self, AgentHealth.self, GitInit.self, GitReceivePack.self, GitUploadPack.self, GitServe.self]),
        ])

    package init() {}

    /// Parses the arguments and runs what they name. Under the names git-receive-pack and git-upload-pack the binary is
    /// git's server side, so that a machine without git can hold the repository.
    package static func run() async {
        var arguments = CommandLine.arguments
        let name = arguments.removeFirst().split(separator: "/").last.map(String.init) ?? ""
        if name == "git-receive-pack" || name == "git-upload-pack" { arguments.insert(name, at: 0) }
        let command: any ParsableCommand
        do { command = try parseAsRoot(arguments) } catch { exit(withError: error) }
        if let build = command as? Build {
            // It only reads and prints: a signal may end it at once, and it needs no thread beside the first.
            do { return try build.run() } catch { finish(error) }
        }
        Signals.hold()
        let work = Task { try await run(command) }
        Signals.onStop { work.cancel() }
        do { try await work.value } catch { finish(error) }
    }

    private static func run(_ command: sending any ParsableCommand) async throws {
        if var asynchronous = command as? any AsyncParsableCommand { return try await asynchronous.run() }
        var command = command
        try command.run()
    }

    /// What a command threw: our findings are printed as they are, with exit status 1.
    private static func finish(_ error: any Error) -> Never {
        switch error {
        case is ExitCode, is CleanExit, is ValidationError: exit(withError: error)
        case is CancellationError:
            Console.standard.problem("Stopped. Running the same command again goes on from here.")
            Glibc.exit(130)
        default:
            var findings = Diagnostics()
            findings.append(error)
            Console.standard.problem(findings.description)
            Glibc.exit(1)
        }
    }
}

/// The version this binary was built as.
package enum HomelabVersion {
    package static let current = "0.1.0"
}
