import Diagnostics
import Git
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

@Suite struct BackoffTests {
    @Test func `it doubles up to its limit, heeds what was asked, and starts over`() {
        var backoff = Backoff(first: .seconds(1), limit: .seconds(10))
        #expect((0..<5).map { _ in backoff.failed(spread: 0) } == [1, 2, 4, 8, 10].map { .seconds($0) })
        #expect(backoff.failed(atLeast: .seconds(60), spread: 0) == .seconds(60))
        #expect(backoff.failed(spread: 1) == .seconds(12))
        backoff.reset()
        #expect(backoff.failed(spread: 0) == .seconds(1))
    }
}

@Suite struct RepairGuardTests {
    @Test func `three repairs are free, then each waits longer, and peace is noticed`() {
        var guardian = RepairGuard()
        for second in 0..<2 {
            guardian.repaired(now: .seconds(second))
            #expect(guardian.hold(now: .seconds(second)) == nil)
        }
        guardian.repaired(now: .seconds(2))
        #expect(guardian.hold(now: .seconds(2)) == .seconds(4) && !guardian.isFighting)
        guardian.repaired(now: .seconds(4))
        #expect(guardian.hold(now: .seconds(4)) == .seconds(8) && guardian.isFighting)
        #expect(guardian.hold(now: .seconds(9)) == nil)
        #expect(guardian.hold(now: .seconds(100)) == nil && !guardian.isFighting)
    }

    @Test func `an occasional repair is no fight`() {
        var guardian = RepairGuard()
        for minute in 0..<20 {
            guardian.repaired(now: .seconds(minute * 90))
            #expect(guardian.hold(now: .seconds(minute * 90)) == nil && !guardian.isFighting)
        }
    }
}

@Suite struct InventoryRecordTests {
    private func inventory(_ range: Range<Int>) -> ResourceInventory {
        ResourceInventory(
            Dictionary(
                uniqueKeysWithValues: range.map {
                    (ObjectKey(group: "", kind: "ConfigMap", namespace: "n", name: "c\($0)"), ResourceInventory.Entry(version: "v1"))
                }))
    }

    @Test func `a large record is spread, and an entry never moves to another part`() {
        var record = InventoryRecord()
        #expect(record.set(inventory(0..<6000)) == [0, 1, 2])
        #expect(record.inventory == inventory(0..<6000))
        let before = record
        #expect(record.set(inventory(0..<6001)) == [2])
        #expect(record.inventory.count == 6001 && record.parts[0] == before.parts[0])
        let changed = record.set(inventory(100..<6001))
        #expect(record.inventory == inventory(100..<6001))
        for index in changed { #expect(record.parts[index].subtracting(before.parts[index]).count <= 1) }
    }

    @Test func `the same again is no write, and nothing is one part`() {
        var record = InventoryRecord()
        #expect(record.set(inventory(0..<0)) == [0])
        #expect(record.set(inventory(0..<0)).isEmpty)
        #expect(record.set(inventory(0..<3)) == [0])
        #expect(record.set(inventory(0..<3)).isEmpty)
    }
}

@Suite struct StatusReportTests {
    @Test func `a Kustomization tells all errors, as far as there is room`() {
        func message(_ count: Int) -> String {
            var report = StatusReport(unit: "home")
            report.phase = .buildFailed
            report.errors = (1...count).map { Diagnostic(.error, "is wrong", at: SourceLocation(file: "f", line: $0)) }
            report.message = report.errors[0].description
            var status = KustomizationStatus(of: Manifest([:]))
            status.take(
                report,
                in: .init(
                    generation: 1, checksHealth: false, duration: .zero, now: Timestamp(secondsSinceEpoch: 0),
                    note: "", stallReason: ""))
            return status.conditions["Ready"]?.message ?? ""
        }
        #expect(message(2).split(separator: "\n") == ["f:1:1: error: is wrong", "f:2:1: error: is wrong"])
        #expect(message(25).hasSuffix("f:20:1: error: is wrong\nand 5 more"), "\(message(25))")
    }

