import Diagnostics
import FileSystem
import Foundation
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

@Suite struct MachineTests {
    private let api = FakeClusterAPI()
    private let clock = ManualClock()

    private func report(_ nodes: [(name: String, phase: String, message: String)], revision: String = "c1") -> NodesReport {
        NodesReport(
            revision: revision,
            nodes: nodes.map {
                var node = NodesReport.Node(
                    name: $0.name, role: "agent", phase: $0.phase, isHealthy: $0.phase == "Ready", version: "v1.36.4+k3s1",
                    message: $0.message)
                node.address = "192.0.2.7"
                return node
            })
    }

    private func machine(_ name: String) async throws -> Manifest? {
        try await api.get(MachineKind.kind, namespace: "", name: name)
    }

    private func condition(_ type: String, of machine: Manifest) -> Value? {
        machine.value[path: "status", "conditions"]?.array?.first { $0["type"]?.string == type }
    }

    private func withWriter(_ body: (MachineWriter) async throws -> Void) async throws {
        let events = EventRecorder(api: api, clock: clock, node: "m1")
        let running = Task { await events.run() }
        defer { running.cancel() }
        try await body(MachineWriter(api: api, clock: clock, events: events, journal: nil))
    }

    @Test func `each machine has an object, and a change of phase an Event`() async throws {
        try await withWriter { (writer) async throws in
            await writer.show(report([("a1", "Pending", "is off"), ("a2", "Ready", "")]))
            let first = try #require(await machine("a1"))
            #expect(first.value[path: "spec", "address"]?.string == "192.0.2.7" && first.value[path: "spec", "role"]?.string == "agent")
            #expect(first.value[path: "status", "phase"]?.string == "Pending" && first.value[path: "status", "message"]?.string == "is off")
            #expect(condition("Ready", of: first)?["status"]?.string == "False")
            #expect(try await condition("AsInventory", of: #require(machine("a2")))?["status"]?.string == "True")
            let since = condition("Ready", of: first)?["lastTransitionTime"]
            clock.advance(by: .seconds(60))
            await writer.show(report([("a1", "Failed", "k3s does not start"), ("a2", "Ready", "")]))
            let second = try #require(await machine("a1"))
            #expect(condition("Ready", of: second)?["lastTransitionTime"] == since, "it was not ready before either")
            try await eventually("the Events") {
                let kind = GroupVersionKind(group: "", version: "v1", kind: "Event")
                let events = try await api.list(kind, namespace: "", labelSelector: nil)
                return events.items.contains {
                    $0.value["reason"] == "Failed" && $0.value["message"] == "Pending -> Failed: k3s does not start"
                        && $0.value["type"] == "Warning" && $0.value[path: "involvedObject", "uid"]?.string == second.uid
                }
            }
        }
    }

    private func change(_ state: NodesReport.Change.State, _ reason: String) -> NodesReport.Change {
        NodesReport.Change(node: "a1", kind: "remove server", summary: "remove server a1", state: state, reason: reason)
    }

    @Test func `in the same phase another reason to be left as it is is an Event, and work that goes on is none`() async throws {
        let kind = GroupVersionKind(group: "", version: "v1", kind: "Event")
        try await withWriter { (writer) async throws in
            await writer.show(report([("a1", "Ready", "")]))
            await writer.show(report([("a1", "Ready", "is not taken out: etcd would lose its majority")]))
            #expect(try await condition("AsInventory", of: #require(machine("a1")))?["reason"]?.string == "HeldBack")
            for change in [change(.approval, "waits for approval"), change(.refused, "cannot be seen"), change(.running, "")] {
                var said = report([("a1", "Ready", change.reason.isEmpty ? "drains" : change.reason)])
                said.changes = [change]
                await writer.show(said)
            }
            await writer.show(report([("a1", "Ready", "")]))
            await writer.show(report([("a1", "NotReady", "")]))
            try await eventually("the Events") {
                let events = try await api.list(kind, namespace: "", labelSelector: nil).items
                return Set(events.map { "\($0.value["reason"]?.string ?? ""): \($0.value["message"]?.string ?? "")" }) == [
                    "Ready: Ready", "HeldBack: is not taken out: etcd would lose its majority", "ApprovalNeeded: waits for approval",
                    "ChangeRefused: cannot be seen", "NotReady: Ready -> NotReady",
                ]
            }
        }
    }

    @Test func `the same again sends nothing`() async throws {
        try await withWriter { (writer) async throws in
            await writer.show(report([("a1", "Ready", "")]))
            await api.forgetRequests()
            await writer.show(report([("a1", "Ready", "")]))
            #expect(await api.requests.filter { $0.kind == MachineKind.kind }.isEmpty)
        }
    }

    @Test func `an entry that is gone takes its object along, an unreadable inventory none`() async throws {
        try await withWriter { (writer) async throws in
            var first = report([("a1", "Ready", ""), ("old", "Orphan", "is not in the inventory")])
            first.nodes[1].address = ""
            await writer.show(first)
            #expect(try await machine("old")?.value["spec"] == ["role": "agent"], "no text is empty, which servers take for null")
            await writer.show(NodesReport(revision: "c2"))
            #expect(try await machine("a1") != nil)
            await writer.show(report([("a1", "Ready", "")], revision: "c3"))
            #expect(try await machine("old") == nil)
            #expect(try await machine("a1")?.value[path: "status", "revision"]?.string == "c3")
        }
    }

    @Test func `what cannot be written is told, and written the next time`() async throws {
        try await withWriter { (writer) async throws in
            let refusal = ClusterError(.invalid, subject: "a1", message: "status.message is null")
            await api.fail(.patch, kind: MachineKind.kind.groupKind, with: refusal)
            let problem = try #require(await writer.show(report([("a1", "Ready", "")])))
            #expect(problem.summary.contains("Machine objects") && problem.cause?.contains("status.message is null") == true, "\(problem)")
            #expect(await writer.show(report([("a1", "Ready", "")])) == nil)
            #expect(try await machine("a1")?.value[path: "status", "phase"]?.string == "Ready")
        }
    }

    @Test func `an object that somebody deleted comes back with the next report`() async throws {
        try await withWriter { (writer) async throws in
            await writer.show(report([("a1", "Ready", "")]))
            _ = try await api.delete(MachineKind.kind, namespace: "", name: "a1", options: DeleteOptions())
            await writer.show(report([("a1", "NotReady", "kubelet stopped")]))
            await writer.show(report([("a1", "NotReady", "kubelet stopped")]))
            #expect(try await machine("a1")?.value[path: "status", "phase"]?.string == "NotReady")
        }
    }
}
