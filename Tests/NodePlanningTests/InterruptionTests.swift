import Foundation
import NodeInventory
import Testing

@testable import NodePlanning

/// Changes of a running cluster on simulated machines, killed before every single step and planned anew: whatever was reached, the
/// next plans finish the work, and do nothing twice that must not be done twice.
@Suite struct InterruptionTests {
    /// Plans and carries out until nothing is to do; the first run is killed after `cut` steps.
    private func finish(_ machines: inout SimulatedMachines, version: Int, cut: Int) -> [NodePlan] {
        var plans: [NodePlan] = []
        for run in 0..<12 {
            let (observed, cluster) = machines.look()
            let plan = NodePlanner.plan(
                desired: machines.spec, observed: observed, cluster: cluster,
                context: SimulatedMachines.context(machines.spec, version: version))
            if plan.isEmpty { return plans }
            plans.append(plan)
            machines.carryOut(plan, steps: run == 0 ? cut : nil)
        }
        Issue.record("cut after \(cut) steps: still to do after 12 runs:\n\(plans.last?.text ?? "")")
        return plans
    }

    /// Runs `check` for every point at which the first run can be killed.
    private func atEveryStep(
        of machines: SimulatedMachines, version: Int = 0, _ check: (SimulatedMachines, [NodePlan], Int) throws -> Void
    ) rethrows {
        var looked = machines
        let (observed, cluster) = looked.look()
        let plan = NodePlanner.plan(
            desired: machines.spec, observed: observed, cluster: cluster,
            context: SimulatedMachines.context(machines.spec, version: version))
        #expect(plan.stepCount > 3, "\(plan.text)")
        for cut in 0...plan.stepCount {
            var world = machines
            let before = world.trace.count
            let plans = finish(&world, version: version, cut: cut)
            world.forget(before)
            if cut == plan.stepCount { #expect(plans.count == 1, "a run that is not stopped leaves nothing: \(plans.last?.text ?? "")") }
            try check(world, plans, cut)
        }
    }

    private func count(_ world: SimulatedMachines, _ matches: (Step) -> Bool) -> Int { world.trace.count { matches($0.step) } }

    private func swaps(_ world: SimulatedMachines, on node: String) -> Int {
        world.trace.count { entry in
            if case .installBinary(let artifact) = entry.step { artifact.name == .k3s && entry.node == node } else { false }
        }
    }

    // MARK: Upgrade

    @Test func upgradeOfThreeServersAndAgents() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        machines.spec.k3s.version = try #require(K3sVersion("v1.34.9+k3s1"))
        let names = machines.spec.nodes.map(\.name)
        atEveryStep(of: machines, version: 1) { world, plans, cut in
            for name in names {
                #expect(world.observed[name]?.facts?.k3s.binary?.version == "v1.34.9+k3s1", "\(name), cut after \(cut)")
                #expect(swaps(world, on: name) == 1, "\(name) got its binary once, cut after \(cut)")
                let member = world.cluster.node(named: name)
                #expect(member?.kubeletVersion == "v1.34.9+k3s1" && member?.unschedulable == false && member?.cordon == nil)
            }
            let firstSwap = world.trace.firstIndex { if case .installBinary(let a) = $0.step { a.name == .k3s } else { false } } ?? 0
            let firstSnapshot = world.trace.firstIndex { if case .saveSnapshot = $0.step { true } else { false } }
            #expect(firstSnapshot.map { $0 < firstSwap } == true, "a snapshot comes first, cut after \(cut)")
            let servers = Set(machines.spec.servers.map(\.name))
            let order = world.trace.compactMap { entry -> String? in
                if case .installBinary(let artifact) = entry.step, artifact.name == .k3s { entry.node } else { nil }
            }
            #expect(order.prefix(3).allSatisfy { servers.contains($0) }, "servers come before agents: \(order)")
            #expect(plans.count <= 3, "cut after \(cut): \(plans.count) runs")
        }
    }

