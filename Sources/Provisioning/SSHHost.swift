internal import Cryptography
package import Diagnostics
internal import FileSystem
package import NodePlanning
package import SSH
internal import Synchronization

/// A node reached over SSH. One session carries all commands, several at a time; how root's rights are had is found out with the first
/// command that needs them, in the same round trip.
package actor SSHHost: Host {
    package nonisolated let name: String
    /// The user that logs in.
    package nonisolated let user: String
    private let dial: @Sendable () async throws -> SSHSession
    private let sudoPassword: @Sendable () throws -> Secret?
    private var session: SSHSession?
    private var elevation: Elevation?
    private var connecting: Task<SSHSession, any Error>?

    /// - Parameters:
    ///   - dial: makes a connection; throws `HostError`.
    ///   - sudoPassword: asked when sudo wants one; nil when there is no source for it.
    package init(
        name: String, user: String, dial: @escaping @Sendable () async throws -> SSHSession,
        sudoPassword: @escaping @Sendable () throws -> Secret?
    ) {
        self.name = name
        self.user = user
        self.dial = dial
        self.sudoPassword = sudoPassword
        elevation = user == "root" ? .root : nil
    }

    package func connect() async throws {
        if let session, session.isAlive { return }
        if let connecting {
            session = try await connecting.value
            return
        }
        let task = Task { [dial] in try await dial() }
        connecting = task
        defer { connecting = nil }
        session = try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    package func run(_ command: RemoteCommand) async throws -> CommandResult {
        try await run(command, onOutput: nil)
    }

    package func streamLines(_ command: RemoteCommand, onLine: @escaping @Sendable (String) -> Void) async throws -> CommandResult {
        let lines = Mutex(LineSplitter())
        let result = try await run(command) { chunk in
            if case .output(let bytes) = chunk { lines.withLock { $0.append(bytes, onLine) } }
        }
        lines.withLock { $0.finish(onLine) }
        return result
    }

    private func run(_ command: RemoteCommand, onOutput: (@Sendable (CommandOutput) -> Void)?) async throws -> CommandResult {
        let (script, limit) = (command.script, command.limit)
        guard command.asRoot else { return try await exec(script, input: command.input.bytes, within: limit, onOutput) }
        if let elevation {
            let input = elevation.stdinPrefix + command.input.bytes
            return try await exec(elevation.script(running: script), input: input, within: limit, onOutput)
        }
        // Asked and done in one round trip where sudo needs no password, which is the usual case.
        let first = try await exec(Elevation.probing(script), input: command.input.bytes, within: limit, onOutput)
        guard first.exitStatus == Elevation.refusedStatus else {
            elevation = .sudo
            return first
        }
        let found = try await elevationWithPassword(refused: first, within: limit)
        elevation = found
        return try await exec(found.script(running: script), input: found.stdinPrefix + command.input.bytes, within: limit, onOutput)
    }

    /// - Parameter limit: of the machine's answer; a person may think about the password for as long as it takes.
    private func elevationWithPassword(refused: CommandResult, within limit: Duration?) async throws -> Elevation {
        let refusal = SudoRefusal(exitStatus: 1, standardError: refused.errorOutput)
        guard refusal == .passwordNeeded, let password = try sudoPassword() else {
            throw HostError(.refused, node: name, refusal.diagnostic(node: name, user: user))
        }
        let candidate = Elevation.sudoPassword(password)
        let probe = try await exec(candidate.script(running: ":"), input: candidate.stdinPrefix, within: limit, nil)
        guard probe.succeeded else {
            let refusal = SudoRefusal(exitStatus: probe.exitStatus, standardError: probe.errorOutput)
            throw HostError(.refused, node: name, refusal.diagnostic(node: name, user: user))
        }
        return candidate
    }

    private func exec(
        _ script: String, input: [UInt8], within limit: Duration?, _ onOutput: (@Sendable (CommandOutput) -> Void)?
    ) async throws -> CommandResult {
        try Task.checkCancellation()
        let session = try liveSession()
        let line = ShellLine.anyShell(ShellNoise.marking(script))
        do throws(SSHError) {
            guard let onOutput else { return Self.result(of: try await session.run(line, input: input, timeout: limit)) }
            let printed = Mutex((output: [UInt8](), errors: [UInt8]()))
            let handOver = Self.withoutNoise { piece in
                switch piece {
                case .output(let bytes): printed.withLock { $0.output += bytes }
                case .errorOutput(let bytes): printed.withLock { $0.errors += bytes }
                }
                onOutput(piece)
            }
            var result = Self.result(of: try await session.run(line, input: input, timeout: limit, onOutput: handOver))
            (result.standardOutput, result.standardError) = printed.withLock { ($0.output, $0.errors) }
            return result
        } catch {
            throw HostError.translated(error, node: name, within: limit)
        }
    }

    private static func result(of end: SSH.CommandResult) -> CommandResult {
        CommandResult(
            exitStatus: end.signal == nil ? end.exitStatus : 128 + 15, standardOutput: ShellNoise.removed(from: end.output),
            standardError: ShellNoise.removed(from: end.errorOutput))
    }

    private static func withoutNoise(_ onOutput: @escaping @Sendable (CommandOutput) -> Void) -> @Sendable (CommandOutput) -> Void {
        let noise = Mutex((output: ShellNoise(), errors: ShellNoise()))
        return { piece in
            switch piece {
            case .output(let bytes):
                let own = noise.withLock { $0.output.pass(bytes) }
                if !own.isEmpty { onOutput(.output(own)) }
            case .errorOutput(let bytes):
                let own = noise.withLock { $0.errors.pass(bytes) }
                if !own.isEmpty { onOutput(.errorOutput(own)) }
            }
        }
    }

    private func liveSession() throws -> SSHSession {
        guard let session, session.isAlive else {
            throw HostError(
                .connectionLost, node: name,
                Diagnostic(.error, "the connection was lost", subject: "node \"\(name)\"", remedy: "Run again."))
        }
        return session
    }

    package func upload(_ upload: FileUpload, progress: @escaping @Sendable (Int64, Int64) -> Void) async throws {
        let size: Int
        do throws(FileError) {
            size = try Files.status(upload.source).size
        } catch {
            throw Diagnostic(.error, error.description, subject: "node \"\(name)\"")
        }
        let remains = FileUpload.Remains(try await run(upload.survey(size: size)).output)
        if remains == .whole { return }
        let session = try liveSession()
        do throws(SSHError) {
            try await session.upload(
                file: upload.source, to: upload.destination, mode: upload.mode, from: Self.offset(in: upload.source, of: size, remains),
                sha256: upload.verification == .onArrival ? upload.sha256 : nil
            ) { sent, total in
                progress(Int64(sent), Int64(total))
            }
        } catch {
            if case .refused(let words) = error.kind { throw upload.failure(words, node: name) }
            throw HostError.translated(error, node: name)
        }
    }

    /// How much of the file need not be sent again: the part on the node, when it is how the file begins.
    private static func offset(in file: String, of size: Int, _ remains: FileUpload.Remains) -> Int {
        guard case .part(let count, let sha256) = remains, count <= size, (try? SHA256.hex(ofFile: file, first: count)) == sha256 else {
            return 0
        }
        return count
    }

    package func read(_ path: String) async throws -> [UInt8]? {
        let quoted = ShellLine.quoted(path)
        let result = try await run(RemoteCommand(["sh", "-c", "[ -e \(quoted) ] || exit 44; exec cat \(quoted)"]))
        if result.exitStatus == 44 { return nil }
        guard result.succeeded else {
            throw Diagnostic(.error, "cannot read \(path)", subject: "node \"\(name)\"", cause: result.complaint, remedy: "Run again.")
        }
        return result.standardOutput
    }

    package func reconnect(within limit: Duration, waiting: @escaping @Sendable (String) -> Void) async throws {
        let deadline = ContinuousClock.now + limit
        var pause = Duration.milliseconds(300)
        if let session, !session.isAlive { self.session = nil }
        while true {
            do {
                return try await connect()
            } catch let error as HostError where error.kind != .refused || error.isLoginRefused {
                // A machine that is still booting refuses logins for a while.
                if .now >= deadline { throw error }
                waiting("waits for SSH: \(error.diagnostic.cause ?? error.diagnostic.summary)")
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(2))
        }
    }

    package func close() async {
        let open = session
        session = nil
        await open?.close()
    }
}

extension RemoteCommand {
    /// The command as a POSIX shell script; a `sh -c` of its own is not wrapped into another one.
    var script: String {
        if argv.count == 3, argv[0] == "sh", argv[1] == "-c" { return argv[2] }
        return "exec " + ShellLine.quoted(argv)
    }
}
