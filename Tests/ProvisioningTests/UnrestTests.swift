import Diagnostics
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

/// What a run waits for before it believes what it sees.
@Suite struct UnrestTests {
    /// - Parameter states: of k3s on s1, s2, s3 and a1; nil for a machine that was not seen.
    private func observation(
        _ states: [String?], unavailable: String? = nil, phases: [Phase] = []
    ) throws -> (ProvisioningObservation, ClusterSpec) {
        let names = ["s1", "s2", "s3", "a1"]
        let entries = names.enumerated().map { index, name in
            "  - {name: \(name), role: \(name.hasPrefix("s") ? "server" : "agent"), host: 10.0.0.\(index + 1)}\n"
        }
        let inventory =
            "apiVersion: homelab.dev/v1alpha1\nkind: Cluster\nname: home\nk3s: {version: v1.33.4+k3s1}\nnodes:\n" + entries.joined()
        var nodes = NodeObservations()
        for (name, state) in zip(names, states) {
            let unit = name.hasPrefix("s") ? "k3s.service" : "k3s-agent.service"
            nodes.observed[name] = try state.map { state in
                .facts(try NodeFacts.parse("homelab-facts 1\nunit=\(unit) \(state)\nend\n"))
            }
        }
        return (
            ProvisioningObservation(
                nodes: nodes, cluster: ClusterFacts(unavailable: unavailable), context: PlanningContext(k3s: [:], homelab: [:]),
                findings: Diagnostics(),
                plan: NodePlan(cluster: "home", phases: phases)),
            try ClusterSpec.load("home.yaml", files: ["home.yaml": inventory])
        )
    }

    @Test(
        arguments: [
            (["active", "activating", "inactive", "active"], "s1: connection refused", true),
            (["active", "inactive", nil, "active"], "s1: connection refused", false),
            (["inactive", "inactive", "inactive", "active"], "its k3s is inactive", false),
            (["active", "active", "active", "active"], nil, false),
        ] as [([String?], String?, Bool)])
    func `an API is waited for where enough servers run`(_ states: [String?], _ reason: String?, _ isAwaited: Bool) throws {
        let (seen, spec) = try observation(states, unavailable: reason)
        let said = seen.awaitedAPI(spec).map(\.description)
        let expected = "the cluster's API does not answer yet (s1: connection refused); waits for it"
        #expect(said.count == (isAwaited ? 1 : 0) && said.allSatisfy { $0.contains(expected) }, "\(said)")
    }

    @Test func `a k3s that begins anew by itself is waited for, and one that has ended is not`() throws {
        let start = PlannedStep(.startUnit("k3s.service"), "is activating")
        let phases = [
            Phase(.firstServer, tasks: [NodeTask(node: "s1", steps: [start, PlannedStep(.awaitK3s(role: .server), "must be ready")])]),
            Phase(
                .servers,
                tasks: [
                    NodeTask(node: "s2", steps: [start]),
                    NodeTask(node: "s3", steps: [PlannedStep(.awaitK3s(role: .server), "is not ready")]),
                ]),
        ]
        let (seen, spec) = try observation(["activating", "inactive", "active", "activating"], phases: phases)
        let words = seen.comingBack(spec).map(\.description)
        #expect(words == ["s1", "s3"].map { "\($0): its k3s began anew by itself; waits for it" }, "\(words)")
    }

    @Test func `what waited for the plan that was carried out is no fault of the run, and all else is`() {
        let upgrade = PlannedStep(.restartUnit("k3s.service"), "the binary is another")
        let wait = PlannedStep(.awaitK3s(role: .server), "must be ready")
        let after = NodePlan(cluster: "home", phases: [Phase(.serverUpgrade, tasks: [NodeTask(node: "s2", steps: [upgrade, wait])])])
        var run = NodePlan(cluster: "home", phases: [])
        let missed = after.findings(after: run, of: [], logs: "/logs")
        #expect(missed.all.map(\.summary) == ["after the run there is still to do: restart k3s.service, wait for the k3s server"])
        #expect(missed.hasErrors && missed.all[0].subject == "node \"s2\"" && missed.all[0].cause == "the binary is another")

        run.pending = [NodeNote(node: "s2", "is not upgraded now")]
        let left = after.findings(after: run, of: [], logs: "/logs")
        #expect(left.all.map(\.summary) == ["what waited for this run can be done now: upgrade servers"])
        #expect(!left.hasErrors)
    }

    @Test func `what still waits after a run is told of the machines it was for`() {
        var refusal = NodeNote(node: "s1", "skips a minor version")
        refusal.isRefusal = true
        let after = NodePlan(cluster: "home", phases: [], pending: [refusal, NodeNote(node: "a1", "waits for its window")])
        let run = NodePlan(cluster: "home", phases: [])
        #expect(after.findings(after: run, of: [], logs: nil).all.map(\.severity) == [.error, .warning])
        #expect(after.findings(after: run, of: ["a1"], logs: nil).all.map(\.summary) == ["waits for its window"])
    }
}
