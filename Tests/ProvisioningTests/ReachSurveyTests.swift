import Diagnostics
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

/// The probes between machines, whose listeners and askers are played by fake hosts.
@Suite struct ReachSurveyTests {
    private func facts(_ address: String) throws -> NodeFacts {
        var facts = NodeFacts()
        facts.system.machine = "x86_64"
        facts.agent.binary = BinaryFact(sha256: "same", version: nil)
        facts.network.addresses = [.init(interface: "eth0", cidr: try #require(CIDR(address + "/24")), dynamic: false)]
        return facts
    }

    private func findings(_ s1: FakeHost, _ a1: FakeHost) async throws -> [Diagnostic] {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                {apiVersion: homelab.dev/v1alpha1, kind: Cluster, name: home, k3s: {version: v1.33.4+k3s1}, nodes: [
                  {name: s1, role: server, host: 10.0.0.1}, {name: a1, role: agent, host: 10.0.0.11}]}
                """
            ])
        var nodes = NodeObservations()
        nodes.observed = ["s1": .facts(try facts("10.0.0.1")), "a1": .facts(try facts("10.0.0.11"))]
        nodes.hosts = ["s1": s1, "a1": a1]
        let survey = try ReachSurvey(
            spec: spec, binaries: [.amd64: LocalBinary(path: "/nowhere", sha256: "same")], recorder: RunRecorder(folder: nil) { _ in })
        return await survey.findings(nodes).all
    }

    private func host(_ name: String, listens: String..., said: String...) -> FakeHost {
        FakeHost(name).on("probe listen", .ok((listens + ["ready"]).joined(separator: "\n") + "\n"))
            .on("probe send", .ok(said.joined(separator: "\n") + "\n"))
    }

    @Test func whereK3sHoldsTheUdpPortAFreeOneIsAskedInItsPlace() async throws {
        let s1 = host(
            "s1", listens: "tcp:10250 taken", "udp:8472 taken", "tcp:6443 taken", "udp:0 open 40001", said: "tcp:10250 10.0.0.11 ok 300",
            "udp:40011 10.0.0.11 small 1500 300")
        let a1 = host(
            "a1", listens: "tcp:10250 taken", "udp:8472 taken", "udp:0 open 40011", said: "tcp:10250 10.0.0.1 ok 300",
            "tcp:6443 10.0.0.1 ok 300", "udp:40001 10.0.0.1 ok 300")
        let found = try await findings(s1, a1)
        #expect(found.map(\.severity) == [.error, .note], "\(found)")
        #expect(found.first?.summary == "packets of 1500 bytes from s1 do not arrive, smaller ones do", "\(found)")
        #expect(found.last?.cause == nil, "\(found)")
        #expect(s1.log.contains { $0.contains(" probe listen ") && $0.hasSuffix(" udp:0") }, "\(s1.log)")
        #expect(s1.inputs.contains("tcp:10250 10.0.0.11\nudp:40011 10.0.0.11\n"), "\(s1.inputs)")
    }

    @Test func aPortThatIsFreeIsAskedItself() async throws {
        let s1 = host(
            "s1", listens: "tcp:10250 open", "udp:8472 open", "tcp:6443 open", "udp:0 open 40001", said: "tcp:10250 10.0.0.11 ok 300",
            "udp:8472 10.0.0.11 ok 300")
        let a1 = host(
            "a1", listens: "tcp:10250 open", "udp:8472 open", "udp:0 open 40011", said: "tcp:10250 10.0.0.1 ok 300",
            "tcp:6443 10.0.0.1 ok 300", "udp:8472 10.0.0.1 ok 300")
        #expect(try await findings(s1, a1).isEmpty)
        #expect(s1.inputs.contains("tcp:10250 10.0.0.11\nudp:8472 10.0.0.11\n"), "\(s1.inputs)")
    }
}
