import HomelabTestSupport
import KubernetesModel
import Synchronization
import Testing
import YAML

@testable import Reconciliation

@Suite struct LeaseWatchmanTests {
    private func lease(_ holder: String, renewed: Int64, version: String = "1") -> Manifest {
        LeaseRecord(
            holder: holder, durationSeconds: 15, acquireTime: Timestamp(secondsSinceEpoch: 0),
            renewTime: Timestamp(secondsSinceEpoch: renewed)
        ).manifest(namespace: "homelab-system", name: "homelab-agent", resourceVersion: version)
    }

    @Test func `a lease is free when it is not there or names nobody`() {
        var watchman = LeaseWatchman(identity: "a")
        #expect(watchman.decision(now: .zero) == .create)
        watchman.observe(lease("", renewed: 0), now: .zero)
        #expect(watchman.decision(now: .zero) == .take)
    }

    @Test func `it expires by the observer's clock, whatever the holder's clock says`() {
        var watchman = LeaseWatchman(identity: "a")
        // The holder's clock is years off; only that the record changes counts.
        watchman.observe(lease("b", renewed: -1_000_000), now: .seconds(100))
        #expect(watchman.decision(now: .seconds(114)) == .wait(until: .seconds(115)))
        watchman.observe(lease("b", renewed: -999_995), now: .seconds(114))
        #expect(watchman.decision(now: .seconds(120)) == .wait(until: .seconds(129)))
        watchman.observe(lease("b", renewed: -999_995), now: .seconds(128))
        #expect(watchman.decision(now: .seconds(129)) == .take)
    }

    @Test func `what a predecessor on the same server held is free at once`() {
        var watchman = LeaseWatchman(identity: "m1_2", predecessors: "m1_")
        watchman.observe(lease("m1_1", renewed: 0), now: .zero)
        #expect(watchman.decision(now: .zero) == .take)
        watchman.observe(lease("m10_1", renewed: 0, version: "2"), now: .zero)
        #expect(watchman.decision(now: .zero) == .wait(until: .seconds(15)))
    }

    @Test func `what a watch tells late, of before this process wrote, is nothing new`() {
        var watchman = LeaseWatchman(identity: "b")
        watchman.observe(lease("b", renewed: 20, version: "8"), now: .seconds(20))
        watchman.follow(lease("", renewed: 10, version: "7"), isGone: false, now: .seconds(21))
        watchman.follow(lease("a", renewed: 5, version: "5"), isGone: true, now: .seconds(21))
        #expect(watchman.decision(now: .seconds(22)) == .held)
        watchman.follow(lease("a", renewed: 22, version: "9"), isGone: false, now: .seconds(22))
        #expect(watchman.decision(now: .seconds(22)) == .wait(until: .seconds(37)))
        watchman.follow(lease("a", renewed: 22, version: "10"), isGone: true, now: .seconds(23))
        #expect(watchman.decision(now: .seconds(23)) == .create)
    }

    @Test func `taking it over counts a transition, renewing does not`() {
        var watchman = LeaseWatchman(identity: "a")
        watchman.observe(lease("b", renewed: 0), now: .zero)
        let taken = watchman.claim(at: Timestamp(secondsSinceEpoch: 50), durationSeconds: 15)
        #expect(taken.transitions == 1 && taken.acquireTime == Timestamp(secondsSinceEpoch: 50))
        watchman.observe(taken.manifest(namespace: "n", name: "l", resourceVersion: "2"), now: .zero)
        let renewed = watchman.claim(at: Timestamp(secondsSinceEpoch: 55), durationSeconds: 15)
        #expect(renewed.transitions == 1 && renewed.acquireTime == Timestamp(secondsSinceEpoch: 50))
        #expect(watchman.decision(now: .seconds(1000)) == .held)
        #expect(watchman.release(at: Timestamp(secondsSinceEpoch: 60))?.holder == "")
    }
}

@Suite struct LeadershipTests {
    private let now = Timestamp(secondsSinceEpoch: 1_800_000_000)

