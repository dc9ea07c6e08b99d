import Diagnostics
import NodeInventory
import Testing

@testable import NodePlanning

@Suite struct PreflightRouteTests {
    /// A machine whose k3s is down keeps flannel's routes: a run that is to bring it back must not be refused for them.
    @Test(arguments: ["active", "activating", "failed", "inactive", "absent"])
    func routesAreInTheWayOnlyWhereNoK3sIsInstalled(_ state: String) throws {
        let scene = PlanningCase.named("unfit-machines")
        var observed = try scene.observed()
        var facts = try #require(observed["a2"]?.facts)
        facts.units[NodeRole.agent.unit] = UnitFact(active: state, enabled: true)
        observed["a2"] = .facts(facts)
        let found = Preflight.check(try scene.spec(), observed: observed, context: PlanningCase.context).sorted.map(\.description)
        #expect(found.contains { $0.contains("its route 10.42.7.0/24 (wg0) overlaps") } == (state == "absent"), "\(found)")
    }
}
