import Diagnostics
import FileSystem
import HomelabTestSupport
import KubernetesModel
import NodePlanning
import Provisioning
import Testing

@testable import Reconciliation

@Suite struct OperatorJournalTests {
    private let directory = (FileSystem.Files.environment("TMPDIR") ?? "/tmp") + "/homelab-operator-\(UInt64.random(in: 0 ... .max))"
    private let clock = ManualClock()

    @Test func `an operator's run is on every server, and once in the whole story`() async throws {
        defer { try? FileSystem.Files.removeTree(directory) }
        let api = FakeClusterAPI()
        let servers = ["m1", "m2"].map { name in
            NodeJournal(directory: "\(directory)/\(name)/journal", server: name, clock: clock) { _ in }
        }
        let following = servers.map { journal in Task { await journal.followOperators() } }
        defer { for task in following { task.cancel() } }
        let publications = servers.map { journal in
            Task { await JournalPublication(journal: journal, api: api, clock: SystemClock()).run() }
        }
        defer { for task in publications { task.cancel() } }
        clock.advance(by: .seconds(1))
        let run = OperatorJournal(who: "alice@laptop", commit: "c1", clock: clock)
        run.record(.stepDone(node: "m1", step: "look", elapsed: .seconds(1)))
        run.begin(plan: "p1", servers: [ServerFolder("m1", directory), ServerFolder("m2", directory), ServerFolder("m3", nil)])
        run.record(.phaseStarted(title: "agents", nodes: ["a1"], index: 1, count: 1))
        run.record(.stepStarted(node: "a1", step: "start k3s-agent.service"))
        run.record(.stepDone(node: "a1", step: "start k3s-agent.service", elapsed: .milliseconds(1250)))
        let problems = await run.end()
        #expect(problems.map(\.subject) == ["node \"m3\""])
        clock.advance(by: .seconds(1))
        servers[0].record(.stepDone(node: "a2", step: "reboot", elapsed: .seconds(3)))
        // Both servers show it, however late they hear of it.
        try await eventually("both servers' journals") {
            servers.allSatisfy { journal in journal.recent.contains { $0.result == .done && $0.node == "a1" } }
        }
        try await eventually("the whole story") { try await JournalPublication.entries(in: api).count == 3 }
        let told = try await JournalPublication.entries(in: api)
        #expect(
            told.map { "\($0.node) \($0.step) \($0.result.rawValue)" } == [
                "a1 start k3s-agent.service started", "a1 start k3s-agent.service done", "a2 reboot done",
            ])
        #expect(told[1].server == "alice@laptop" && told[1].commit == "c1" && told[1].plan == "p1" && told[1].phase == "agents")
        #expect(told[1].seconds == 1.25)
    }

    /// A server whose `/var/lib/homelab` is a folder here; one without a folder answers nothing.
    private struct ServerFolder: Host {
        let name: String
        private let folder: String?

        init(_ name: String, _ folder: String?) {
            self.name = name
            self.folder = folder.map { "\($0)/\(name)" }
        }

        private var gone: HostError { HostError(.connectionLost, node: name, Diagnostic(.error, "is away")) }

        func run(_ command: RemoteCommand) async throws -> CommandResult {
            guard let folder else { throw gone }
            var command = command
            command.argv = command.argv.map { $0.replacing("/var/lib/homelab", with: folder) }
            return try await LocalHost(name: name).run(command)
        }

        func streamLines(_ command: RemoteCommand, onLine: @escaping @Sendable (String) -> Void) async throws -> CommandResult {
            throw gone
        }
        func upload(_ upload: FileUpload, progress: @escaping @Sendable (Int64, Int64) -> Void) async throws { throw gone }
        func read(_ path: String) async throws -> [UInt8]? { throw gone }
        func reconnect(within: Duration, waiting: @escaping @Sendable (String) -> Void) async throws { throw gone }
        func close() async {}
    }
}
