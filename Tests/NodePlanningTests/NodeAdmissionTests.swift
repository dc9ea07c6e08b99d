import NodeInventory
import Testing

@testable import NodePlanning

/// What the agent does by a push alone, what it waits for, and in which order; carried out on simulated machines.
@Suite struct NodeAdmissionTests {
    private func cluster(_ change: (inout ClusterSpec) -> Void = { _ in }) throws -> AgentSimulation {
        AgentSimulation(try SimulatedMachines.settled("fresh-three-servers", change), own: "s1")
    }

    /// The cluster without these nodes, and then an inventory that has them.
    private func cluster(without names: Set<String>) throws -> AgentSimulation {
        let full = try cluster()
        var agents = try cluster { spec in spec.nodes.removeAll { names.contains($0.name) } }
        for name in names { agents.machines.observed[name] = try PlanningCase.named("fresh-three-servers").observed()[name] }
        agents.machines.spec = full.machines.spec
        return agents
    }

    private func upgraded(_ change: (inout ClusterSpec) -> Void = { _ in }) throws -> AgentSimulation {
        var agents = try cluster()
        agents.machines.spec.k3s.version = try #require(K3sVersion("v1.34.9+k3s1"))
        change(&agents.machines.spec)
        agents.version = 1
        return agents
    }

    @Test func `nothing to do is nothing to admit`() throws {
        var agents = try cluster()
        let admission = agents.admission()
        #expect(admission.items == [] && admission.plan.isEmpty && admission.ownTurn == nil, "\(admission.items)")
    }

    // MARK: Adding

    @Test func `an agent joins by a push alone`() throws {
        var agents = try cluster(without: ["fed"])
        let admission = agents.settle()
        #expect(admission.items == [], "\(admission.items)")
        #expect(agents.machines.cluster.node(named: "fed")?.ready == true)
    }

    @Test func `a machine that is off waits, and the others join`() throws {
        var agents = try cluster(without: ["fed", "pi"])
        agents.unreachable = ["pi"]
        let admission = agents.settle()
        #expect(agents.machines.cluster.node(named: "fed")?.ready == true)
        #expect(agents.machines.cluster.node(named: "pi") == nil)
        #expect(admission.pending.first { $0.node == "pi" }?.text == "no route to host", "\(admission.pending)")
    }

    @Test func `a machine whose key is not pinned is never touched`() throws {
        var agents = try cluster(without: ["fed"])
        agents.machines.spec.change("fed") { $0.hostKeys = [] }
        let admission = agents.settle()
        #expect(agents.plans == [])
        #expect(admission.pending.contains { $0.node == "fed" && $0.text.contains("no pinned host key") })
    }

    @Test func `a server joins when the plan is approved, and nothing of it is done before`() throws {
        var agents = try cluster(without: ["s3"])
        #expect(agents.settle().verdict(.joinServer, "s3") == .unapproved)
        #expect(agents.plans == [], "\(agents.plans.map(\.text))")
        agents.approve()
        #expect(agents.settle().items == [])
        #expect(agents.machines.cluster.node(named: "s3")?.ready == true)
    }

    @Test func `a server joins by a push alone where the inventory says so`() throws {
        var agents = try cluster(without: ["s3"])
        agents.machines.spec.policy.servers = .automatic
        #expect(agents.settle().items == [])
        #expect(agents.machines.cluster.node(named: "s3")?.ready == true)
    }

    @Test func `an approval of another plan is none`() throws {
        var agents = try cluster(without: ["s3"])
        let (changes, _) = agents.changes()
        for hash in ["0123456789ab", "", String(changes.hash.prefix(7))] {
            let isTaken = agents.memory.approve(hash, of: changes)
            #expect(!isTaken, "\(hash)")
        }
        #expect(agents.admission().verdict(.joinServer, "s3") == .unapproved)
    }

    @Test func `the hash is the same for every agent and while the plan is carried out`() throws {
        var agents = try cluster(without: ["s3"])
        let hash = agents.admission().hash
        agents.own = "s2"
        #expect(agents.admission().hash == hash)
        agents.approve()
        let admission = agents.admission()
        for cut in 1...5 {
            var killed = agents
            killed.machines.carryOut(admission.plan, steps: cut)
            #expect(killed.admission().hash == hash, "after \(cut) steps")
        }
    }

    // MARK: Upgrades

