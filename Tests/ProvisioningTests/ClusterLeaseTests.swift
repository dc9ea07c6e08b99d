import Diagnostics
import NodePlanning
import Synchronization
import Testing
import YAML

@testable import Provisioning

/// A host whose kubectl keeps one Lease as an API server does: a write has to name the version that it was made from.
private final class LeaseHost: CommandHost {
    private struct State {
        var lease: Value?
        var version = 0
        var hasNamespace = true
        var isAway = false
        var writes = 0
        var looks = 0
    }

    let name: String
    private let state = Mutex(State())
    private let delay = Mutex<(@Sendable () async -> Void)?>(nil)

    init(_ name: String = "m1") { self.name = name }

    /// What happens while the next answer is on its way.
    func whileAnswering(_ body: @escaping @Sendable () async -> Void) { delay.withLock { $0 = body } }

    var holder: String? { state.withLock { $0.lease?[path: "spec", "holderIdentity"]?.string } }
    var writes: Int { state.withLock { $0.writes } }
    var looks: Int { state.withLock { $0.looks } }
    func set(isAway: Bool) { state.withLock { $0.isAway = isAway } }
    func removeNamespace() { state.withLock { $0.hasNamespace = false } }

    /// Another run's sign of life, or its end.
    func renew(as holder: String, seconds: Int64 = 1) {
        state.withLock { state in
            state.version += 1
            state.lease = [
                "metadata": ["resourceVersion": .string("\(state.version)")],
                "spec": ["holderIdentity": .string(holder), "leaseDurationSeconds": .int(seconds)],
            ]
        }
    }

    func run(_ command: RemoteCommand) async throws -> CommandResult {
        try Task.checkCancellation()
        let delay = delay.withLock { delay in
            defer { delay = nil }
            return delay
        }
        let result = answer(command)
        await delay?()
        return result
    }

    private func answer(_ command: RemoteCommand) -> CommandResult {
        let words = command.argv
        return state.withLock { state in
            func answer(_ output: String = "", _ errors: String = "") -> CommandResult {
                CommandResult(
                    exitStatus: errors.isEmpty ? 0 : 1, standardOutput: Array(output.utf8), standardError: Array(errors.utf8))
            }
            if state.isAway { return answer("", "The connection to the server 127.0.0.1:6443 was refused") }
            if words.contains("get") {
                state.looks += 1
                return answer(state.lease.map { JSONWriter.text($0) } ?? "")
            }
            if words.contains("namespace") {
                state.hasNamespace = true
                return answer()
            }
            if !state.hasNamespace { return answer("", "Error: namespaces \"homelab-system\" not found") }
            guard var written = try? JSONReader.value(String(decoding: command.input.bytes, as: UTF8.self)) else {
                return answer("", "no manifest")
            }
            let seen = written[path: "metadata", "resourceVersion"]?.string
            if words.contains("create"), state.lease != nil { return answer("", "Error from server (AlreadyExists)") }
            if words.contains("replace"), seen != "\(state.version)" { return answer("", "Error from server (Conflict)") }
            state.version += 1
            state.writes += 1
            var metadata = written["metadata"] ?? [:]
            metadata["resourceVersion"] = .string("\(state.version)")
            written["metadata"] = metadata
            state.lease = written
            return answer(JSONWriter.text(written))
        }
    }
}

/// The Lease by which two runs that work on different machines of one cluster are kept apart.
@Suite struct ClusterLeaseTests {
    private let events = EventLog()

    private func lease(_ hosts: [LeaseHost], _ run: String, owner: String = "alice@laptop, homelab bootstrap") throws -> ClusterLease {
        let events = self.events
        return ClusterLease(
            cluster: "home", servers: hosts, run: run, owner: owner, recorder: try RunRecorder(folder: nil, forward: { events.add($0) }),
            duration: 1,
            pause: .milliseconds(20))
    }

    /// Signs of life are given while the Lease is still being waited for.
    @Test func `a look from before the Lease was taken does not say that it is lost`() async throws {
        let host = LeaseHost()
        host.renew(as: "bob@desk, homelab bootstrap/dead")
        let mine = try lease([host], "run-2")
        host.whileAnswering { try? await mine.acquire(besides: ["dead"]) }
        #expect(await mine.renew() == nil)
        #expect(host.holder == "alice@laptop, homelab bootstrap/run-2")
        host.renew(as: "carol@desk, homelab bootstrap/run-3")
        #expect(await mine.renew() != nil)
    }

    @Test func aFreeOneIsTakenAndGivenBack() async throws {
        let host = LeaseHost()
        host.removeNamespace()
        let lease = try lease([host], "r1")
        try await lease.acquire(besides: [])
        #expect(host.holder == "alice@laptop, homelab bootstrap/r1")
        #expect(await lease.renew() == nil)
        #expect(host.writes == 2)
        await lease.release()
        #expect(host.holder == "" && host.looks == 1, "what this run wrote it need not look up")
        try await self.lease([host], "r2").acquire(besides: [])
        #expect(host.holder?.hasSuffix("/r2") == true)
    }

