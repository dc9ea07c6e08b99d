import NodeInventory
import Testing

@testable import NodePlanning

/// Machines without a registry get k3s and the archive of its images together, or not at all.
@Suite struct ImagesPlanTests {
    private static let amd64 = ImageArchive(sha256: String(repeating: "f", count: 64), ending: ".tar.zst")
    private static let arm64 = ImageArchive(sha256: String(repeating: "e", count: 64), ending: ".tar.zst")

    /// Three servers and the agent fed are amd64, the agent pi is arm64.
    private func plan(
        _ images: [Architecture: ImageArchive], airgap: Bool = true, _ change: (inout SimulatedMachines) throws -> Void
    ) throws -> NodePlan {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        machines.spec.k3s.bringsImages = airgap
        try change(&machines)
        let isUpgrade = machines.spec.k3s.version.description != "v1.33.4+k3s1"
        var context = SimulatedMachines.context(machines.spec, version: isUpgrade ? 1 : 0)
        context.images = images
        let (observed, cluster) = machines.look()
        return NodePlanner.plan(desired: machines.spec, observed: observed, cluster: cluster, context: context)
    }

    private func upgrade(_ machines: inout SimulatedMachines) throws {
        machines.spec.k3s.version = try #require(K3sVersion("v1.34.1+k3s1"))
    }

    /// The machine is there, and not of the cluster yet.
    private func takeOutPi(_ machines: inout SimulatedMachines) throws {
        machines.observed["pi"] = try PlanningCase.named("fresh-three-servers").observed()["pi"]
        machines.cluster.nodes.removeAll { $0.name == "pi" }
    }

    /// The nodes that a plan brings their archive, and of the wanted one.
    private func brought(_ plan: NodePlan) -> Set<String> {
        var nodes: Set<String> = []
        for task in plan.phases.flatMap(\.tasks) {
            for case .installImages(let artifact) in task.steps.map(\.step) {
                let archive = artifact.architecture == .amd64 ? Self.amd64 : Self.arm64
                #expect(artifact.path == NodeLayout.images(sha256: archive.sha256, ending: archive.ending))
                nodes.insert(task.node)
            }
        }
        return nodes
    }

    private func text(_ plan: NodePlan, of node: String) -> String { plan.pending.first { $0.node == node }?.text ?? "nothing" }

    @Test func `a node whose archive cannot be had keeps its version`() throws {
        let plan = try plan([.amd64: Self.amd64], upgrade)
        #expect(brought(plan) == ["s1", "s2", "s3", "fed"], "\(plan.text)")
        #expect(text(plan, of: "pi") == "is not upgraded now: the archive of k3s' images for arm64 is not at hand", "\(plan.text)")
        let upgraded = plan.phases.filter { $0.kind == .serverUpgrade || $0.kind == .agentUpgrade }.flatMap(\.tasks)
        #expect(Set(upgraded.map(\.node)) == ["s1", "s2", "s3", "fed"])
        #expect(brought(try self.plan([.amd64: Self.amd64, .arm64: Self.arm64], upgrade)) == ["s1", "s2", "s3", "fed", "pi"])
    }

    @Test func `a machine whose archive cannot be had does not join`() throws {
        let waiting = try plan([.amd64: Self.amd64], takeOutPi)
        #expect(text(waiting, of: "pi") == "does not join yet: the archive of k3s' images for arm64 is not at hand", "\(waiting.text)")
        #expect(!waiting.phases.contains { $0.kind == .agents })
        let joining = try plan([.amd64: Self.amd64, .arm64: Self.arm64], takeOutPi)
        #expect(brought(joining).contains("pi") && joining.phases.contains { $0.kind == .agents }, "\(joining.text)")
        #expect(try plan([:], airgap: false, takeOutPi).phases.contains { $0.kind == .agents }, "without airgap a registry has them")
    }

    @Test func `nodes in service are brought theirs once`() throws {
        let all = try plan([.amd64: Self.amd64, .arm64: Self.arm64]) { _ in }
        #expect(brought(all) == ["s1", "s2", "s3", "fed", "pi"] && all.phases.map(\.kind) == [.binaries], "\(all.text)")
        let none = try plan([.amd64: Self.amd64, .arm64: Self.arm64]) { $0.carryOut(all) }
        #expect(none.isEmpty, "\(none.text)")
    }
}
