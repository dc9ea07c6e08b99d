import Diagnostics
import FileSystem
import Foundation
import HomelabTestSupport
import KubernetesModel
import Provisioning
import Synchronization
import Testing

@testable import Reconciliation

@Suite struct JournalTests {
    private let directory = NSTemporaryDirectory() + "homelab-journal-" + UUID().uuidString
    private let clock = ManualClock()

    private func journal() -> NodeJournal { NodeJournal(directory: directory, server: "m1", clock: clock) { _ in } }

    private func results(_ entries: [JournalEntry]) -> [String] { entries.map { "\($0.node) \($0.step) \($0.result.rawValue)" } }

    @Test func `a step that a restart cut off is known as interrupted`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let first = journal()
        first.begin(commit: "c1", plan: "p1")
        first.record(.phaseStarted(title: "agents", nodes: ["a1"], index: 1, count: 1))
        first.record(.stepStarted(node: "a1", step: "write the join token"))
        first.record(.stepDone(node: "a1", step: "write the join token", elapsed: .milliseconds(1250)))
        first.record(.stepStarted(node: "a1", step: "start k3s-agent.service"))
        // Killed here, in the middle of writing a line.
        try FileSystem.Files.append(Array("{\"time\":\"2026".utf8), to: directory + "/nodes.jsonl")
        let second = journal()
        #expect(
            results(second.recent) == [
                "a1 write the join token started", "a1 write the join token done", "a1 start k3s-agent.service started",
                "a1 start k3s-agent.service interrupted",
            ])
        let done = second.recent[1]
        #expect(done.commit == "c1" && done.plan == "p1" && done.phase == "agents" && done.seconds == 1.25 && done.server == "m1")
        #expect(journal().recent == second.recent, "what was closed once stays closed")
        #expect(second.lastChanges["a1"]?.result == .interrupted)
    }

    @Test func `files are moved aside when they have grown, and read together`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var file = try JournalFile(directory: directory, limit: 400, kept: 3)
        let entries = (1...12).map { number in
            JournalEntry(
                time: clock.timestamp, server: "m1", commit: "c", node: "a\(number)", step: "step \(number)", result: .done, seconds: 1)
        }
        for entry in entries { try file.append(entry) }
        let names = try FileSystem.Files.list(directory)
        #expect(names == ["nodes.1.jsonl", "nodes.2.jsonl", "nodes.3.jsonl", "nodes.jsonl"])
        for name in names { #expect(try FileSystem.Files.read(directory + "/" + name).count <= 400) }
        let read = try JournalFile(directory: directory, limit: 400, kept: 3).last(5)
        #expect(read == Array(entries.suffix(5)))
    }

    @Test func `secrets never come to the journal`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let journal = journal()
        let recorder = try RunRecorder(folder: nil) { journal.record($0) }
        let token = "K10" + String(repeating: "a", count: 64) + "::server:topsecret"
        recorder.emit(
            .stepFailed(
                node: "a1", step: "start k3s", elapsed: .seconds(1),
                diagnostic: Diagnostic(.error, "k3s does not start", cause: "bad token \(token)")))
        #expect(journal.recent.map(\.message) == ["k3s does not start: bad token K10<secret>"])
        let text = try FileSystem.Files.readText(directory + "/nodes.jsonl")
        #expect(!text.contains("topsecret"))
    }

    @Test func `steps that another process may still be at stay open until it is known to have ended`() {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let unit = journal()
        unit.record(.stepStarted(node: "m1", step: "restart k3s.service"))
        let agent = NodeJournal(directory: directory, server: "m1", clock: clock, closesInterrupted: false) { _ in }
        #expect(results(agent.recent) == ["m1 restart k3s.service started"])
        unit.record(.stepDone(node: "m1", step: "restart k3s.service", elapsed: .seconds(9)))
        agent.reload()
        agent.closeInterrupted()
        #expect(results(agent.recent) == ["m1 restart k3s.service started", "m1 restart k3s.service done"])
    }

    @Test func `a refused commit is told once`() {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let journal = journal()
        journal.refuse(commit: "c2", because: "nobody signed it")
        journal.refuse(commit: "c2", because: "nobody signed it")
        journal.refuse(commit: "c3", because: "nobody signed it")
        #expect(journal.recent.map(\.commit) == ["c2", "c3"])
        #expect(journal.counts[.refused] == 2)
    }

    @Test func `a journal that cannot be written is told once and stops nothing`() throws {
        try FileSystem.Files.makeDirectory(directory)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileSystem.Files.write("no directory", to: directory + "/journal")
        let said = Mutex<[String]>([])
        let journal = NodeJournal(directory: directory + "/journal", server: "m1", clock: clock) { line in said.withLock { $0.append(line) }
        }
        journal.record(.stepStarted(node: "a1", step: "reboot"))
        journal.record(.stepDone(node: "a1", step: "reboot", elapsed: .seconds(2)))
        #expect(journal.recent.count == 2)
        #expect(said.withLock { $0 }.count == 1)
    }

    @Test func `the newest part of every server's journal is in the cluster, and comes when the API is back`() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let api = FakeClusterAPI()
        let other = NodeJournal(directory: directory + "/other", server: "m2", clock: clock) { _ in }
        other.record(.stepDone(node: "a2", step: "reboot", elapsed: .seconds(2)))
        clock.advance(by: .seconds(1))
        let journal = journal()
        await api.setReachable(false)
        journal.record(.stepDone(node: "a1", step: "reboot", elapsed: .seconds(3)))
        let publications = [journal, other].map { JournalPublication(journal: $0, api: api, clock: SystemClock()) }
        let running = Task {
            await withTaskGroup(of: Void.self) { group in
                for publication in publications { group.addTask { await publication.run() } }
                await group.waitForAll()
            }
        }
        defer { running.cancel() }
        try await eventually("a try") { await !api.requests.isEmpty }
        await api.setReachable(true)
        try await eventually("both journals") { try await JournalPublication.entries(in: api).map(\.node) == ["a2", "a1"] }
    }
}
