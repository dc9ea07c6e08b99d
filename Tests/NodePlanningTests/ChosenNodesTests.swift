import NodeInventory
import Testing

@testable import NodePlanning

/// Plans for some nodes of the inventory: their part of the work, what it takes on other machines, and nothing that only the whole may do.
@Suite struct ChosenNodesTests {
    private func plan(_ machines: inout SimulatedMachines, only: Set<String>, version: Int = 0) -> NodePlan {
        let (observed, cluster) = machines.look()
        var context = SimulatedMachines.context(machines.spec, version: version)
        context.only = only
        return NodePlanner.plan(desired: machines.spec, observed: observed, cluster: cluster, context: context)
    }

    private func upgraded() throws -> SimulatedMachines {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        machines.spec.k3s.version = try #require(K3sVersion("v1.34.9+k3s1"))
        return machines
    }

    private func steps(_ plan: NodePlan) -> [(node: String, step: Step)] {
        plan.phases.flatMap(\.tasks).flatMap { task in task.steps.map { (task.node, $0.step) } }
    }

    /// Of s3: a firewall has a door for each.
    private static let bothFamilies = ["10.0.0.3", "fd00::3"].compactMap { IPAddress($0) }

    private func text(_ plan: NodePlan, of node: String) -> String? { plan.pending.first { $0.node == node }?.text }

    @Test func anAgentIsNotUpgradedAheadOfTheServers() throws {
        var machines = try upgraded()
        let plan = plan(&machines, only: ["fed"], version: 1)
        #expect(plan.isEmpty, "\(plan.text)")
        #expect(text(plan, of: "fed")?.contains("the server s1 is still behind") == true, "\(plan.pending)")
        #expect(plan.unchanged.contains(NodeNote(node: "s2", "is not among the nodes that were chosen")))
    }

    @Test func aServerIsUpgradedAfterASnapshotOnTheLeader() throws {
        var machines = try upgraded()
        let plan = plan(&machines, only: ["s2"], version: 1)
        let steps = steps(plan)
        let saved = steps.firstIndex { if case .saveSnapshot = $0.step { true } else { false } }
        let swapped = steps.firstIndex { if case .installBinary = $0.step { true } else { false } }
        #expect(saved != nil && swapped != nil && saved! < swapped!, "\(plan.text)")
        #expect(steps.allSatisfy { if case .saveSnapshot = $0.step { true } else { $0.node == "s2" } }, "\(plan.text)")
        machines.carryOut(plan)
        #expect(machines.cluster.node(named: "s2")?.kubeletVersion == "v1.34.9+k3s1")
        #expect(machines.cluster.node(named: "s1")?.kubeletVersion == "v1.33.4+k3s1")
        #expect(self.plan(&machines, only: ["s2"], version: 1).isEmpty)
    }