    @Test func `servers come before agents, and the acting agent's server last, by another agent`() throws {
        var agents = try upgraded()
        let before = agents.machines.trace.count
        #expect(agents.settle().items == [])
        #expect(agents.own != "s1", "the Lease was handed over")
        agents.machines.forget(before)
        let order = agents.machines.trace.compactMap { entry -> String? in
            if case .installBinary(let artifact) = entry.step, artifact.name == .k3s { entry.node } else { nil }
        }
        #expect(order.prefix(3) == ["s2", "s3", "s1"] && order.count == 5, "\(order)")
        for plan in agents.plans {
            let drains = plan.phases.filter { $0.kind == .serverUpgrade }.flatMap(\.tasks).map(\.node)
            #expect(!drains.contains("s1") || agents.plans.last == plan || drains == ["s1"], "\(drains)")
        }
    }

    @Test func `killed at each step, another agent finishes the upgrade`() throws {
        let agents = try upgraded()
        var first = agents
        let count = first.admission().plan.stepCount
        #expect(count > 20)
        for cut in 0...count {
            var world = agents
            let before = world.machines.trace.count
            #expect(world.settle(cut: cut).items == [], "cut after \(cut)")
            world.machines.forget(before)
            for name in world.machines.spec.nodes.map(\.name) {
                let member = world.machines.cluster.node(named: name)
                #expect(member?.kubeletVersion == "v1.34.9+k3s1" && member?.unschedulable == false, "\(name), cut after \(cut)")
                let swaps = world.machines.trace.count { entry in
                    if case .installBinary(let artifact) = entry.step { artifact.name == .k3s && entry.node == name } else { false }
                }
                #expect(swaps == 1, "\(name), cut after \(cut)")
            }
        }
    }

