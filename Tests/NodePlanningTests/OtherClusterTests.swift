import NodeInventory
import Testing
import YAML

@testable import NodePlanning

/// Machines that are of another cluster than the one that would be made, or that they are taken out of.
@Suite struct OtherClusterTests {
    private func steps(_ plan: NodePlan, on node: String? = nil) -> [Step] {
        plan.phases.flatMap(\.tasks).filter { node == nil || $0.node == node }.flatMap { $0.steps.map(\.step) }
    }

    /// `fresh-three-servers` in service, each machine with the certificate authority of its cluster.
    private func inService() throws -> SimulatedMachines {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        for name in machines.observed.keys {
            guard var facts = machines.observed[name]?.facts, facts.installedRole != nil else { continue }
            facts.k3s.authority = "own"
            machines.observed[name] = .facts(facts)
        }
        return machines
    }

    private func addServer(_ name: String, to machines: inout SimulatedMachines) throws {
        var server = try #require(machines.spec.nodes.first { $0.name == "s1" })
        server.name = name
        server.host = "10.0.0.9"
        server.role = .server
        machines.spec.nodes.append(server)
        machines.observed[name] = try PlanningCase.named("fresh-three-servers").observed()["s1"]
    }

    private func plan(_ machines: SimulatedMachines, _ cluster: ClusterFacts) -> NodePlan {
        NodePlanner.plan(
            desired: machines.spec, observed: machines.observed, cluster: cluster,
            context: SimulatedMachines.context(machines.spec, version: 0))
    }

