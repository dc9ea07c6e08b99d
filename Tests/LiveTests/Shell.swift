import Foundation

/// Runs a program to its end and keeps what it said.
struct Shell {
    struct Result {
        let status: Int32
        let output: String
        let errors: String

        var succeeded: Bool { status == 0 }
        var text: String { output + errors }
    }

    struct Failure: Error, CustomStringConvertible {
        let command: [String]
        let result: Result

        var description: String {
            "\(command.joined(separator: " ")): exit status \(result.status)\n\(result.errors.suffix(4000))\n\(result.output.suffix(2000))"
        }
    }

    /// Standard input is empty; a program that has not ended after `limit` seconds is killed and gives status 137.
    @discardableResult
    static func run(
        _ command: [String], in directory: String? = nil, environment: [String: String] = [:], limit: Double = 300
    ) throws -> Result {
        try start(command, in: directory, environment: environment).end(limit: limit)
    }

    /// A program under way.
    final class Running {
        private let pid: pid_t
        private let folder: URL
        private var status: Int32?

        fileprivate init(pid: pid_t, folder: URL) {
            self.pid = pid
            self.folder = folder
        }

        deinit {
            if !hasEnded { kill(pid, SIGKILL) }
        }

        private func text(_ name: String) -> String {
            (try? String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)) ?? ""
        }

        /// What it has said so far.
        var output: String { text("output") }

        var hasEnded: Bool {
            if status != nil { return true }
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) != 0 else { return false }
            self.status = status
            return true
        }

        func interrupt() { if !hasEnded { kill(pid, SIGINT) } }

        /// Waits for its end; after `limit` seconds it is killed.
        func end(limit: Double = 300) -> Result {
            defer { try? FileManager.default.removeItem(at: folder) }
            let deadline = Date().addingTimeInterval(limit)
            while !hasEnded {
                if Date() > deadline { kill(pid, SIGKILL) }
                usleep(10_000)
            }
            let status = status ?? 0
            let signal = status & 0x7f
            return Result(status: signal == 0 ? (status >> 8) & 0xff : 128 + signal, output: text("output"), errors: text("errors"))
        }
    }

    /// Files take what it says, not pipes: a machine's processes may inherit them and outlive the command.
    static func start(_ command: [String], in directory: String? = nil, environment: [String: String] = [:]) throws -> Running {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("homelab-live-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let (output, errors) = (folder.appendingPathComponent("output").path, folder.appendingPathComponent("errors").path)
        let pid = try spawn(command, in: directory, ProcessInfo.processInfo.environment.merging(environment) { $1 }, output, errors)
        return Running(pid: pid, folder: folder)
    }

    /// Starts a program that goes on by itself, its output in a file; gives its process id.
    static func start(_ command: [String], log: String) throws -> pid_t {
        try spawn(command, in: nil, ProcessInfo.processInfo.environment, log, log)
    }

    /// Without Foundation's Process, which does not bear thousands of them in one test run, and with no signals blocked, as a test
    /// run's threads have them.
    private static func spawn(
        _ command: [String], in directory: String?, _ environment: [String: String], _ output: String, _ errors: String
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let command = (directory.map { ["env", "-C", $0] } ?? []) + command
        var arguments = command.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var pid = pid_t()
        let failure = posix_spawnp(&pid, command[0], &actions, &attributes, &arguments, &variables)
        guard failure == 0 else {
            throw Failure(command: command, result: Result(status: 127, output: "", errors: String(cString: strerror(failure))))
        }
        return pid
    }

    /// As ``run(_:in:environment:limit:)``, but a status other than 0 is thrown.
    @discardableResult
    static func must(
        _ command: [String], in directory: String? = nil, environment: [String: String] = [:], limit: Double = 300
    ) throws -> String {
        let result = try run(command, in: directory, environment: environment, limit: limit)
        guard result.succeeded else { throw Failure(command: command, result: result) }
        return result.output
    }
}