    @Test func `upgrades wait for the maintenance window, and what was begun is finished outside of it`() throws {
        var agents = try upgraded { $0.maintenanceWindows = [MaintenanceWindow(days: [.saturday], start: 120, end: 240)] }
        let waiting = agents.admission()
        #expect(waiting.plan.phases.flatMap(\.tasks).flatMap(\.steps).allSatisfy { if case .cordon = $0.step { false } else { true } })
        #expect(
            waiting.verdict(.upgrade, "s2")
                == .waiting(reason: "for the maintenance window, which opens at 2026-11-28 02:00 UTC", until: 1_795_831_200))
        #expect(waiting.nextOpening == 1_795_831_200)
        agents.now = 1_795_831_200
        let open = agents.admission()
        #expect(open.verdict(.upgrade, "s2") == .admitted)
        let cordon = try #require(open.plan.flatSteps.firstIndex { if case .cordon = $0 { true } else { false } })
        agents.machines.carryOut(open.plan, steps: cordon + 1)
        agents.now += 86400
        let after = agents.admission()
        #expect(after.verdict(.upgrade, "s2") == .admitted)
        #expect(after.verdict(.upgrade, "s3") != .admitted)
    }

    @Test func `upgrades wait for approval where the inventory says so`() throws {
        var agents = try upgraded { $0.policy.upgrades = .approve }
        #expect(agents.settle().verdict(.upgrade, "s2") == .unapproved)
        agents.approve()
        #expect(agents.settle().items == [], "one approval holds for all nodes and over the handing over")
    }

    @Test func `a failure freezes the plan until the inventory changes or it is approved`() throws {
        var agents = try upgraded()
        _ = agents.admission()
        agents.memory.freeze = ChangeMemory.Freeze(node: "s2", reason: "s2: k3s does not come up")
        #expect(agents.settle().verdict(.upgrade, "s2") == .frozen(reason: "s2: k3s does not come up"))
        #expect(agents.plans == [])
        var approved = agents
        approved.approve()
        #expect(approved.settle().items == [])
        agents.inventory = "two"
        #expect(agents.settle().items == [])
    }

    @Test func `an only server is changed by a process beside its agent`() throws {
        var agents = AgentSimulation(try SimulatedMachines.settled("fresh-single-server"), own: "s1")
        let now = agents.machines.spec.k3s.version
        agents.own = agents.machines.spec.servers[0].name
        agents.machines.spec.k3s.version = K3sVersion(major: now.major, minor: now.minor + 1)
        agents.version = 1
        agents.untilOwnTurn()
        let admission = agents.admission()
        #expect(admission.ownTurn == .alone)
        #expect(admission.admitted.map(\.node) == [agents.own])
        #expect(agents.settle().items == [])
    }

    // MARK: Removals

    @Test func `an agent leaves by a push alone, and one commit removes no more than it may`() throws {
        var agents = try cluster()
        for name in ["pi", "fed"] { agents.machines.spec.change(name) { $0.state = .absent } }
        _ = agents.settle()
        let left = agents.machines.cluster.nodes.map(\.name).filter { ["pi", "fed"].contains($0) }
        #expect(left.count == 1)
        let waiting = agents.admission()
        guard case .waiting(let reason, _, _)? = waiting.verdict(.removeAgent, left[0]) else {
            Issue.record("\(waiting.items)")
            return
        }
        #expect(reason == "one commit removes 1 (policy.removals)")
        agents.inventory = "two"
        _ = agents.settle()
        #expect(agents.machines.cluster.nodes.count == 3)
    }

    @Test func `a server leaves when the plan is approved, and its keys stay until then`() throws {
        var agents = try cluster()
        agents.machines.spec.change("s3") { $0.state = .absent }
        #expect(agents.settle().verdict(.removeServer, "s3") == .unapproved)
        #expect(agents.plans == [], "\(agents.plans.map(\.text))")
        agents.approve()
        _ = agents.settle()
        #expect(agents.machines.cluster.node(named: "s3") == nil)
    }

    @Test func `the server of the acting agent leaves by another agent`() throws {
        var agents = try cluster()
        agents.own = "s2"
        agents.machines.spec.change("s2") { $0.state = .absent }
        agents.machines.spec.policy.servers = .automatic
        agents.untilOwnTurn()
        #expect(agents.admission().ownTurn == .handOver)
    }

    @Test func `the agents never follow a repository that was made anew`() throws {
        var agents = try cluster()
        agents.own = "s2"
        agents.machines.spec.policy.servers = .automatic
        agents.machines.spec.change("s1") { $0.state = .absent }
        let admission = agents.settle()
        #expect(agents.plans.allSatisfy { plan in plan.phases.allSatisfy { $0.kind != .repository && $0.kind != .homelabAgent } })
        guard case .refused(let reason, _)? = admission.verdict(.agent, "s2") else {
            Issue.record("\(admission.items)")
            return
        }
        #expect(reason.contains("begin anew"))
        #expect(agents.machines.cluster.node(named: "s1") != nil, "the server that holds the repository stays")
    }

    @Test func `an entry that vanishes is an orphan`() throws {
        var agents = try cluster()
        agents.machines.spec.nodes.removeAll { $0.name == "fed" }
        let admission = agents.settle()
        #expect(agents.machines.cluster.node(named: "fed")?.ready == true)
        #expect(admission.pending.contains { $0.node == "fed" && $0.text.contains("left running") }, "\(admission.pending)")
    }

    // MARK: What holds everything back

    @Test func `without the API nothing is done`() throws {
        var agents = try upgraded()
        let (changes, seen) = agents.changes()
        var circumstances = seen
        circumstances.cluster.unavailable = "no server runs"
        let admission = NodeAdmission(changes, circumstances)
        #expect(admission.plan.isEmpty && admission.admitted.isEmpty)
        #expect(admission.items.allSatisfy { if case .refused = $0.verdict { true } else { false } })
    }

    @Test func `when nobody takes the Lease the acting agent's server waits`() throws {
        var agents = try cluster()
        agents.own = "s2"
        agents.machines.spec.change("s2") { $0.state = .absent }
        agents.machines.spec.policy.servers = .automatic
        agents.untilOwnTurn()
        let (changes, seen) = agents.changes()
        var circumstances = seen
        circumstances.wasLeftAlone = true
        let admission = NodeAdmission(changes, circumstances)
        #expect(admission.ownTurn == nil && admission.plan.isEmpty)
        guard case .waiting(let reason, _, _)? = admission.verdict(.removeServer, "s2") else {
            Issue.record("\(admission.items)")
            return
        }
        #expect(reason == "the acting agent runs there, and no other server's agent is up to do it")
    }

    @Test func `what is remembered survives being written down`() throws {
        var memory = ChangeMemory()
        memory.inventory = "abc"
        memory.freeze = ChangeMemory.Freeze(node: "m1", reason: "why")
        memory.approved = ["upgrade m1 v1", "join server m2 at x"]
        memory.removed = ["m3"]
        memory.failures = ["m4": 2]
        #expect(ChangeMemory(json: memory.json) == memory)
        #expect(ChangeMemory(json: ChangeMemory().json) == ChangeMemory())
    }

    @Test func aFailureFreezesWhatInterruptsAndCountsWhatOnlyAdds() {
        let (join, restart) = (NodeChange(.joinAgent, "a9"), NodeChange(.restart, "s1"))
        var memory = ChangeMemory()
        memory.note([("a9", "no route")], of: [join, restart])
        #expect(memory.freeze == nil && memory.failures == ["a9": 1], "the restart has not failed")
        memory.note([], of: [join])
        #expect(memory.failures.isEmpty)
        for node in ["s1", "s2", nil] {
            var memory = ChangeMemory()
            memory.note([(node, "k3s ended")], of: [join, restart])
            #expect(memory.freeze?.reason == (node.map { "\($0): " } ?? "") + "k3s ended" && memory.failures.isEmpty)
        }
    }
}

extension NodePlan {
    fileprivate var flatSteps: [Step] { phases.flatMap(\.tasks).flatMap(\.steps).map(\.step) }
}
