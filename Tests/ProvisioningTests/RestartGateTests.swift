import Diagnostics
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

/// Servers that a rotation restarts: each only when etcd can spare it by what is seen then.
@Suite struct RestartGateTests {
    private let log = EventLog()

    private func machines(servers: Int = 3) throws -> Machines {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": "apiVersion: homelab.dev/v1alpha1\nkind: Cluster\nname: home\nk3s: {version: v1.33.4+k3s1}\nnodes:\n"
                    + (1...servers).map { "  - {name: s\($0), role: server, host: 10.0.0.\($0)}\n" }.joined()
            ])
        let log = log
        return try Machines(
            spec, inventoryDirectory: ".", logDirectory: nil, owner: "alice@laptop, homelab token rotate",
            interaction: BootstrapInteraction(events: { log.add($0) }))
    }

    /// - Parameter patience: a short one is for what is to be refused.
    private func gate(_ machines: Machines, _ hosts: FakeHost..., patience: Duration = .milliseconds(50)) -> RestartGate {
        var limits = WaitLimits()
        limits.poll = .milliseconds(1)
        return RestartGate(
            machines, hosts: Dictionary(uniqueKeysWithValues: hosts.map { ($0.name, $0 as any Host) }), patience: patience,
            limits: limits)
    }

    private static func node(_ name: String, ready: Bool = true) -> String {
        #"{"metadata":{"name":"\#(name)","labels":{"node-role.kubernetes.io/etcd":"true"}},"status":{"conditions":["#
            + #"{"type":"Ready","status":"\#(ready ? "True" : "False")","lastHeartbeatTime":"2026-11-26T10:00:30Z"},"#
            + #"{"type":"EtcdIsVoter","status":"True"}]}}"#
    }

    private static func list(_ nodes: String...) -> FakeHost.Answer {
        .ok(#"{"items":[\#(nodes.joined(separator: ","))]}"# + "\n-- tokens\n-- ca\nYQ==\n-- members\n")
    }

    private static let three = list(node("s1"), node("s2"), node("s3"))
    private static let away = FakeHost.Answer.fails("The connection to the server 127.0.0.1:6443 was refused")

    private func server(_ name: String, _ nodes: FakeHost.Answer = three) -> FakeHost { FakeHost(name).on("get nodes -o json", nodes) }

    @Test func oneOfThreeThatAreWellMayGo() async throws {
        let machines = try machines()
        let hosts = ["s1", "s2", "s3"].map { server($0).on("/readyz", .ok()) }
        try await gate(machines, hosts[0], hosts[1], hosts[2]).open(for: machines.spec.servers[0]) { Issue.record("it waited: \($0)") }
    }

    /// For forty seconds after its end a server's Node says that it is Ready.
    @Test func theOthersAnswerForThemselves() async throws {
        let machines = try machines()
        let (s1, s2) = (server("s1").on("/readyz", .ok()), server("s2").on("/readyz", .ok()))
        let s3 = server("s3").on("/readyz", Self.away)
        let refused = await #expect(throws: Diagnostic.self) {
            try await gate(machines, s1, s2, s3).open(for: machines.spec.servers[0]) { _ in }
        }
        #expect(refused?.summary == "is not restarted: etcd has 3 members, 2 of them healthy, and would lose its majority")
        #expect(refused?.subject == #"node "s1""# && refused?.remedy == "bring s3 back first, then run again")
        // What is down takes no vote away.
        try await gate(machines, s1, s2, s3).open(for: machines.spec.servers[2]) { Issue.record("it waited: \($0)") }
    }

    @Test func whoIsNotWellYetIsWaitedFor() async throws {
        let machines = try machines()
        let (s1, s2) = (server("s1").on("/readyz", .ok()), server("s2").on("/readyz", Self.away, .ok()))
        try await gate(machines, s1, s2, patience: .seconds(60)).open(for: machines.spec.servers[0]) { _ in }
    }

    @Test func ofTwoEtcdCanSpareNeither() async throws {
        let machines = try machines()
        let s1 = server("s1", Self.list(Self.node("s1"), Self.node("s2"))).on("/readyz", .ok())
        let refused = await #expect(throws: Diagnostic.self) { try await gate(machines, s1).open(for: machines.spec.servers[0]) { _ in } }
        #expect(refused?.remedy == "let another server join first, or take one out: of two, etcd can spare neither")
    }

    /// Their files have a token that the first server does not know any more: to give them the new one is the way back.
    @Test(arguments: ["activating", "active"]) func withoutAnAPIOnlyAServerThatIsDownMayBeStarted(_ state: String) async throws {
        let machines = try machines()
        let hosts = ["s1", "s2", "s3"].map {
            server($0, Self.away).on("/readyz", Self.away).on("-p ActiveState", .ok("ActiveState=\(state)\n-- journal\n"))
        }
        let gate = gate(machines, hosts[0], hosts[1], hosts[2])
        if state == "activating" { return try await gate.open(for: machines.spec.servers[1]) { _ in } }
        let refused = await #expect(throws: Diagnostic.self) { try await gate.open(for: machines.spec.servers[1]) { _ in } }
        #expect(refused?.summary.hasSuffix("no server's API answers, and nobody can tell whether etcd keeps its majority") == true)
    }

    @Test func aServerThatIsAloneMayAlwaysGo() async throws {
        let machines = try machines(servers: 1)
        try await gate(machines, server("s1", Self.away)).open(for: machines.spec.servers[0]) { _ in }
        let sqlite = Self.list(#"{"metadata":{"name":"s1"}}"#)
        try await gate(machines, server("s1", sqlite).on("/readyz", .ok())).open(for: machines.spec.servers[0]) { _ in }
    }

    // MARK: In a rotation

    private func given(_ words: String, _ host: FakeHost) -> FakeHost {
        host.on("-- environment", .ok("-- config \(NodeLayout.k3sConfig)\ntoken-file: \(NodeLayout.token)\n-- environment\n\(words)\n"))
    }

    private func behind(_ name: String) -> FakeHost {
        given("", server(name)).on("-p InvocationID", .ok("1"), .ok("2")).on("--no-block restart", .ok())
            .on("-p ActiveState", .ok("ActiveState=active\n-- journal\n")).on("get node s", .ok(Self.node(name)))
            .on("-p MainPID", PlanExecutorTests.started).file(NodeLayout.token, "K10abc::server:old\n").on("/readyz", .ok())
    }

    @Test func aServerThatFallsAwayStopsTheRotationBeforeTheNext() async throws {
        let machines = try machines()
        // Ready when s2 goes, and not when it is s3's turn.
        let s1 = given("", server("s1")).on("/readyz", .ok(), Self.away).file(NodeLayout.token, "K10abc::server:new\n")
            .file(NodeLayout.serverToken, "K10abc::server:new\n")
        let (s2, s3) = (behind("s2"), behind("s3"))
        let rotation = TokenRotation(machines: machines) { _ in Issue.record("nothing is rotated anew") }
        let refused = await #expect(throws: Diagnostic.self) {
            _ = try await rotation.run(["s1": s1, "s2": s2, "s3": s3], gate(machines, s1, s2, s3))
        }
        #expect(refused?.subject == #"node "s3""# && refused?.remedy == "bring s1 back first, then run again")
        #expect(s2.log.contains { $0.contains("--no-block restart") } && !s3.log.contains { $0.contains("--no-block restart") })
        #expect(log.lines.contains { $0.hasPrefix("s2: wait for node s2 and its etcd member: done in") }, "\(log.lines)")
    }

    /// As k3s' own installer has it: a new token in the file would help nothing.
    @Test func aTokenThatIsGivenElsewhereIsNotRotated() async throws {
        let machines = try machines()
        let s1 = given("", server("s1")).file(NodeLayout.serverToken, "K10abc::server:old\n")
        let s2 = given("K3S_TOKEN=***", server("s2"))
        let s3 = server("s3").on("-- environment", .ok("-- unit\n"))
        let rotation = TokenRotation(machines: machines) { _ in Issue.record("the rotation began") }
        let refused = await #expect(throws: Diagnostics.self) {
            _ = try await rotation.run(["s1": s1, "s2": s2, "s3": s3], gate(machines, s1, s2, s3))
        }
        #expect(refused?.all.map(\.subject) == [#"node "s2""#, #"node "s3""#], "\(refused?.description ?? "")")
        #expect(!s1.log.contains { $0.contains("rotate") }, "\(s1.log)")
    }

    @Test func whoeverWorksOnAMachineIsNamedAndNothingIsDone() async throws {
        let machines = try machines()
        let free = FakeHost("s1").withLocks()
        let held = FakeHost("s2").on("lock=/run/homelab.lock", .held("r9\nthe homelab agent on s1\n2026-11-27T03:00:00Z\n2\n"))
            .on("/run/homelab.lock 2>/dev/null)\"", .ok())
        let refused = await #expect(throws: Diagnostics.self) {
            try await machines.holding(machines.spec.servers, ["s1": free, "s2": held]) { Issue.record("it began") }
        }
        #expect(refused?.description.contains("another run is working on this node") == true)
        #expect(refused?.description.contains("the homelab agent on s1, since 2026-11-27T03:00:00Z") == true)
        #expect(free.log.last?.contains("rm -f /run/homelab.lock") == true, "what was taken is given back")
        #expect(free.unexpected.isEmpty && held.unexpected.isEmpty)
    }

    @Test func withoutAnAPITheMachinesLocksAreAll() async throws {
        let machines = try machines()
        let hosts = ["s1", "s2"].map { FakeHost($0).withLocks().on("get lease", Self.away) }
        let done = try await machines.holding(machines.spec.servers, ["s1": hosts[0], "s2": hosts[1]]) { "done" }
        #expect(done == "done")
        for host in hosts {
            #expect(host.log.first?.contains("owner='alice@laptop, homelab token rotate'") == true, "\(host.log)")
            #expect(host.log.last?.contains("rm -f /run/homelab.lock") == true)
        }
    }
}
