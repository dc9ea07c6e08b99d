import NodeInventory
import Testing

@testable import NodePlanning

/// A paused server is left as it is; what the cluster needs of one is done by another, or through it where it changes nothing there.
@Suite struct PausedServerTests {
    private func plan(_ machines: inout SimulatedMachines, version: Int = 0) -> NodePlan {
        let (observed, cluster) = machines.look()
        return NodePlanner.plan(
            desired: machines.spec, observed: observed, cluster: cluster,
            context: SimulatedMachines.context(machines.spec, version: version))
    }

    private func nodes(_ plan: NodePlan, _ matches: (Step) -> Bool) -> [String] {
        plan.phases.flatMap(\.tasks).filter { $0.steps.contains { matches($0.step) } }.map(\.node)
    }

    @Test func theSnapshotBeforeAnUpgradeIsMadeByAnother() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        machines.spec.k3s.version = try #require(K3sVersion("v1.34.9+k3s1"))
        machines.spec.change("s1") { $0.state = .paused }
        let plan = plan(&machines, version: 1)
        #expect(nodes(plan) { if case .saveSnapshot = $0 { true } else { false } } == ["s2"], "\(plan.text)")
        #expect(nodes(plan) { if case .installBinary = $0 { true } else { false } } == ["s2", "s3"], "\(plan.text)")
        #expect(!plan.phases.flatMap(\.tasks).contains { $0.node == "s1" }, "\(plan.text)")
    }

    /// The only server is paused: the others' labels are set by its API, which changes nothing on the machine.
    @Test func labelsGoThroughIt() throws {
        var machines = try SimulatedMachines.settled("fresh-single-server") { spec in
            var agent = spec.nodes[0]
            (agent.name, agent.role, agent.host) = ("a9", .agent, "10.0.0.99")
            spec.nodes.append(agent)
        }
        let server = machines.spec.servers[0].name
        var facts = try #require(machines.observed[server]?.facts)
        facts.units = ["k3s-agent.service": UnitFact(active: "active", enabled: true)]
        machines.spec.change(server) { $0.state = .paused }
        machines.spec.change("a9") { $0.labels = ["disk": "fast"] }
        var member = ClusterNode(name: "a9")
        member.ready = true
        machines.cluster.nodes.append(member)
        machines.observed["a9"] = .facts(facts)
        let plan = plan(&machines)
        let told = plan.phases.flatMap(\.tasks).flatMap(\.steps).contains { planned in
            if case .updateNode(let change, server) = planned.step { change.setLabels["disk"] == "fast" } else { false }
        }
        #expect(told, "\(plan.text)")
        #expect(plan.phases.flatMap(\.tasks).filter { $0.node == server }.flatMap(\.steps).allSatisfy { $0.step.subjectNode == "a9" })
    }

    @Test func nobodyJoinsOneThatIsPausedAndDown() throws {
        var machines = try SimulatedMachines.settled("fresh-single-server")
        let server = machines.spec.servers[0].name
        machines.spec.change(server) { $0.state = .paused }
        var facts = try #require(machines.observed[server]?.facts)
        facts.units[NodeRole.server.unit]?.active = "inactive"
        machines.observed[server] = .facts(facts)
        let plan = plan(&machines)
        #expect(plan.isEmpty, "\(plan.text)")
        #expect(
            plan.pending.contains { $0.text == "no server is started or joined: \(server) does not run, and is paused" }, "\(plan.text)")
    }

    /// A fresh cluster begins with the first server that may be touched, once all were seen.
    @Test func anotherServerIsTheFirst() throws {
        let fixture = PlanningCase.named("fresh-three-servers")
        var spec = try fixture.spec()
        spec.change("s1") { $0.state = .paused }
        let plan = NodePlanner.plan(desired: spec, observed: try fixture.observed(), cluster: .none, context: PlanningCase.context)
        #expect(plan.phases.first { $0.kind == .firstServer }?.tasks.map(\.node) == ["s2"], "\(plan.text)")
        #expect(plan.phases.first { $0.kind == .servers }?.tasks.map(\.node) == ["s3"], "\(plan.text)")
        // Its keys are not made, so none is waited for.
        for case .authorizeKeys(let keys, _, _) in plan.phases.flatMap(\.tasks).flatMap(\.steps).map(\.step) {
            #expect(!keys.contains { $0.node == "s1" })
        }
    }

    @Test func nobodyJoinsAnSQLiteThatMayNotBeRestarted() throws {
        var machines = try SimulatedMachines.settled("fresh-single-server")
        let server = machines.spec.servers[0].name
        let fixture = PlanningCase.named("fresh-three-servers")
        let others = try fixture.spec().nodes.filter { ["s2", "s3"].contains($0.name) }
        #expect(others.count == 2 && machines.observed[server]?.facts?.k3s.datastore == .sqlite)
        machines.spec.nodes += others
        machines.spec.change(server) { $0.state = .paused }
        for other in others { machines.observed[other.name] = try fixture.observed()[other.name] }
        let plan = plan(&machines)
        for other in others {
            let text = plan.pending.first { $0.node == other.name }?.text
            #expect(
                text == "does not join as a server yet: \(server) has to be restarted first, to turn its SQLite into etcd", "\(plan.text)")
        }
    }
}