    /// The answer to a sign of life may be lost on its way: the next one is refused, and what is there is looked up.
    @Test func itsOwnWriteThatItDoesNotKnowOfIsNoOtherRuns() async throws {
        let host = LeaseHost()
        let lease = try lease([host], "r1")
        try await lease.acquire(besides: [])
        host.renew(as: "alice@laptop, homelab bootstrap/r1")
        #expect(await lease.renew() == nil)
        #expect(host.writes == 2 && host.looks == 2)
        #expect(await lease.renew() == nil)
        #expect(host.writes == 3 && host.looks == 2 && host.holder == "alice@laptop, homelab bootstrap/r1")
    }

    /// What is put back has the Lease as it was then, of a run that has long ended.
    @Test func whoPutsTheDataBackOnlySeesThatNobodyElseIsAtWork() async throws {
        let host = LeaseHost()
        let locks = NodeLocks(hosts: [], run: "r1", owner: "a", recorder: try RunRecorder(folder: nil, forward: { _ in }))
        let holder = try await RunLocks(machines: locks, lease: try lease([host], "r1"), keepsLease: false).holding { host.holder }
        #expect(holder == "" && host.writes == 2)
    }

    @Test func oneThatLivesIsTold() async throws {
        let host = LeaseHost()
        host.renew(as: "bob@desk, homelab bootstrap/r9", seconds: 60)
        let lease = try lease([host], "r1")
        let heart = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(100))
                host.renew(as: "bob@desk, homelab bootstrap/r9", seconds: 60)
            }
        }
        let refused = await #expect(throws: Diagnostics.self) { try await lease.acquire(besides: []) }
        heart.cancel()
        let text = refused?.description ?? ""
        #expect(text.contains("another run is changing the machines of this cluster") && text.contains("bob@desk, homelab bootstrap"))
        #expect(events.lines.contains { $0.contains("waits whether bob@desk, homelab bootstrap") })
    }

    @Test func oneThatShowsNoLifeLosesIt() async throws {
        let host = LeaseHost()
        host.renew(as: "bob@desk/r9")
        try await lease([host], "r1").acquire(besides: [])
        #expect(host.holder?.hasSuffix("/r1") == true)
    }

    /// Whose lock on a machine ran out is dead, however long its Lease would last.
    @Test func oneThatIsKnownToBeDeadIsNotWaitedFor() async throws {
        let host = LeaseHost()
        host.renew(as: "alice@laptop/r9", seconds: 3600)
        try await lease([host], "r1").acquire(besides: ["r9"])
        #expect(host.holder?.hasSuffix("/r1") == true && events.lines.isEmpty)
    }

    /// The agent of one server goes on with what its predecessor held.
    @Test func theSameRunTakesItAgainAtOnce() async throws {
        let host = LeaseHost()
        host.renew(as: "the homelab agent on m1/agent-m1", seconds: 3600)
        try await lease([host], "agent-m1", owner: "the homelab agent on m1").acquire(besides: [])
        #expect(events.lines.isEmpty)
    }

    @Test func whileNoAPIAnswersTheRunGoesOnAndTakesItLater() async throws {
        let (down, host) = (LeaseHost("m1"), LeaseHost("m2"))
        down.set(isAway: true)
        host.set(isAway: true)
        let lease = try lease([down, host], "r1")
        try await lease.acquire(besides: [])
        #expect(await lease.renew() == nil && host.holder == nil)
        host.set(isAway: false)
        #expect(await lease.renew() == nil)
        #expect(host.holder?.hasSuffix("/r1") == true, "through the server that answers")
    }

    /// Both began while no API answered: the one that comes second sees the other live, or its end.
    @Test func whoGoesOnWithoutItLearnsOfAnotherThatLives() async throws {
        let host = LeaseHost()
        host.set(isAway: true)
        let lease = try lease([host], "r1")
        try await lease.acquire(besides: [])
        host.set(isAway: false)
        host.renew(as: "bob@desk, homelab bootstrap/r2")
        #expect(await lease.renew() == nil, "it may have died")
        host.renew(as: "bob@desk, homelab bootstrap/r2")
        let refused = await lease.renew()
        #expect(refused?.subject == "cluster \"home\"" && refused?.cause?.hasPrefix("bob@desk, homelab bootstrap, since") == true)

        let later = try self.lease([host], "r3")
        host.set(isAway: true)
        try await later.acquire(besides: [])
        host.set(isAway: false)
        #expect(await later.renew() == nil && host.holder?.hasSuffix("/r2") == true)
        try await Task.sleep(for: .milliseconds(1100))
        #expect(await later.renew() == nil)
        #expect(host.holder?.hasSuffix("/r3") == true, "it gave no sign of life")
    }

    @Test func whoLostItIsTold() async throws {
        let host = LeaseHost()
        let lease = try lease([host], "r1")
        try await lease.acquire(besides: [])
        host.renew(as: "bob@desk, homelab bootstrap/r2")
        let lost = await lease.renew()
        #expect(lost?.summary == "another run took this one for dead and works there now: this one stops")
        #expect(lost?.cause == "bob@desk, homelab bootstrap")
        await lease.release()
        #expect(host.holder?.hasSuffix("/r2") == true, "another's is not given away")
    }
}
