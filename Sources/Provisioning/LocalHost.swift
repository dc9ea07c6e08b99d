internal import BlockingExecutor
internal import Diagnostics
internal import FileSystem
internal import Glibc
package import NodePlanning

/// The machine this program runs on, as the agent on a server sees its own node. It runs as root under systemd, so no sudo is needed;
/// without root's rights the commands simply fail as they would by hand.
package struct LocalHost: Host {
    package let name: String
    /// Whom SSH would log in as: the keys that are let in here are his.
    private let user: String

    package init(name: String, user: String = "root") {
        self.name = name
        self.user = user
    }

    package func run(_ command: RemoteCommand) async throws -> CommandResult {
        try await streamLines(command, onLine: { _ in })
    }

    package func streamLines(_ command: RemoteCommand, onLine: @escaping @Sendable (String) -> Void) async throws -> CommandResult {
        try Task.checkCancellation()
        let child: ChildProcess
        do {
            // As sudo says it, so that the same scripts see the same as over SSH. A service has no HOME: kubectl would keep a cache in /.kube.
            var variables = ["HOME": "/root"]
            if user != "root" { variables["SUDO_USER"] = user }
            child = try ChildProcess.start(command.argv, variables: variables)
        } catch {
            throw HostError(.refused, node: name, Diagnostic(.error, error.description, subject: "node \"\(name)\""))
        }
        // One thread per command: it does nothing but wait for the child, and local commands are few.
        let thread = BlockingExecutor(name: "local-command")
        return try await withTaskCancellationHandler {
            let result = await thread.run { child.communicate(command.input.bytes, within: command.limit, onLine: onLine) }
            try Task.checkCancellation()
            guard let result else { throw HostError.silent(node: name, after: command.limit ?? .zero) }
            return result
        } onCancel: {
            child.terminate()
        }
    }

    package func upload(_ upload: FileUpload, progress: @escaping @Sendable (Int64, Int64) -> Void) async throws {
        if try await run(upload.check).succeeded { return }
        let copy = try await run(
            RemoteCommand(["install", "-m", String(upload.mode, radix: 8), "--", upload.source, upload.destination], asRoot: false))
        guard copy.succeeded else { throw upload.failure(copy.complaint, node: name) }
        guard try await run(upload.check).succeeded else {
            throw upload.failure("its sha256 is not \(upload.sha256)", node: name)
        }
    }

    package func read(_ path: String) async throws -> [UInt8]? {
        do {
            return try Files.read(path, limit: 64 << 20)
        } catch {
            if error.isNotFound { return nil }
            throw HostError(.refused, node: name, Diagnostic(.error, error.description, subject: "node \"\(name)\""))
        }
    }

    package func reconnect(within: Duration, waiting: @escaping @Sendable (String) -> Void) async throws {}

    package func close() async {}
}
