import Diagnostics
import Git
import HomelabTestSupport
import KubernetesModel
import NodePlanning
import Synchronization
import Testing
import YAML

@testable import Reconciliation

/// When the node reconciler is called, with what, and what becomes of its answer.
@Suite struct NodesLoopTests {
    /// Answers as it is told and notes how it was called.
    final class ScriptedNodes: NodeReconciling {
        struct Call: Sendable {
            var revision: String
            var memory: ChangeMemory
            var approvals: Set<String>
        }

        private let state = Mutex<(calls: [Call], answer: NodesReport)>(([], NodesReport(revision: "")))
        private let usesUpApprovals: Bool
        private let staysAtWork: Bool
        var calls: [Call] { state.withLock { $0.calls } }

        /// - Parameter staysAtWork: with an approval it tells what it begins, and does not come to an end.
        init(usesUpApprovals: Bool = true, staysAtWork: Bool = false) {
            self.usesUpApprovals = usesUpApprovals
            self.staysAtWork = staysAtWork
        }

        func answer(_ change: @Sendable (inout NodesReport) -> Void) { state.withLock { change(&$0.answer) } }

        func reconcile(
            commit: CommitInfo, tree: GitTree, memory: ChangeMemory, approvals: Set<String>,
            isSuperseded: @escaping @Sendable () -> Bool, report: @escaping @Sendable (NodesReport) async -> Void
        ) async -> NodesReport {
            if staysAtWork, !approvals.isEmpty {
                var begun = NodesReport(revision: commit.id.hex)
                begun.memory.approved = ["upgrade m1"]
                begun.approvals = approvals
                await report(begun)
                try? await Task.sleep(for: .seconds(3600))
            }
            return state.withLock { state in
                state.calls.append(Call(revision: commit.id.hex, memory: memory, approvals: approvals))
                var answer = state.answer
                answer.revision = commit.id.hex
                answer.approvals = usesUpApprovals ? approvals : []
                if answer.memory == ChangeMemory() { answer.memory = memory }
                return answer
            }
        }
    }

