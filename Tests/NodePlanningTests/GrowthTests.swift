import NodeInventory
import Testing

@testable import NodePlanning

/// Machines that join while a server of the cluster is not well yet.
@Suite struct GrowthTests {
    /// `interrupted-join`, where s2 and s3 are to join: s1 runs, its unit was started so many seconds ago and its Node is not Ready.
    private func plan(
        startedAgo seconds: Double, state: NodeState = .present, ready: Bool = false, votes: Bool = true
    ) throws -> NodePlan {
        let fixture = PlanningCase.named("interrupted-join")
        var spec = try fixture.spec()
        spec.change("s1") { $0.state = state }
        var observed = try fixture.observed()
        var facts = try #require(observed["s1"]?.facts)
        facts.units[NodeRole.server.unit]?.started = facts.clock.printed - seconds
        observed["s1"] = .facts(facts)
        var cluster = try fixture.cluster()
        let at = try #require(cluster.nodes.firstIndex { $0.name == "s1" })
        cluster.nodes[at].ready = ready
        cluster.nodes[at].isVoter = votes
        cluster.nodes[at].reason = ready ? "" : "container runtime network not ready"
        return NodePlanner.plan(desired: spec, observed: observed, cluster: cluster, context: PlanningCase.context)
    }

    private func steps(_ plan: NodePlan, _ kind: Phase.Kind) -> [(node: String, step: Step)] {
        plan.phases.filter { $0.kind == kind }.flatMap(\.tasks).flatMap { task in task.steps.map { (task.node, $0.step) } }
    }

    @Test func aFirstServerThatWasJustStartedIsWaitedForInTheSameRun() throws {
        let plan = try plan(startedAgo: 20)
        let first = steps(plan, .firstServer)
        #expect(first.map(\.step) == [.awaitK3s(role: .server), .awaitNode(name: "s1", via: "s1", votingMember: true)])
        let joining = steps(plan, .servers).compactMap { entry in
            if case .startUnit = entry.step { entry.node } else { nil }
        }
        #expect(joining == ["s2", "s3"], "the others join in the same run")
        let order = plan.phases.map(\.kind)
        #expect(order.firstIndex(of: .firstServer)! < order.firstIndex(of: .servers)!)
        #expect(!plan.pending.contains { $0.text.contains("join as a server yet") || $0.text.hasPrefix("is not Ready") }, "\(plan.pending)")
    }

    @Test func oneThatIsReadyAndDoesNotVoteYetIsWaitedForToo() throws {
        #expect(steps(try plan(startedAgo: 20, ready: true, votes: false), .firstServer).count == 2)
        #expect(steps(try plan(startedAgo: 20, ready: true), .firstServer).isEmpty, "nothing is waited for that is well")
    }

    @Test func oneThatHasBeenUnwellForLongIsNot() throws {
        let plan = try plan(startedAgo: 3600)
        #expect(steps(plan, .firstServer).isEmpty && steps(plan, .servers).isEmpty)
        for name in ["s2", "s3"] {
            let text = "does not join as a server yet: s1 is not healthy"
            #expect(plan.pending.contains { $0.node == name && $0.text == text }, "\(plan.pending)")
        }
    }

    /// Nobody joins, and nothing waits for it: then it is said.
    @Test func oneThatNothingWaitsForIsNamed() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        let at = try #require(machines.cluster.nodes.firstIndex { $0.name == "s2" })
        machines.cluster.nodes[at].ready = false
        machines.cluster.nodes[at].reason = "container runtime network not ready"
        let (observed, cluster) = machines.look()
        let plan = NodePlanner.plan(
            desired: machines.spec, observed: observed, cluster: cluster, context: SimulatedMachines.context(machines.spec, version: 0))
        let note = NodeNote(
            node: "s2", "is not Ready: container runtime network not ready", remedy: "`journalctl -u k3s` on the node tells more")
        #expect(plan.isEmpty && plan.pending == [note], "\(plan.text)")
    }

    @Test func aPausedOneIsNotWaitedFor() throws {
        let plan = try plan(startedAgo: 20, state: .paused)
        #expect(steps(plan, .firstServer).isEmpty)
        #expect(plan.pending.contains { $0.node == "s2" && $0.text.contains("s1 is not healthy") }, "\(plan.pending)")
    }

    /// The second of three servers was cut off in its join: the third joins after it, in the same run.
    @Test func aFurtherServerThatWasJustStartedIsWaitedForToo() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        let fresh = try #require(PlanningCase.named("fresh-three-servers").observed()["s3"])
        machines.observed["s3"] = fresh
        machines.cluster.nodes.removeAll { $0.name == "s3" }
        let at = try #require(machines.cluster.nodes.firstIndex { $0.name == "s2" })
        machines.cluster.nodes[at].ready = false
        let (observed, cluster) = machines.look()
        let plan = NodePlanner.plan(
            desired: machines.spec, observed: observed, cluster: cluster, context: SimulatedMachines.context(machines.spec, version: 0))
        let servers = steps(plan, .servers)
        #expect(servers.first?.node == "s2" && servers.first?.step == .awaitK3s(role: .server))
        #expect(servers.contains { $0.node == "s3" && $0.step == .startUnit("k3s.service") }, "\(plan.text)")
        machines.carryOut(plan)
        let (after, then) = machines.look()
        let rest = NodePlanner.plan(
            desired: machines.spec, observed: after, cluster: then, context: SimulatedMachines.context(machines.spec, version: 0))
        #expect(rest.isEmpty, "\(rest.text)")
    }
}