    /// The old binary is back, and the run was stopped before k3s was started with it.
    /// Only the uncordon is missing: what fails now says nothing of its k3s.
    @Test func anAgentWhoseNewK3sWasInTheClusterHasNoWayBack() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        machines.spec.k3s.version = try #require(K3sVersion("v1.34.9+k3s1"))
        machines.carryOut(plan(&machines))
        let name = machines.spec.agents[0].name
        let at = try #require(machines.cluster.nodes.firstIndex { $0.name == name })
        machines.cluster.nodes[at].unschedulable = true
        machines.cluster.nodes[at].annotations[ClusterNode.cordonAnnotation] = Cordon.upgrade.rawValue
        let task = try #require(plan(&machines).phases.first { $0.kind == .agentUpgrade }?.tasks.first)
        #expect(task.node == name && task.fallback?.steps.isEmpty == true, "\(task)")
    }

    @Test func theWayBackOfAnAgentIsStillThereAfterItWasInterrupted() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        let before = machines.spec.k3s.version.description
        machines.spec.k3s.version = try #require(K3sVersion("v1.34.9+k3s1"))
        machines.carryOut(plan(&machines))
        let name = machines.spec.agents[0].name
        var facts = try #require(machines.observed[name]?.facts)
        facts.k3s.binary = BinaryFact(sha256: String(repeating: "0", count: 64), version: before)
        facts.units[NodeRole.agent.unit]?.active = "failed"
        machines.observed[name] = .facts(facts)
        let at = try #require(machines.cluster.nodes.firstIndex { $0.name == name })
        machines.cluster.nodes[at].ready = false
        machines.cluster.nodes[at].unschedulable = true
        machines.cluster.nodes[at].kubeletVersion = before
        machines.cluster.nodes[at].annotations[ClusterNode.cordonAnnotation] = Cordon.upgrade.rawValue
        let plan = plan(&machines)
        let task = try #require(plan.phases.first { $0.kind == .agentUpgrade }?.tasks.first, "\(plan.text)")
        #expect(task.node == name && task.fallback?.version == before)
        #expect(task.fallback?.steps.first?.step == .restoreBinary(path: NodeLayout.k3s))
        #expect(!plan.phases.contains { $0.kind == .agents })
        machines.carryOut(plan)
        #expect(machines.cluster.nodes[at].unschedulable == false && machines.cluster.nodes[at].cordon == nil)
        let rest = self.plan(&machines)
        #expect(rest.isEmpty, "\(rest.text)")
    }

    private func plan(_ machines: inout SimulatedMachines) -> NodePlan {
        let (observed, cluster) = machines.look()
        return NodePlanner.plan(
            desired: machines.spec, observed: observed, cluster: cluster, context: SimulatedMachines.context(machines.spec, version: 1))
    }

    @Test func upgradeOfASingleServerOnSQLite() throws {
        var machines = try SimulatedMachines.settled("fresh-single-server")
        let now = machines.spec.k3s.version
        machines.spec.k3s.version = K3sVersion(major: now.major, minor: now.minor + 1)
        let (name, wanted) = (machines.spec.servers[0].name, machines.spec.k3s.version.description)
        atEveryStep(of: machines, version: 1) { world, _, cut in
            #expect(world.observed[name]?.facts?.k3s.binary?.version == wanted, "cut after \(cut)")
            #expect(world.observed[name]?.facts?.isActive("k3s.service") == true)
            #expect(swaps(world, on: name) == 1)
            let copy = world.trace.firstIndex { $0.step == .copyDatabase }
            let stop = world.trace.firstIndex { $0.step == .stopUnit("k3s.service") }
            #expect(stop != nil && copy.map { $0 > stop! } == true, "copied while stopped, cut after \(cut)")
        }
    }

    // MARK: Removal

    @Test func removalOfAnAgent() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        let name = machines.spec.agents[0].name
        machines.spec.change(name) { $0.state = .absent }
        atEveryStep(of: machines) { world, _, cut in
            expectGone(name, in: world, cut)
            #expect(count(world) { if case .deleteNode(let node, _) = $0 { node == name } else { false } } >= 1)
        }
    }

    @Test func removalOfOneOfThreeServers() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        machines.spec.change("s3") { $0.state = .absent }
        atEveryStep(of: machines) { world, _, cut in expectOrderlyDeparture("s3", in: world, cut) }
    }

    /// The operator changes his mind in the middle of a removal.
    @Test func aRemovalThatIsTakenBack() throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        let name = machines.spec.agents[0].name
        machines.spec.change(name) { $0.state = .absent }
        let (observed, cluster) = machines.look()
        let plan = NodePlanner.plan(
            desired: machines.spec, observed: observed, cluster: cluster, context: SimulatedMachines.context(machines.spec, version: 0))
        for cut in 0...plan.stepCount {
            var world = machines
            world.carryOut(plan, steps: cut)
            world.spec.change(name) { $0.state = .present }
            _ = finish(&world, version: 0, cut: .max)
            let member = world.cluster.node(named: name)
            #expect(member?.ready == true && member?.unschedulable == false && member?.cordon == nil, "taken back after \(cut)")
        }
    }

    private func expectOrderlyDeparture(_ name: String, in world: SimulatedMachines, _ cut: Int) {
        expectGone(name, in: world, cut)
        #expect(count(world) { if case .removeMember = $0 { true } else { false } } == 1, "cut after \(cut)")
        var order: [String] = []
        for entry in world.trace {
            switch entry.step {
            case .removeMember: order.append("member")
            case .uninstall: order.append("uninstalled")
            case .deleteNode: order.append("deleted")
            default: continue
            }
        }
        // The Node goes last, so that a run which was killed before finds the rest.
        #expect(order.first == "member" && order.last == "deleted" && order.contains("uninstalled"), "cut after \(cut): \(order)")
        for facts in world.observed.values.compactMap(\.facts) {
            let comments = facts.access.authorizedKeys.keys.filter { $0.hasSuffix("/" + name) }
            #expect(comments.isEmpty, "cut after \(cut)")
        }
    }

    private func expectGone(_ name: String, in world: SimulatedMachines, _ cut: Int) {
        #expect(world.cluster.node(named: name) == nil, "cut after \(cut)")
        let facts = world.observed[name]?.facts
        #expect(facts?.installedRole == nil && facts?.k3s.binary == nil && facts?.holdsCluster == false, "cut after \(cut)")
    }

    // MARK: Machines set up anew

    @Test(arguments: ["s3", "pi"]) func aFreshDisk(_ name: String) throws {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        var facts = try #require(PlanningCase.named("fresh-three-servers").observed()[name]?.facts)
        facts.system.machineID = "another"
        machines.observed[name] = .facts(facts)
        let at = try #require(machines.cluster.nodes.firstIndex { $0.name == name })
        machines.cluster.nodes[at].ready = false
        atEveryStep(of: machines) { world, _, cut in
            #expect(world.cluster.node(named: name)?.machineID == "another", "cut after \(cut)")
            #expect(count(world) { if case .deleteNode = $0 { true } else { false } } == 1, "cut after \(cut)")
            let deleted = world.trace.firstIndex { if case .deleteNode = $0.step { true } else { false } }
            let unit = name == "pi" ? "k3s-agent.service" : "k3s.service"
            let started = world.trace.firstIndex { $0.node == name && $0.step == .startUnit(unit) }
            #expect(deleted! < started!, "cut after \(cut)")
        }
    }
}

extension ClusterSpec {
    mutating func change(_ name: String, _ change: (inout NodeSpec) -> Void) {
        for index in nodes.indices where nodes[index].name == name { change(&nodes[index]) }
    }
}