    private final class Counter: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func add() { count.withLock { $0 += 1 } }
    }

    private typealias Scene = (api: FakeClusterAPI, clock: ManualClock, repository: MemoryRepository, nodes: ScriptedNodes)

    private func scene(_ nodes: ScriptedNodes = ScriptedNodes()) async throws -> Scene {
        let scene = (api: FakeClusterAPI(), clock: ManualClock(), repository: MemoryRepository(), nodes: nodes)
        try await HomelabNamespace.ensure(scene.api)
        return scene
    }

    private func running(
        _ scene: Scene, _ handOvers: Counter, _ body: () async throws -> Void
    ) async throws {
        let source = GitSource(repository: scene.repository, clock: scene.clock, pollInterval: .seconds(3600))
        let approvals = NodeApprovals(api: scene.api, clock: scene.clock)
        let state = Shared(AgentState(node: "m1", version: "1", identity: "m1_1", startedAt: scene.clock.timestamp))
        let events = EventRecorder(api: scene.api, clock: scene.clock, node: "m1")
        let loop = NodesLoop(
            nodes: scene.nodes, source: source, status: StatusWriter(api: scene.api), approvals: approvals,
            machines: MachineWriter(api: scene.api, clock: scene.clock, events: events, journal: nil),
            trust: InventoryTrust(repository: scene.repository, api: scene.api, inventory: "inventory/home.yaml", signersFile: nil),
            journal: nil, clock: scene.clock, monitor: state, handOver: { handOvers.add() })
        let task = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await source.run() }
                group.addTask { await approvals.follow() }
                group.addTask { await loop.run() }
            }
        }
        defer { task.cancel() }
        try await body()
    }

    @Test func `it is called for a commit, for an approval, which is used up, and when its wait is over`() async throws {
        let scene = try await scene()
        let commit = scene.repository.push(["inventory/home.yaml": "x"])
        try await running(scene, Counter()) {
            try await eventually("the commit") { scene.nodes.calls.map(\.revision) == [commit.id.hex] }
            scene.nodes.answer { $0.again = .seconds(60) }
            try await NodeApprovals.give("0123456789abcdef", by: "ada", in: scene.api)
            try await eventually("the approval") { scene.nodes.calls.last?.approvals == ["0123456789abcdef"] }
            let key = ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: NodeApprovals.name)
            try await eventually("it is used up") { await scene.api.object(key)?.value["data"]?.object?.isEmpty ?? true }
            let count = scene.nodes.calls.count
            // The wait begins some time after the approval is used up.
            try await eventually("its wait is over") {
                scene.clock.advance(by: .seconds(61))
                return scene.nodes.calls.count > count && scene.nodes.calls.last?.approvals == []
            }
        }
    }

    @Test func `an approval that is not used up is tried again with another one and when its wait is over`() async throws {
        let nodes = ScriptedNodes(usesUpApprovals: false)
        let scene = try await scene(nodes)
        scene.repository.push(["inventory/home.yaml": "x"])
        try await running(scene, Counter()) {
            try await eventually("the commit") { nodes.calls.count == 1 }
            try await NodeApprovals.give("0123456789abcdef", by: "ada", in: scene.api)
            try await eventually("the approval") { nodes.calls.last?.approvals == ["0123456789abcdef"] }
            try await Task.sleep(for: .milliseconds(100))
            #expect(nodes.calls.count == 2)
            nodes.answer { $0.again = .seconds(60) }
            try await NodeApprovals.give("fedcba9876543210", by: "ada", in: scene.api)
            try await eventually("the other one") { nodes.calls.last?.approvals == ["0123456789abcdef", "fedcba9876543210"] }
            try await Task.sleep(for: .milliseconds(100))
            #expect(nodes.calls.count == 3)
            try await eventually("its wait is over") {
                scene.clock.advance(by: .seconds(61))
                return nodes.calls.count > 3 && nodes.calls.last?.approvals.count == 2
            }
        }
    }

    @Test func `an approval is used up when what it allows begins, so that the next agent does not take it for a new one`() async throws {
        let nodes = ScriptedNodes(staysAtWork: true)
        let scene = try await scene(nodes)
        scene.repository.push(["inventory/home.yaml": "x"])
        try await running(scene, Counter()) {
            try await eventually("the commit") { nodes.calls.count == 1 }
            try await NodeApprovals.give("0123456789abcdef", by: "ada", in: scene.api)
            let key = ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: NodeApprovals.name)
            try await eventually("it is used up") { await scene.api.object(key)?.value["data"]?.object?.isEmpty == true }
            #expect(try await StatusWriter(api: scene.api).lastNodes()?.memory.approved == ["upgrade m1"])
        }
    }

    @Test func `what the agent before remembered is handed on`() async throws {
        let scene = try await scene()
        var before = NodesReport(revision: "old")
        before.memory.inventory = "abc"
        before.memory.freeze = ChangeMemory.Freeze(node: "m2", reason: "it failed")
        before.planHash = "0123"
        before.changes = [.init(node: "m2", kind: "upgrade", summary: "upgrade m2", state: .frozen, reason: "it failed", remedy: "mend it")]
        #expect(NodesReport(of: before.manifest) == before)
        try await StatusWriter(api: scene.api).write(before.manifest)
        scene.repository.push(["inventory/home.yaml": "x"])
        try await running(scene, Counter()) {
            try await eventually("the call") { scene.nodes.calls.first?.memory == before.memory }
        }
    }

    @Test func `the Lease is given away when the rest is another agent's`() async throws {
        let scene = try await scene()
        let handOvers = Counter()
        scene.nodes.answer { $0.handsOver = true }
        scene.repository.push(["inventory/home.yaml": "x"])
        try await running(scene, handOvers) { try await eventually("it is given away") { handOvers.value == 1 } }
    }
}