    @Test func aSecondClusterIsNotMadeBesideOneWhoseServersAreCalledAgents() throws {
        var machines = try inService()
        try addServer("n1", to: &machines)
        for name in ["s1", "s2", "s3"] { machines.spec.change(name) { $0.role = .agent } }
        let plan = plan(machines, .none)
        #expect(plan.pending.contains { $0.text.hasPrefix("no server is started or joined: s1 holds a cluster") }, "\(plan.pending)")
        #expect(!steps(plan).contains(.startUnit("k3s.service")), "\(steps(plan))")
        for agent in ["pi", "fed"] { #expect(!steps(plan, on: agent).contains { $0.path == NodeLayout.k3sConfig }) }
    }

    @Test func agentsKeepTheClusterWhoseServersAreInNoEntryAnyMore() throws {
        var machines = try inService()
        try addServer("n1", to: &machines)
        for name in ["s1", "s2", "s3"] {
            machines.spec.nodes.removeAll { $0.name == name }
            machines.observed[name] = nil
        }
        let plan = plan(machines, .none)
        let words = "has joined https://10.0.0.1:6443, and no entry is that server's"
        #expect(plan.pending.contains { $0.text.contains(words) }, "\(plan.pending)")
        #expect(!steps(plan).contains(.startUnit("k3s.service")))
        for agent in ["pi", "fed"] { #expect(!steps(plan, on: agent).contains { $0.path == NodeLayout.k3sConfig }) }
    }

    /// - Parameters:
    ///   - change: of what is seen of the machine that is to leave.
    ///   - node: a change of its Node, which is not Ready any more.
    private func removal(_ change: (inout NodeFacts) -> Void, node: (inout ClusterNode) -> Void = { _ in }) throws -> NodePlan {
        var machines = try inService()
        machines.spec.change("pi") { $0.state = .absent }
        var facts = try #require(machines.observed["pi"]?.facts)
        change(&facts)
        machines.observed["pi"] = .facts(facts)
        let at = try #require(machines.cluster.nodes.firstIndex { $0.name == "pi" })
        machines.cluster.nodes[at].ready = false
        node(&machines.cluster.nodes[at])
        return plan(machines, machines.cluster)
    }

    private static func empty(_ facts: inout NodeFacts) {
        facts.k3s = NodeFacts().k3s
        facts.units = [:]
        facts.access.authorizedKeys = [:]
    }

    private func uninstalls(_ plan: NodePlan) -> Bool {
        steps(plan, on: "pi").contains { if case .uninstall = $0 { true } else { false } }
    }

    @Test func aMachineThatIsInAnotherClusterByNowKeepsWhatIsOnIt() throws {
        let own = try removal { _ in }
        #expect(uninstalls(own) && steps(own).contains(.deleteNode("pi", via: "s1")))
        let other = try removal { $0.k3s.authority = "another" }
        #expect(!uninstalls(other) && steps(other).contains(.deleteNode("pi", via: "s1")), "\(steps(other))")
        #expect(other.pending.contains { $0.node == "pi" && $0.text.hasPrefix("is in another cluster by now: ") }, "\(other.pending)")
    }

    @Test func theMachinesOwnNetworkIsNotTakenForAWayToPods() throws {
        let plan = try removal { facts in
            for (range, interface) in [("10.42.1.0/24", "eth0"), ("10.0.0.0/8", "eth0"), ("0.0.0.0/1", "tun0"), ("10.42.2.0/24", "cni0")] {
                facts.network.routes.append(.init(destination: CIDR(range)!, interface: interface))
            }
        }
        let routes = steps(plan, on: "pi").compactMap { if case .uninstall(let removed) = $0 { removed.routes } else { nil } }
        #expect(routes == [["10.42.1.0/24"]], "\(routes)")
    }

    @Test func soDoesOneThatHoldsNothingOfThisCluster() throws {
        let bare = try removal { Self.empty(&$0) }
        #expect(!uninstalls(bare) && steps(bare).contains(.deleteNode("pi", via: "s1")), "\(steps(bare))")
        let interrupted = try removal { facts in
            facts.k3s.authority = nil
            facts.units = [:]
        }
        #expect(uninstalls(interrupted), "the binaries are the last that an uninstallation takes away")
    }

    /// The Node of an uninstalled machine stays Ready for most of a minute.
    @Test func aNodeThatIsStillReadyGoesWhenItsRemovalHadBegunOnThisMachine() throws {
        func plan(machine: String, begun: Bool) throws -> NodePlan {
            try removal(
                { facts in
                    Self.empty(&facts)
                    facts.system.machineID = machine
                },
                node: { node in
                    node.ready = true
                    node.machineID = "here"
                    node.unschedulable = begun
                    node.annotations[ClusterNode.cordonAnnotation] = begun ? Cordon.removal.rawValue : nil
                })
        }
        let gone = try plan(machine: "here", begun: true)
        #expect(!uninstalls(gone) && steps(gone).contains(.deleteNode("pi", via: "s1")), "\(steps(gone))")
        for (machine, begun) in [("here", false), ("another", true), ("", true)] {
            let refused = try plan(machine: machine, begun: begun)
            #expect(!steps(refused).contains(.deleteNode("pi", via: "s1")), "\(machine), \(begun)")
            #expect(refused.pending.contains { $0.text.contains("is Ready, but the machine holds nothing of this cluster") })
        }
    }

    @Test(arguments: ["active", "activating", "inactive"])
    func anEmptyClusterIsNotPutInPlaceOfOneThatIsKeptElsewhere(_ state: String) throws {
        let fresh = PlanningCase.named("fresh-three-servers")
        var machines = SimulatedMachines(spec: try fresh.spec(), observed: try fresh.observed(), cluster: .none)
        var facts = try #require(machines.observed["s1"]?.facts)
        facts.units["k3s.service"] = UnitFact(active: state, enabled: true)
        facts.k3s.config = "data-dir: /mnt/ssd/k3s\n"
        machines.observed["s1"] = .facts(facts)
        let plan = plan(machines, .none)
        #expect(plan.pending.contains { $0.node == "s1" && $0.isRefusal && $0.text.contains("that homelab did not install") })
        #expect(plan.pending.contains { $0.text == "no server is started or joined: s1 may hold the cluster already" }, "\(plan.pending)")
        #expect(steps(plan, on: "s1").isEmpty && !steps(plan).contains(.startUnit("k3s.service")), "\(steps(plan))")

        let scope = try ResetScope(machines.spec, observed: machines.observed)
        #expect(scope.spared.contains { $0.node == "s1" } && !scope.nodes.contains("s1"), "\(scope.nodes)")
        machines.spec.change("s1") { $0.state = .absent }
        var cluster = ClusterFacts()
        cluster.nodes = [ClusterNode(name: "s1")]
        #expect(!steps(self.plan(machines, cluster)).contains { if case .uninstall = $0 { true } else { false } })
        machines.spec.change("s1") { $0.state = .present }

        facts.k3s.config =
            K3sConfiguration(
                spec: machines.spec, node: machines.spec.nodes[0], entry: .cluster(initializesEtcd: true)
            ).config.text
        machines.observed["s1"] = .facts(facts)
        let own = self.plan(machines, .none)
        #expect(!own.pending.contains { $0.isRefusal } && !steps(own, on: "s1").isEmpty, "a run of homelab's that was cut off goes on")
    }

    /// k3s refuses a server whose settings differ from those that the others run with.
    @Test func aServerJoinsOnceTheOthersRunWithWhatMustBeEqual() throws {
        var machines = try inService()
        try addServer("n1", to: &machines)
        machines.spec.k3s.serverConfig["disable"] = ["traefik", "servicelb"]
        let before = plan(machines, machines.cluster)
        #expect(
            before.pending.contains {
                $0.node == "n1" && $0.text == "does not join as a server yet: s1 has to be restarted first, with another disable"
            }, "\(before.pending)")
        #expect(!before.phases.contains { $0.kind == .servers })
        #expect(steps(before, on: "s1").contains(.restartUnit("k3s.service")))
        machines.carryOut(before)
        let (observed, cluster) = machines.look()
        machines.observed = observed
        let after = plan(machines, cluster)
        #expect(after.phases.contains { $0.kind == .servers && $0.tasks.contains { $0.node == "n1" } }, "\(after.pending)")

        // Of two servers neither can be restarted before there is a third.
        machines.cluster.nodes.removeAll { $0.name == "s3" }
        machines.spec.nodes.removeAll { $0.name == "s3" }
        machines.spec.k3s.serverConfig["disable"] = ["local-storage"]
        let stuck = plan(machines, machines.cluster).pending.first { $0.node == "n1" }
        #expect(stuck?.remedy == "take that change back until it has joined: etcd can spare no server before", "\(stuck as Any)")
    }
}
