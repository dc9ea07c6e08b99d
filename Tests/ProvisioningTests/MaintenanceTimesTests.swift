import Diagnostics
import NodeInventory
import NodePlanning
import Testing
import YAML

@testable import Provisioning

@Suite struct MaintenanceTimesTests {
    private func finding(windows: String, restarts: Bool, at now: Int64) throws -> Diagnostic? {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                {apiVersion: homelab.dev/v1alpha1, kind: Cluster, name: home, k3s: {version: v1.33.4+k3s1}, maintenanceWindows: [\(windows)],
                 nodes: [{name: m1, role: server, host: 192.0.2.1}]}
                """
            ])
        let cluster = ClusterFacts(
            nodes: [
                "items": [
                    ["metadata": ["name": "m1"], "status": ["conditions": [["type": "Ready", "status": "True"]]]]
                ]
            ], tokens: [:])
        var plan = NodePlanner.plan(desired: spec, observed: [:], cluster: cluster, context: PlanningContext(k3s: [:], homelab: [:]))
        if restarts {
            plan.phases = [
                Phase(
                    .configuration, concurrency: 1,
                    tasks: [NodeTask(node: "m1", steps: [PlannedStep(.restartUnit("k3s.service"), "config.yaml differs")])])
            ]
        }
        let observation = ProvisioningObservation(
            nodes: NodeObservations(), cluster: cluster,
            context: PlanningContext(k3s: [:], homelab: [:]), findings: Diagnostics(), plan: plan)
        return observation.outsideOfWindows(spec, now: now)
    }

    /// 1970-01-01 was a Thursday.
    @Test func `a restart outside of the windows is told`() throws {
        let night = "{start: '02:00', end: '05:00'}"
        let found = try #require(try finding(windows: night, restarts: true, at: 12 * 3600))
        #expect(found.severity == .warning)
        #expect(
            found.summary
                == "k3s would be restarted or upgraded on m1 outside of the maintenance windows (the next one opens at 1970-01-02 02:00 UTC)"
        )
        #expect(try finding(windows: night, restarts: true, at: 3 * 3600) == nil, "it is open")
        #expect(try finding(windows: night, restarts: false, at: 12 * 3600) == nil, "nothing is interrupted")
        #expect(try finding(windows: "", restarts: true, at: 12 * 3600) == nil, "there are none")
    }
}