    @Test func `a report is read back as it was written`() throws {
        var report = StatusReport(unit: "home")
        report.path = "clusters/home"
        report.phase = .applyFailed
        report.message = "a\nb \"c\""
        report.attemptedRevision = "abc"
        report.source.problem = "Unreachable"
        report.errors = [
            Diagnostic(.error, "is wrong", subject: "x", at: SourceLocation(file: "f", line: 3, column: 4), cause: "c", remedy: "r")
        ]
        report.objectCount = 1
        report.healthCounts = [.failed: 1]
        report.objects = [
            .init(
                key: ObjectKey(group: "apps", kind: "Deployment", namespace: "n", name: "d"), health: .failed, message: "m", origin: "f:1")
        ]
        report.exceptions = [.init(key: ObjectKey(group: "", kind: "Namespace", name: "n"), health: .current, message: "kept")]
        report.lastChange = "2026-01-01T00:00:00Z"
        #expect(StatusReport(of: report.manifest) == report)
        let nodes = NodesReport(
            revision: "abc", nodes: [.init(name: "m1", role: "server", phase: "Ready", isHealthy: true, version: "v1")],
            errors: report.errors)
        #expect(NodesReport(of: nodes.manifest) == nodes)
    }
}

@Suite struct EndpointTests {
    private let now = Timestamp(secondsSinceEpoch: 1000)

    @Test func `an agent is ready when it has a commit and knows who leads`() {
        var state = AgentState(node: "m1", version: "1", identity: "m1_1", startedAt: now)
        #expect(state.response(path: "/healthz", now: now).status == 200)
        let unready = state.response(path: "/readyz", now: now)
        #expect(unready.status == 503 && unready.body.contains("no commit yet") && unready.body.contains("no leader"))
        state.leader = "m2_1"
        #expect(state.response(path: "/readyz", now: now).status == 503)
        state.source.problem = SourceProblem(.keyRefused, "login refused")
        #expect(state.response(path: "/readyz", now: now).status == 200, "with an unknown key everybody starts")
        state.source.problem = SourceProblem(.authentication, "it refuses the token")
        #expect(state.response(path: "/readyz", now: now).status == 503)
        state.source.commit = MemoryRepository().push([:])
        #expect(state.response(path: "/readyz", now: now).status == 200)
        #expect(state.response(path: "/else", now: now).status == 404)
    }

    @Test func `the metrics are Prometheus' text`() {
        var state = AgentState(node: "m\"1", version: "1", identity: "m1_1", startedAt: now)
        state.isLeading = true
        state.countPass(duration: .milliseconds(500), failed: false)
        state.countPass(duration: .milliseconds(1500), failed: true)
        state.lastContact = Timestamp(secondsSinceEpoch: 990)
        var report = StatusReport(unit: "home")
        report.healthCounts = [.current: 7]
        report.appliedRevision = "abc"
        state.unit = report
        let lines = state.response(path: "/metrics", now: now).body.split(separator: "\n").map(String.init)
        for expected in [
            "homelab_agent_info{node=\"m\\\"1\",version=\"1\"} 1", "homelab_agent_leader 1",
            "homelab_reconcile_total{result=\"success\"} 1", "homelab_reconcile_total{result=\"failure\"} 1",
            "homelab_reconcile_duration_seconds_sum 2", "homelab_reconcile_duration_seconds_max 1.5", "homelab_source_age_seconds 10",
            "homelab_unit_objects{unit=\"home\",health=\"Current\"} 7",
            "homelab_unit_revision{unit=\"home\",applied=\"abc\",attempted=\"\"} 1",
        ] { #expect(lines.contains(expected), "\(expected)") }
        for line in lines where !line.hasPrefix("#") { #expect(line.split(separator: " ").count >= 2) }
    }
}

@Suite struct BellTests {
    @Test func `a ring before the wait is heard, once`() async throws {
        let bell = Bell()
        bell.ring()
        bell.ring()
        await bell.wait()
        let clock = ManualClock()
        let waiting = Task { await bell.wait(until: .seconds(5), clock: clock) }
        try await eventually("it sleeps") { clock.sleeperCount == 1 }
        clock.advance(by: .seconds(5))
        await waiting.value
    }

    @Test func `a cancelled wait ends`() async {
        let bell = Bell()
        let waiting = Task { await bell.wait() }
        waiting.cancel()
        await waiting.value
    }
}
