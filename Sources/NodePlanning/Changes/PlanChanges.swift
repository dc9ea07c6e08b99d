internal import Cryptography
package import NodeInventory

/// A plan seen as changes to nodes: which change each step belongs to, so that some can be carried out and others left.
package struct PlanChanges: Sendable {
    package let plan: NodePlan
    /// In the order in which the plan begins them.
    package private(set) var changes: [NodeChange] = []
    private let desired: ClusterSpec
    private let cluster: ClusterFacts
    private var leaving: Set<String> = []
    private var replaced: Set<String> = []
    private var upgrading: Set<String> = []
    /// Nodes of the cluster whose k3s is restarted or that are rebooted, the upgraded ones left out.
    private var restarting: Set<String> = []

    package init(_ plan: NodePlan, desired: ClusterSpec, cluster: ClusterFacts) {
        self.plan = plan
        self.desired = desired
        self.cluster = cluster
        for phase in plan.phases { note(phase) }
        for (phase, task, step) in steps {
            guard let change = owner(of: step, task, phase), !changes.contains(change) else { continue }
            changes.append(change)
        }
    }

    private var steps: [(phase: Phase.Kind, task: String, step: Step)] {
        plan.phases.flatMap { phase in phase.tasks.flatMap { task in task.steps.map { (phase.kind, task.node, $0.step) } } }
    }

    private mutating func note(_ phase: Phase) {
        for task in phase.tasks {
            if phase.kind == .serverUpgrade || phase.kind == .agentUpgrade { upgrading.insert(task.node) }
            for planned in task.steps {
                switch planned.step {
                case .deleteNode(let node, _):
                    if phase.kind == .replacement { replaced.insert(node) } else { leaving.insert(node) }
                case .restartUnit(let unit)
                where [.configuration, .firstServer].contains(phase.kind)
                    && InitSystem.service(unit) != InitSystem.service(NodeLayout.agentUnit):
                    if cluster.node(named: task.node)?.ready == true { restarting.insert(task.node) }
                case .reboot:
                    if cluster.node(named: task.node) != nil { restarting.insert(task.node) }
                default: break
                }
            }
        }
        restarting.subtract(upgrading)
    }

    /// The repository would begin anew on another server: the agents follow it, so that is for a person to do.
    var makesRepository: Bool { steps.contains { if case .createRepository = $0.step { true } else { false } } }

    /// Equal whenever the same changes are to be made, on whichever machine and however far they have come: what an approval names.
    package var hash: String {
        SHA256.hex(of: ([plan.cluster] + changes.filter { $0.kind != .agent }.map(\.id).sorted()).joined(separator: "\n"))
    }

    // MARK: Which change a step belongs to

    /// nil: the step belongs to several; `limited` looks at it by itself.
    private func owner(of step: Step, _ task: String, _ phase: Phase.Kind) -> NodeChange? {
        let subject = step.subjectNode ?? task
        switch phase {
        case .snapshot, .revokedKeys, .closedFirewalls: return nil
        case .replacement: return change(subject, .replaceAgent, .replaceServer)
        case .brokenNodes, .removal: return change(subject, .removeAgent, .removeServer)
        case .serverUpgrade, .agentUpgrade: return upgrade(subject)
        case .firstServer, .servers, .agents:
            if let join = join(subject) { return join }
            guard restarting.contains(subject) else { return NodeChange(.start, subject) }
            // A first server is restarted so that others can join its etcd.
            return joiningServer ?? NodeChange(.restart, subject)
        case .configuration: return NodeChange(restarting.contains(subject) ? .restart : .preparation, subject)
        case .hostPreparation, .binaries: return join(subject) ?? preparation(step, subject, phase)
        case .metadata: return join(subject) ?? NodeChange(.metadata, subject)
        case .repository, .homelabAgent: return join(subject) ?? NodeChange(.agent, subject)
        case .homelabUpgrade: return NodeChange(.agent, subject)
        case .kubeconfig: return NodeChange(.preparation, subject)
        }
    }

    private func preparation(_ step: Step, _ node: String, _ phase: Phase.Kind) -> NodeChange {
        switch step {
        case .installBinary(let artifact) where artifact.name == .homelab: NodeChange(.agent, node)
        case _ where phase == .binaries && upgrading.contains(node): upgrade(node)
        // The door for a server that is to join.
        case .openFirewall: joiningServer ?? NodeChange(.preparation, node)
        case .installBinary, .reboot, .extendKernelCommandLine: NodeChange(restarting.contains(node) ? .restart : .preparation, node)
        default: NodeChange(.preparation, node)
        }
    }

    private func upgrade(_ node: String) -> NodeChange { NodeChange(.upgrade, node, target: desired.k3s.version.description) }

    private func change(_ node: String, _ agent: ChangeClass, _ server: ChangeClass) -> NodeChange {
        let isServer = desired.node(named: node)?.role == .server
        let isNew = agent == .joinAgent || agent == .replaceAgent
        return NodeChange(isServer ? server : agent, node, target: isNew ? desired.node(named: node)?.host ?? "" : "")
    }

    /// A node that is not in the cluster yet, or comes back with a fresh disk.
    private func join(_ node: String) -> NodeChange? {
        guard desired.node(named: node)?.state == .present else { return nil }
        if replaced.contains(node) { return change(node, .replaceAgent, .replaceServer) }
        return cluster.node(named: node) == nil ? change(node, .joinAgent, .joinServer) : nil
    }

    /// What the other machines have to know of a server that is to join is part of its joining.
    private var joiningServer: NodeChange? { desired.servers.lazy.compactMap { join($0.name) }.first }

    // MARK: A part of the plan

    /// Only what these changes take.
    package func limited(to chosen: Set<NodeChange>) -> NodePlan {
        var part = plan
        part.phases = plan.phases.compactMap { phase in
            var phase = phase
            phase.tasks = phase.tasks.compactMap { task in
                var task = task
                task.steps = task.steps.compactMap { limited($0, task.node, phase.kind, chosen) }
                return task.steps.isEmpty ? nil : task
            }
            return phase.tasks.isEmpty ? nil : phase
        }
        return part
    }

    private func limited(_ planned: PlannedStep, _ task: String, _ phase: Phase.Kind, _ chosen: Set<NodeChange>) -> PlannedStep? {
        if let owner = owner(of: planned.step, task, phase) { return chosen.contains(owner) ? planned : nil }
        if case .revokeKeys(let comments, let user, let home) = planned.step {
            // A server that is still to leave keeps its keys until it may.
            let staying = leaving.filter { !chosen.contains(change($0, .removeAgent, .removeServer)) }
            let revoked = comments.filter { comment in !staying.contains { comment.hasSuffix("/" + $0) } }
            return revoked.isEmpty ? nil : PlannedStep(.revokeKeys(comments: revoked, user: user, home: home), planned.reason)
        }
        if case .closeFirewall(var rules) = planned.step {
            let staying = leaving.filter { !chosen.contains(change($0, .removeAgent, .removeServer)) }
            let known = NodeAddresses(desired, facts: [:], cluster: cluster)
            let addresses = Set(staying.flatMap { known[$0].map(\.description) })
            rules.sources.removeAll { addresses.contains($0) }
            return rules.isEmpty ? nil : PlannedStep(.closeFirewall(rules), planned.reason)
        }
        // A snapshot precedes the first server's upgrade, and each member that is taken out of etcd.
        let isNeeded = chosen.contains {
            $0.kind == .removeServer || $0.kind == .replaceServer || $0.kind == .upgrade && desired.node(named: $0.node)?.role == .server
        }
        return isNeeded ? planned : nil
    }
}
