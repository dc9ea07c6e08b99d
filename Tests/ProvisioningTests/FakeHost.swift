import Diagnostics
import NodePlanning
import Synchronization

@testable import Provisioning

/// A host that answers what a test told it to and fails on every other command.
final class FakeHost: Host {
    struct Answer: Sendable {
        var status: Int32 = 0
        var output = ""
        var errors = ""
        var lost = false
        var hangs = false

        static func ok(_ output: String = "") -> Answer { Answer(output: output) }
        static func fails(_ errors: String, status: Int32 = 1) -> Answer { Answer(status: status, errors: errors) }
        /// A lock that is another run's, with what is in its file.
        static func held(_ lines: String) -> Answer { Answer(status: HostLock.heldStatus, output: lines) }
        static let lost = Answer(lost: true)
        /// What is given up at its limit, and would never end without one.
        static let hangs = Answer(hangs: true)
    }

    private struct Rule {
        let words: String
        var answers: [Answer]
    }

    private struct State {
        var rules: [Rule] = []
        var log: [String] = []
        var inputs: [String] = []
        var unexpected: [String] = []
        var files: [String: String] = [:]
        var uploads: [FileUpload] = []
        var reconnects = 0
        var running = 0
        var mostRunning = 0
    }

    let name: String
    private let state = Mutex(State())

    init(_ name: String) { self.name = name }

    /// A command that contains `words` gets these answers one after the other, the last one again and again.
    @discardableResult func on(_ words: String, _ answers: Answer...) -> FakeHost { on(words, answers) }

    @discardableResult func on(_ words: String, _ answers: [Answer]) -> FakeHost {
        state.withLock { $0.rules.append(Rule(words: words, answers: answers)) }
        return self
    }

    @discardableResult func file(_ path: String, _ text: String) -> FakeHost {
        state.withLock { $0.files[path] = text }
        return self
    }

    /// The lock commands and the journal's cursor, which every run asks for.
    @discardableResult func withLocks() -> FakeHost {
        on(Self.workQuestion, .ok())
            .on("lock=/run/homelab.lock", .ok()).on("/run/homelab.lock 2>/dev/null)\"", .ok()).on("--show-cursor", .ok("-- cursor: c0\n"))
    }

    var log: [String] { state.withLock { $0.log } }
    var inputs: [String] { state.withLock { $0.inputs } }
    var unexpected: [String] { state.withLock { $0.unexpected } }
    var uploads: [FileUpload] { state.withLock { $0.uploads } }
    var reconnects: Int { state.withLock { $0.reconnects } }

    static let workQuestion = "}\n\nidle"

    /// Commands that are no lock, journal or state question.
    var actions: [String] {
        log.filter { !$0.contains("/run/homelab.lock") && !$0.contains("--show-cursor") && !$0.hasSuffix(Self.workQuestion) }
    }

    func run(_ command: RemoteCommand) async throws -> CommandResult {
        try Task.checkCancellation()
        let text = command.argv.joined(separator: " ")
        let answer: Answer? = state.withLock { state in
            state.log.append(text)
            state.inputs.append(String(decoding: command.input.bytes, as: UTF8.self))
            guard let at = state.rules.firstIndex(where: { text.contains($0.words) }), let first = state.rules[at].answers.first else {
                state.unexpected.append(text)
                return nil
            }
            if state.rules[at].answers.count > 1 { state.rules[at].answers.removeFirst() }
            return first
        }
        guard let answer else {
            throw HostError(.refused, node: name, Diagnostic(.error, "unexpected command: \(text)"))
        }
        if answer.lost {
            throw HostError(.connectionLost, node: name, Diagnostic(.error, "the connection was lost", cause: "test"))
        }
        if answer.hangs {
            guard let limit = command.limit else { throw HostError(.refused, node: name, Diagnostic(.error, "it hangs for ever: \(text)")) }
            throw HostError.silent(node: name, after: limit)
        }
        return CommandResult(
            exitStatus: answer.status, standardOutput: Array(answer.output.utf8), standardError: Array(answer.errors.utf8))
    }

    func streamLines(_ command: RemoteCommand, onLine: @escaping @Sendable (String) -> Void) async throws -> CommandResult {
        let result = try await run(command)
        for line in result.output.split(separator: "\n") { onLine(String(line)) }
        return result
    }

    func upload(_ upload: FileUpload, progress: @escaping @Sendable (Int64, Int64) -> Void) async throws {
        state.withLock { $0.uploads.append(upload) }
        progress(10, 10)
    }

    func read(_ path: String) async throws -> [UInt8]? { state.withLock { $0.files[path] }.map { Array($0.utf8) } }

    func reconnect(within: Duration, waiting: @escaping @Sendable (String) -> Void) async throws {
        try Task.checkCancellation()
        state.withLock { $0.reconnects += 1 }
    }

    func close() async {}
}

/// A host of which only the commands matter.
protocol CommandHost: Host {}

extension CommandHost {
    func streamLines(_ command: RemoteCommand, onLine: @escaping @Sendable (String) -> Void) async throws -> CommandResult {
        try await run(command)
    }
    func upload(_ upload: FileUpload, progress: @escaping @Sendable (Int64, Int64) -> Void) async throws {}
    func read(_ path: String) async throws -> [UInt8]? { nil }
    func reconnect(within: Duration, waiting: @escaping @Sendable (String) -> Void) async throws {}
    func close() async {}
}

extension RemoteCommand {
    func within(_ limit: Duration) -> RemoteCommand {
        var command = self
        command.limit = limit
        return command
    }
}

/// Collects what a run tells.
final class EventLog: Sendable {
    private let events = Mutex<[ProvisioningEvent]>([])

    func add(_ event: ProvisioningEvent) { events.withLock { $0.append(event) } }
    var all: [ProvisioningEvent] { events.withLock { $0 } }
    var lines: [String] { all.map(\.description) }
}
