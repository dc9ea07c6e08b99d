import NodeInventory
import Testing

@testable import NodePlanning

/// The agents of a simulated cluster: they plan, ask the policy and carry out what it admits, and the Lease goes from one to another.
struct AgentSimulation {
    var machines: SimulatedMachines
    var memory = ChangeMemory()
    /// The node of the acting agent.
    var own: String
    /// 0: the binaries that are installed; 1: others.
    var version = 0
    var now: Int64 = 1_795_653_000
    /// Stands for the inventory's files: another one is another commit.
    var inventory = "one"
    /// Machines that nobody can reach.
    var unreachable: Set<String> = []
    private(set) var plans: [NodePlan] = []

    init(_ machines: SimulatedMachines, own: String) {
        self.machines = machines
        self.own = own
    }

    mutating func changes() -> (PlanChanges, Circumstances) {
        var (observed, cluster) = machines.look()
        for name in unreachable { observed[name] = .unreachable(reason: "no route to host") }
        let plan = NodePlanner.plan(
            desired: machines.spec, observed: observed, cluster: cluster,
            context: SimulatedMachines.context(machines.spec, version: version))
        let changes = PlanChanges(plan, desired: machines.spec, cluster: cluster)
        memory.begin(inventory, asking: changes.changes)
        let circumstances = Circumstances(
            desired: machines.spec, observed: observed, cluster: cluster, memory: memory, own: own, now: now)
        return (changes, circumstances)
    }

    mutating func admission() -> NodeAdmission {
        let (changes, circumstances) = changes()
        return NodeAdmission(changes, circumstances)
    }

    /// As an operator does who has looked at the status.
    mutating func approve() {
        let (changes, _) = changes()
        let isTaken = memory.approve(String(changes.hash.prefix(12)), of: changes)
        #expect(isTaken)
    }

    /// Works until only the acting agent's own server is left.
    mutating func untilOwnTurn() {
        for _ in 0..<10 where admission().ownTurn == nil { machines.carryOut(admission().plan) }
    }

    /// Works until nothing is admitted any more; the first round is killed after `cut` steps, and another agent goes on.
    mutating func settle(cut: Int? = nil) -> NodeAdmission {
        for round in 0..<20 {
            let admission = admission()
            if admission.ownTurn == .handOver {
                own = machines.spec.servers.map(\.name).first { $0 != own } ?? own
                continue
            }
            if admission.plan.isEmpty { return admission }
            plans.append(admission.plan)
            memory.removed.formUnion(admission.admitted.filter(\.kind.isRemoval).map(\.node))
            let limit = round == 0 ? cut : nil
            if !machines.carryOut(admission.plan, steps: limit) {
                own = machines.spec.servers.map(\.name).last { $0 != own } ?? own
            }
        }
        Issue.record("still to do after 20 rounds: \(admission().items)")
        return admission()
    }
}

extension NodeAdmission {
    func verdict(_ kind: ChangeClass, _ node: String) -> Verdict? {
        items.first { $0.change.kind == kind && $0.change.node == node }?.verdict
    }
}
