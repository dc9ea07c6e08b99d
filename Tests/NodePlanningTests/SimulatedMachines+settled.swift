import NodeInventory
import Testing

@testable import NodePlanning

extension SimulatedMachines {
    /// A cluster as a first bootstrap leaves it.
    static func settled(_ fixture: String, _ change: (inout ClusterSpec) -> Void = { _ in }) throws -> SimulatedMachines {
        let fixture = PlanningCase.named(fixture)
        var spec = try fixture.spec()
        change(&spec)
        let fresh = try fixture.observed().filter { spec.node(named: $0.key) != nil }
        var machines = SimulatedMachines(spec: spec, observed: fresh, cluster: try fixture.cluster())
        for _ in 0..<4 {
            let (observed, cluster) = machines.look()
            let isFresh = observed.values.allSatisfy { $0.facts?.holdsCluster != true }
            let plan = NodePlanner.plan(
                desired: spec, observed: observed, cluster: isFresh ? .none : cluster, context: context(spec, version: 0))
            if plan.isEmpty { return machines }
            machines.carryOut(plan)
        }
        Issue.record("the fixture does not settle")
        return machines
    }

    /// Another version has another binary.
    static func context(_ spec: ClusterSpec, version: Int) -> PlanningContext {
        var context = PlanningCase.context
        context.hasKubeconfig = true
        if version > 0 {
            context.k3s = [.amd64: String(repeating: "d", count: 64), .arm64: String(repeating: "e", count: 64)]
            context.images = [.amd64: ImageArchive(sha256: String(repeating: "f", count: 64), ending: ".tar.zst")]
        }
        return context
    }
}