    private func leadership(_ holder: String, renewed seconds: Int64?, duration: Int64 = 15) -> Leadership {
        let record = LeaseRecord(
            holder: holder, durationSeconds: duration, acquireTime: now.advanced(by: .seconds(-3600)),
            renewTime: seconds.map { now.advanced(by: .seconds(-$0)) })
        return Leadership(of: record.manifest(namespace: "homelab-system", name: "homelab-agent"), now: now)
    }

    @Test func `who leads is told with since when, and with the last sign of life`() {
        let leader = leadership("m1.lan_5f", renewed: 3)
        #expect(leader.description == "led by m1.lan since \(now.advanced(by: .seconds(-3600))), renewed 3 s ago")
        #expect(leader.node == "m1.lan" && leader.complaint.isEmpty && leader.json["leads"] == true)
        // Clocks are never quite the same.
        #expect(leadership("m1_5f", renewed: -2).description.hasSuffix("renewed 0 s ago"))
        #expect(leadership("m1_5f", renewed: 60).complaint.isEmpty && leadership("m1_5f", renewed: -60).complaint.isEmpty)
    }

    @Test func `nobody leads who has given the Lease back or let it lapse`() {
        #expect(Leadership(of: nil, now: now).description == "no agent leads: the Lease homelab-system/homelab-agent is not there")
        #expect(leadership("", renewed: 5).complaint.contains("nobody has the Lease homelab-system/homelab-agent, which was given back at"))
        #expect(leadership("m1_5f", renewed: nil).complaint.hasPrefix("no agent leads: nobody has the Lease"))
        let lapsed = leadership("m1_5f", renewed: 61)
        #expect(lapsed.complaint.hasPrefix("no agent leads: that on m1 has not renewed the Lease") && lapsed.json["leads"] == false)
        #expect(leadership("m1_5f", renewed: 110, duration: 60).complaint.isEmpty)
        #expect(leadership("m1_5f", renewed: 121, duration: 60).complaint.contains("more than 120 s by the clock here"))
        #expect(leadership("m1_5f", renewed: -61).complaint.hasPrefix("whether an agent leads cannot be told"))
    }
}

@Suite struct LeaderElectionTests {
    /// Who leads now, as the electors themselves say.
    final class Board: Sendable {
        private let leaders = Mutex<[String]>([])
        private let most = Mutex(0)

        var current: [String] { leaders.withLock { $0 } }
        var mostAtOnce: Int { most.withLock { $0 } }

        func lead(_ name: String) async {
            let count = leaders.withLock { leaders in
                leaders.append(name)
                return leaders.count
            }
            most.withLock { $0 = max($0, count) }
            try? await Task.sleep(for: .seconds(3600))
            leaders.withLock { $0.removeAll { $0 == name } }
        }
    }

    private func elector(_ name: String, _ api: FakeClusterAPI, _ clock: any AgentClock) -> LeaderElection {
        LeaderElection(api: api, clock: clock, identity: name)
    }

    @Test func `one leads, and when it leaves the other takes over without waiting`() async throws {
        let (api, board, clock) = (FakeClusterAPI(), Board(), ManualClock())
        let first = Task { [elector = elector("a", api, clock)] in await elector.run { await board.lead("a") } }
        try await eventually("a leads") { board.current == ["a"] }
        let second = Task { [elector = elector("b", api, clock)] in await elector.run { await board.lead("b") } }
        try await eventually("b watches") { await api.watchCount == 2 }
        #expect(board.current == ["a"])
        first.cancel()
        await first.value
        // The clock has not moved: it was the release, not the expiry.
        try await eventually("b leads") { board.current == ["b"] }
        second.cancel()
        await second.value
        #expect(board.mostAtOnce == 1)
        let lease = await api.object(
            ObjectKey(group: "coordination.k8s.io", kind: "Lease", namespace: "homelab-system", name: "homelab-agent"))
        #expect(lease.map { LeaseRecord(of: $0).holder } == "")
    }

