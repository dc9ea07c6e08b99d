import Foundation
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

@Suite struct FactGathererTests {
    /// The number of `reference` has nothing to do with what the clocks show.
    @Test func aMachinesClockIsReadAgainstThisOne() async throws {
        let printed = (Date().timeIntervalSince1970 - 400).rounded()
        let host = FakeHost("s1").on("sh -s", .ok("homelab-facts 1\ntime=\(Int(printed))\nend\n"))
        let clock = try await FactGatherer.facts(of: host, script: "", reference: 1000).clock
        let offset = try #require(clock.offset)
        #expect(abs(offset + 400) < 20, "\(clock)")
        #expect(clock.printed == printed && abs(clock.now - 600) < 20, "\(clock)")
        let silent = FakeHost("s2").on("sh -s", .ok("homelab-facts 1\nend\n"))
        #expect(try await FactGatherer.facts(of: silent, script: "").clock.offset == nil)
    }

    /// Its SSH server still answers keepalives: nothing else would end the wait.
    @Test func aMachineWhoseDiskHangsIsUnreachable() async throws {
        let host = FakeHost("s1").on("sh -s", .hangs)
        let error = await #expect(throws: HostError.self) { try await FactGatherer.facts(of: host, script: "") }
        #expect(
            error?.description
                == "error: node \"s1\": it logs in, but does not answer within 120 s\n    Look at its disk: `dmesg` there tells whether one "
                + "hangs; if it takes no commands at all, restart it.")
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                {apiVersion: homelab.dev/v1alpha1, kind: Cluster, name: home, k3s: {version: v1.33.4+k3s1},
                 nodes: [{name: s1, role: server, host: 10.0.0.1}]}
                """
            ])
        let seen = try await FactGatherer(recorder: try RunRecorder(folder: nil) { _ in }).gather(spec, nodes: spec.nodes) { _ in host }
        #expect(seen.observed["s1"] == .unreachable(reason: "it logs in, but does not answer within 120 s") && seen.hosts.isEmpty)
    }

    @Test func everyQuestionOfALookHasALimit() async throws {
        let host = FakeHost("s1").on("get nodes -o json", .hangs).on("idle", .hangs).on("kubectl", .hangs)
        await #expect(throws: HostError.silent(node: "s1", after: .seconds(120))) {
            try await ClusterObserver(recorder: try RunRecorder(folder: nil) { _ in }).ask(host)
        }
        await #expect(throws: HostError.silent(node: "s1", after: .seconds(120))) { try await EarlierWork.awaitEnd(on: host) { _ in } }
        await #expect(throws: HostError.silent(node: "s1", after: .seconds(120))) {
            try await Adoption.nodes(through: host, program: nil)
        }
    }
}
