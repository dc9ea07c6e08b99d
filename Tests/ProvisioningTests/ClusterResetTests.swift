import Diagnostics
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

/// A reset asks with the list of what goes, and touches nothing else.
@Suite struct ClusterResetTests {
    private let log = EventLog()

    private func machines() throws -> Machines {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                {apiVersion: homelab.dev/v1alpha1, kind: Cluster, name: home, k3s: {version: v1.33.4+k3s1}, nodes: [
                  {name: s1, role: server, host: 10.0.0.1}, {name: a1, role: agent, host: 10.0.0.11},
                  {name: a2, role: agent, host: 10.0.0.12}, {name: a3, role: agent, host: 10.0.0.13, state: absent}]}
                """
            ])
        let log = log
        return try Machines(
            spec, inventoryDirectory: ".", logDirectory: nil, owner: "alice@laptop, homelab reset",
            interaction: BootstrapInteraction(events: { log.add($0) }))
    }

    private func facts(_ unit: String, _ authority: String?) -> FakeHost.Answer {
        let own = authority.map { "k3s.authority=\($0)\n" } ?? ""
        return .ok("homelab-facts 1\nuid=0\nuser=debian\nhome=/home/debian\nunit=\(unit) active enabled - loaded\n\(own)end\n")
    }

    private func host(_ name: String, _ unit: String, _ authority: String?...) -> FakeHost {
        let answers = authority.map { facts(unit, $0) }
        let host = FakeHost(name).withLocks().on("get lease", .fails("refused")).on("Takes k3s and homelab off", .ok()).on("disable", .ok())
        return answers.count == 2 ? host.on("sh -s", answers[0], answers[1]) : host.on("sh -s", answers[0])
    }

    private func isCleared(_ host: FakeHost) -> Bool { host.log.contains { $0.contains("Takes k3s and homelab off") } }

    @Test func onlyWhatIsOfTheClusterGoesAndTheRestIsNamedBefore() async throws {
        let (s1, a1) = (host("s1", "k3s.service", "x"), host("a1", "k3s-agent.service", "x"))
        let (a2, a3) = (host("a2", "k3s-agent.service", "y"), host("a3", "k3s-agent.service", "z"))
        let (spared, problems) = try await machines().reset(["s1": s1, "a1": a1, "a2": a2, "a3": a3], Diagnostics()) { scope, unseen in
            #expect(scope.nodes == ["s1", "a1"] && scope.spared.map(\.node) == ["a2", "a3"] && unseen.isEmpty)
            #expect(!s1.log.contains { $0.contains("/run/homelab.lock") }, "a question holds nothing up")
        }
        #expect(spared.count == 2 && problems.isEmpty, "\(problems)")
        #expect([s1, a1, a2, a3].map(isCleared) == [true, true, false, false])
        #expect(s1.log.first { $0.contains("lock=") }?.contains("owner='alice@laptop, homelab reset'") == true)
        #expect(!a2.log.contains { $0.contains("/run/homelab.lock") } && !a3.log.contains { $0.contains("/run/homelab.lock") })
        for host in [s1, a1, a2, a3] { #expect(host.unexpected.isEmpty, "\(host.unexpected)") }
    }

    /// The answer may take an hour.
    @Test func whatHasBecomeAnotherClustersMeanwhileStays() async throws {
        let (s1, a1) = (host("s1", "k3s.service", "x"), host("a1", "k3s-agent.service", "x", "y"))
        let (_, problems) = try await machines().reset(["s1": s1, "a1": a1], Diagnostics()) { scope, _ in
            #expect(scope.nodes == ["s1", "a1"])
        }
        #expect(isCleared(s1) && !isCleared(a1))
        #expect(problems.all.map(\.summary) == ["is left alone: its k3s is of another cluster than that of s1"], "\(problems)")
    }

    @Test func anAnswerThatIsNoTouchesNothing() async throws {
        let s1 = host("s1", "k3s.service", "x")
        await #expect(throws: Diagnostic.self) {
            try await machines().reset(["s1": s1], Diagnostics()) { _, _ in throw Diagnostic(.error, "that was not the name") }
        }
        #expect(s1.log.count == 1)
    }

    /// Of one that is to be absent it is no failure that it cannot be reached.
    @Test func whatAScriptWaitsForIsShownAndUnreachedMachinesAreToldOnce() async throws {
        let said = FakeHost.Answer.ok("waits for what was begun here before: process 7 (sh)\n")
        let s1 = FakeHost("s1").withLocks().on("get lease", .fails("refused")).on("Takes k3s and homelab off", said).on("disable", .ok())
            .on("sh -s", facts("k3s.service", "x"))
        let unreached = Diagnostics(["a1", "a3"].map { Diagnostic(.error, "cannot be reached", subject: "node \"\($0)\"") })
        let (spared, problems) = try await machines().reset(["s1": s1], unreached) { _, _ in }
        #expect(problems.all.map(\.subject) == [#"node "a1""#] && spared.map(\.node) == ["a3"])
        #expect(log.lines.contains("s1: take k3s and homelab off it: waits for what was begun here before: process 7 (sh)"))
    }
}