    @Test func whoLeavesIsTakenOffTheOtherMachines() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        machines.spec.change("s3") {
            $0.state = .absent
            $0.nodeIPs = Self.bothFamilies
        }
        machines.spec.change("fed") { $0.state = .absent }
        var guarded = try #require(machines.observed["s1"]?.facts)
        guarded.network.firewall = "ufw"
        guarded.network.firewallSources = ["10.0.0.3", "10.0.0.5", "fd00::3"]
        guarded.network.firewallOwn = guarded.network.firewallSources
        machines.observed["s1"] = .facts(guarded)
        let plan = plan(&machines, only: ["s3"])
        let steps = steps(plan)
        #expect(steps.contains { if case .saveSnapshot = $0.step { true } else { false } }, "\(plan.text)")
        let revoked = steps.compactMap { entry -> String? in
            guard case .revokeKeys(let comments, _, _) = entry.step else { return nil }
            #expect(comments.allSatisfy { $0.hasSuffix("/s3") })
            return entry.node
        }
        #expect(Set(revoked) == ["s1", "s2", "pi"], "\(plan.text)")
        let closed = steps.compactMap { entry -> [String]? in
            if case .closeFirewall(let rules) = entry.step { rules.sources } else { nil }
        }
        #expect(closed == [["10.0.0.3", "fd00::3"]], "\(plan.text)")
        #expect(!steps.contains { if case .deleteNode("fed", _) = $0.step { true } else { false } })
        machines.carryOut(plan)
        #expect(machines.cluster.node(named: "s3") == nil && machines.cluster.node(named: "fed") != nil)
    }

    /// One run removes one node: which one is chosen, not which comes first.
    @Test func anotherNodeThatIsToLeaveDoesNotTakeTheTurn() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        machines.spec.change("pi") { $0.state = .absent }
        machines.spec.change("fed") { $0.state = .absent }
        machines.carryOut(plan(&machines, only: ["fed"]))
        #expect(machines.cluster.node(named: "fed") == nil && machines.cluster.node(named: "pi") != nil)
    }

    @Test func nobodyJoinsAClusterWhoseFirstServerWasNotChosen() throws {
        for only in [["s2"], ["fed"], ["s2", "s3", "pi"]] {
            let fixture = PlanningCase.named("fresh-three-servers")
            var context = PlanningCase.context
            context.only = Set(only)
            let plan = NodePlanner.plan(
                desired: try fixture.spec(), observed: try fixture.observed(), cluster: .none, context: context)
            let note = NodeNote(
                node: nil,
                "no server is started or joined: s1 is the first server and does not run yet, and is not among the nodes that were chosen",
                remedy: "choose it too")
            #expect(plan.pending.contains(note), "\(plan.text)")
            #expect(!steps(plan).contains { if case .startUnit = $0.step { true } else { false } }, "\(plan.text)")
            #expect(Set(steps(plan).map(\.node)).isSubset(of: only), "\(plan.text)")
            // A key that is not made is not waited for.
            for case .authorizeKeys(let keys, _, _) in steps(plan).map(\.step) { #expect(keys.allSatisfy { only.contains($0.node) }) }
        }
    }

    @Test func theOtherMachinesLetANewServerIn() throws {
        let machines = try SimulatedMachines.settled("fresh-three-servers") { spec in
            spec.nodes.removeAll { $0.name == "s3" }
            spec.k3s.datastore = .etcd
        }
        var grown = machines
        let fixture = PlanningCase.named("fresh-three-servers")
        grown.spec = try fixture.spec()
        grown.spec.change("s3") { $0.nodeIPs = Self.bothFamilies }
        grown.observed["s3"] = try fixture.observed()["s3"]
        var open = try #require(grown.observed["s1"]?.facts)
        open.network.firewall = "ufw"
        open.network.firewallSources = ["10.42.0.0/16"]
        grown.observed["s1"] = .facts(open)
        let plan = plan(&grown, only: ["s3"])
        let others = steps(plan).filter { $0.node != "s3" }
        #expect(
            others.contains { entry in
                guard case .openFirewall(let rules) = entry.step else { return false }
                return entry.node == "s1" && rules.sources == ["10.0.0.3", "fd00::3"]
            }, "\(plan.text)")
        for node in ["s1", "s2", "pi", "fed"] {
            #expect(
                others.contains { entry in
                    if case .authorizeKeys(let keys, _, _) = entry.step { entry.node == node && keys.map(\.node) == ["s3"] } else { false }
                }, "\(node): \(plan.text)")
        }
        grown.carryOut(plan)
        #expect(grown.cluster.node(named: "s3")?.ready == true)
    }

    /// The server before it is waited for although it was not chosen: etcd takes one learner at a time.
    @Test func theServerThatStillJoinsIsWaitedFor() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        let fresh = PlanningCase.named("fresh-three-servers")
        machines.observed["s3"] = try fresh.observed()["s3"]
        machines.cluster.nodes.removeAll { $0.name == "s3" }
        let at = try #require(machines.cluster.nodes.firstIndex { $0.name == "s2" })
        machines.cluster.nodes[at].isVoter = false
        var facts = try #require(machines.observed["s2"]?.facts)
        facts.units[NodeRole.server.unit]?.started = facts.clock.printed
        machines.observed["s2"] = .facts(facts)
        let plan = plan(&machines, only: ["s3"])
        let joining = try #require(plan.phases.first { $0.kind == .servers }, "\(plan.text)")
        #expect(joining.tasks.map(\.node) == ["s2", "s3"], "\(plan.text)")
        #expect(joining.tasks[0].steps.last?.step == .awaitNode(name: "s2", via: "s2", votingMember: true))
    }
}
