import Diagnostics
import FileSystem
import Foundation
import Git
import HTTP
import NodeInventory
import NodePlanning
import Testing

@testable import Reconciliation

/// What becomes of the result that the process beside the agent of an only server leaves.
@Suite struct OwnNodeChangeTests {
    private let directory = NSTemporaryDirectory() + "homelab-own-change-" + UUID().uuidString
    private let change = NodeChange(.upgrade, "m1", target: "v1.34.2+k3s1")

    private var configuration: AgentConfiguration {
        var configuration = AgentConfiguration(cluster: "home", node: "m1", repository: .init(url: "/srv/git/home.git"))
        configuration.stateDirectory = directory
        return configuration
    }

    private func leaveFailure() throws {
        let text = """
            {"changes": [{"kind": "upgrade", "node": "m1", "target": "v1.34.2+k3s1"}], "stopped": false,
            "failures": [{"severity": "error", "summary": "k3s does not start", "subject": "node \\"m1\\""}]}
            """
        try FileSystem.Files.makeDirectory(directory + "/node-change", mode: 0o700)
        try FileSystem.Files.write(text, to: directory + "/node-change/result.json", mode: 0o600)
    }

    @Test func `a result can be read until it is discarded`() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try leaveFailure()
        let own = OwnNodeChange(configuration: configuration)
        for _ in 1...2 {
            let result = try #require(try await own.result())
            #expect(result.changes == Set([change]))
            #expect(result.failures.map(\.summary) == ["k3s does not start"])
        }
        own.discard()
        #expect(!own.isUnderWay)
    }

    @Test func `a failure that was left is told before the machines are looked at, then discarded, and not forgotten`() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let repository = MemoryRepository()
        let commit = repository.push([
            "inventory/home.yaml": """
            apiVersion: homelab.dev/v1alpha1
            kind: Cluster
            name: home
            k3s: {version: v1.34.2+k3s1}
            nodes:
              - {name: m1, role: server, host: 192.0.2.11}
            """
        ])
        let tree = try await repository.tree(of: commit.id, under: ["inventory"])
        let journal = NodeJournal(directory: directory + "/journal", server: "m1", clock: ManualClock()) { _ in }
        let reconciler = NodeReconciler(
            configuration: configuration, transport: LoopbackHTTP(), journal: journal, clock: ManualClock(), log: { _ in })
        // Nothing can be logged, so it fails before it looks at any machine.
        try FileSystem.Files.write("no directory", to: directory + "/log")
        let own = OwnNodeChange(configuration: configuration)
        let told = Shared<[NodesReport]>([])
        let wasThere = Shared<[Bool]>([])
        var memory = ChangeMemory()
        // The second time as after an agent that was killed between the two.
        for _ in 1...2 {
            try leaveFailure()
            let report = await reconciler.reconcile(
                commit: commit, tree: tree, memory: memory, approvals: [], isSuperseded: { false },
                report: { between in
                    told.update { $0.append(between) }
                    wasThere.update { $0.append(own.isUnderWay) }
                })
            #expect(!own.isUnderWay)
            #expect(report.errors.first?.summary.contains("log files") == true)
            memory = report.memory
        }
        #expect(wasThere.value == [true, true])
        let freeze = ChangeMemory.Freeze(node: "m1", reason: "m1: k3s does not start")
        #expect(told.value.compactMap(\.memory.freeze) == [freeze, freeze])
        #expect(told.value.allSatisfy { $0.errors.map(\.summary) == ["k3s does not start"] })
        #expect(memory.freeze == freeze && memory.failures.isEmpty)
    }
}
