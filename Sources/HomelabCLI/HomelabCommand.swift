package import ArgumentParser
import CAllocator
import Diagnostics
import FileSystem
import Glibc
import Kustomize

/// The root of the command line. One file per command in Commands/.
package struct HomelabCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "homelab",
        abstract: "Takes bare machines to a running k3s cluster, and keeps nodes and apps as git says.",
        version: HomelabVersion.current,
        groupedSubcommands: [
            CommandGroup(
                name: "From machines to a cluster",
                subcommands: [Init.self, Validate.self, PreflightCommand.self, Plan.self, Bootstrap.self]),
            CommandGroup(
                name: "Daily use",
                subcommands: [
                    Status.self, NodesCommand.self, HistoryCommand.self, Approve.self, SSHCommand.self, KubeconfigCommand.self, Doctor.self,
                    Build.self, Key.self, RepositoryCommand.self,
                    Schema.self,
                ]),
            CommandGroup(
                name: "Now and then",
                subcommands: [
                    SnapshotCommand.self, Certs.self, TokenCommand.self, Lock.self, Wake.self, Enroll.self, Adopt.self, Recover.self,
                    Reset.self,
                ]),
            CommandGroup(
                name: "Units",
                subcommands: [
                    Get.self, Tree.self, Trace.self, Why.self, EventsCommand.self, Diff.self, Reconcile.self, Suspend.self, Resume.self,
                ]),
            CommandGroup(
                name: "Run by homelab itself on the nodes",
                subcommands: [
                    AgentCommand.self, AgentHealth.self, NodeChangeCommand.self, ProbeCommand.self, GitInit.self, GitReceivePack.self,
                    GitUploadPack.self,
                    GitServe.self,
                ]),
        ])

    package init() {}

    /// Parses the arguments and runs what they name. Under the names git-receive-pack and git-upload-pack the binary is
    /// git's server side, so that a machine without git can hold the repository.
    ///
    /// On the main thread, which does nothing but wait for signals: Swift's own asynchronous main would park it where every signal reaches
    /// it and ends the process, whatever the other threads hold.
    package static func run() -> Never {
        var arguments = CommandLine.arguments
        let name = arguments.removeFirst().split(separator: "/").last.map(String.init) ?? ""
        if name == "git-receive-pack" || name == "git-upload-pack" { arguments.insert(name, at: 0) }
        if arguments.first == Build.configuration.commandName { buildAlone(arguments.dropFirst()) }
        homelab_share_heap()
        Signals.hold()
        let work = Task { [arguments] in
            do {
                try await run(arguments)
            } catch let error where TerminalQuestion.hasBrokenOff && (error as? ExitCode)?.rawValue != 130 {
                finish(CancellationError())
            } catch { finish(error) }
            Console.exit(0)
        }
        Signals.wait { work.cancel() }
    }

    /// `homelab build DIR` and nothing more, without a task and without the parser: starting threads and describing the command line
    /// take longer than a small build. Returns when the arguments say something else. A signal may end it at once, as it only reads.
    private static func buildAlone(_ arguments: ArraySlice<String>) {
        guard arguments.count == 1, let directory = arguments.first, !directory.hasPrefix("-"), !directory.isEmpty else { return }
        keepFreedMemory()
        do {
            let result = try ClusterTree.render(directory, BuildOptions())
            Build.print(result)
            // Freeing thousands of objects one by one is for processes that live on.
            withExtendedLifetime(result) { Console.exit(0) }
        } catch { finish(error) }
    }

    /// Has the allocator keep what is freed: giving pages back at the heap's end and asking for them anew takes a tenth of a large
    /// build. Its thresholds follow the largest block that was ever freed (mallopt(3), "dynamic mmap threshold"); the block is not
    /// touched, so it costs no memory.
    private static func keepFreedMemory() {
        let size = 16 << 20
        guard let block = malloc(size) else { return }
        // Nothing is advised; the call only keeps the compiler from leaving the pair out.
        madvise(block, 0, MADV_NORMAL)
        free(block)
    }

    private static func run(_ arguments: [String]) async throws {
        var command: any ParsableCommand
        do { command = try parseAsRoot(arguments) } catch { exit(withError: error) }
        if var asynchronous = command as? any AsyncParsableCommand { return try await asynchronous.run() }
        try command.run()
    }

    /// What a command threw: our findings are printed as they are, with exit status 1.
    private static func finish(_ error: any Error) -> Never {
        switch error {
        case is CancellationError:
            Console.standard.problem("Stopped. Running the same command again goes on from here.")
            Glibc.exit(130)
        case let chosen as ExitCode: Console.exit(chosen.rawValue)
        case _ where exitCode(for: error) != .failure:
            // The parser's own: help, usage.
            exit(withError: error)
        default:
            var findings = Diagnostics()
            findings.append((error as? FileError)?.finding ?? error)
            Console.standard.problem(findings.description)
            Glibc.exit(1)
        }
    }
}

extension FileError {
    /// As a person reads it: with what to do about the system's reason.
    var finding: Diagnostic {
        let remedy: String? =
            switch code {
            case EACCES, EPERM: "see who may read and write there (`ls -ld \(path)`), or run this as one who may"
            case ENOSPC, EDQUOT: "make room (`df -h \(path)`)"
            case EROFS: "the file system is mounted read-only: name another place"
            case ENOENT, ENOTDIR: "see that the path is right: what stands before its last `/` has to be a folder"
            case EISDIR: "a folder is in its place: name a file"
            default: nil
            }
        return Diagnostic(.error, description, remedy: remedy)
    }
}

/// The version this binary was built as.
package enum HomelabVersion {
    package static let current = "0.1.0"
}