    @Test func `a leader that stands back leaves the lease to another, and takes it again when nobody wants it`() async throws {
        let (api, board, clock) = (FakeClusterAPI(), Board(), ManualClock())
        let (a, b) = (elector("a", api, clock), elector("b", api, clock))
        let first = Task { await a.run { await board.lead("a") } }
        try await eventually("a leads") { board.current == ["a"] }
        let second = Task { await b.run { await board.lead("b") } }
        try await eventually("b watches") { await api.watchCount == 2 }
        await a.standBack(for: .seconds(45))
        try await eventually("b leads") { board.current == ["b"] }
        second.cancel()
        await second.value
        #expect(board.current == [], "a stands back still")
        clock.advance(by: .seconds(46))
        try await eventually("a leads again") { board.current == ["a"] }
        first.cancel()
        await first.value
        #expect(board.mostAtOnce == 1)
    }

    @Test func `a leader that cannot renew stops leading before its lease runs out`() async throws {
        let (api, board, clock) = (FakeClusterAPI(), Board(), ManualClock())
        let lines = Shared<[String]>([])
        let elector = LeaderElection(api: api, clock: clock, identity: "a") { line in lines.update { $0.append(line) } }
        let running = Task { await elector.run { await board.lead("a") } }
        try await eventually("a leads") { board.current == ["a"] }
        try await eventually("a is known to lead") { elector.leader.value == "a" }
        await api.setReachable(false)
        var passed: Duration = .zero
        while !board.current.isEmpty, passed < .milliseconds(14_500) {
            clock.advance(by: .milliseconds(500))
            passed += .milliseconds(500)
            try await Task.sleep(for: .milliseconds(5))
        }
        try await eventually("nobody leads, though the lease has not run out") { board.current.isEmpty }
        try await eventually("nobody is known to lead") { elector.leader.value == "" }
        let said = "leads no more, and stops what it is doing: the API server has taken no sign of life for 10 s"
        #expect(lines.value == ["leads", said])
        running.cancel()
        await running.value
    }

    @Test func `a renewal counts from when it was asked for, however late its answer comes`() async throws {
        let (api, board, clock) = (FakeClusterAPI(), Board(), ManualClock())
        let running = Task { [elector = elector("a", api, clock)] in await elector.run { await board.lead("a") } }
        try await eventually("a leads") { board.current == ["a"] }
        let key = ObjectKey(group: "coordination.k8s.io", kind: "Lease", namespace: "homelab-system", name: "homelab-agent")
        let first = await api.object(key)?.resourceVersion
        await api.during(.replace, name: "homelab-agent") { _ in clock.advance(by: .seconds(4)) }
        clock.advance(by: .seconds(5))
        try await eventually("it is renewed, by an answer that took 4 s") { await api.object(key)?.resourceVersion != first }
        await api.setReachable(false)
        // The others may lead from the 20th second on.
        while !board.current.isEmpty, clock.now < .seconds(17) {
            clock.advance(by: .milliseconds(500))
            try await Task.sleep(for: .milliseconds(5))
        }
        try await eventually("it ends 10 s after it asked") { board.current.isEmpty }
        running.cancel()
        await running.value
    }

    @Test func `a dead leader's lease is taken when it has not changed for its duration`() async throws {
        let (api, board, clock) = (FakeClusterAPI(), Board(), ManualClock())
        try await HomelabNamespace.ensure(api)
        let dead = LeaseRecord(
            holder: "dead", durationSeconds: 15, acquireTime: Timestamp(secondsSinceEpoch: 0), renewTime: Timestamp(secondsSinceEpoch: 0))
        _ = try await api.create(dead.manifest(namespace: "homelab-system", name: "homelab-agent"))
        let a = elector("a", api, clock)
        let running = Task { await a.run { await board.lead("a") } }
        // What sleeps may be the limit of its first write; the lease counts from when it was seen.
        try await eventually("it has seen the lease, and waits") { a.leader.value == "dead" && clock.sleeperCount > 0 }
        for second in 1...40 {
            clock.advance(by: .seconds(1))
            try await Task.sleep(for: .milliseconds(5))
            if second < 15 { #expect(board.current.isEmpty, "taken after \(second) s") }
        }
        try await eventually("a leads") { board.current == ["a"] }
        running.cancel()
        await running.value
    }
}
