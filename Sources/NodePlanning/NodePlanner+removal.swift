internal import NodeInventory

/// Nodes with `state: absent`, and machines that were set up anew under a name the cluster still knows.
extension NodePlanner {
    private struct Departure {
        var node: NodeSpec
        var member: ClusterNode
        /// nil: the machine cannot be reached, so what is on it stays.
        var facts: NodeFacts?
        /// Why what is on the machine is none of this cluster's, so that it stays, too.
        var stranger: String?
        /// Gone already, or begun by an earlier run.
        var isBroken: Bool
    }

    // MARK: Which nodes

    /// The nodes that may leave now, the broken ones first; of the others it is said why they stay. Asked once for the broken ones and
    /// once for the rest, within the policy's limit for both.
    private mutating func departures(broken: Bool) -> [Departure] {
        var chosen: [Departure] = []
        for node in desired.nodes where node.state == .absent && !desired.paused && !isLeftOut(node) {
            guard cluster.unavailable == nil, let member = cluster.node(named: node.name) else { continue }
            let facts = facts(node)
            let isRunning = facts?.isActive(node.role.unit) == true
            let departure = Departure(
                node: node, member: member, facts: facts, stranger: facts.flatMap(reasonToSpare),
                isBroken: member.cordon == .removal || !isRunning || !member.ready)
            guard departure.isBroken == broken else { continue }
            if let refusal = refusal(departure) {
                refuse(node.name, "is not taken out: \(refusal.text)", refusal.remedy)
            } else if leaving.count + chosen.count >= desired.policy.removals {
                wait(node.name, "is taken out later: one run removes \(desired.policy.removals) (policy.removals)", "run again afterwards")
            } else if node.role == .server,
                (chosen.map(\.node.name) + leaving).contains(where: { desired.node(named: $0)?.role == .server })
            {
                wait(node.name, "is taken out later: servers leave one at a time", "run again afterwards")
            } else {
                chosen.append(departure)
            }
        }
        return chosen
    }

    private func refusal(_ departure: Departure) -> (text: String, remedy: String?)? {
        let (node, member) = (departure.node, departure.member)
        guard let leader, facts(leader)?.isActive(NodeRole.server.unit) == true, cluster.node(named: leader.name) != nil else {
            return ("no other server runs the cluster", "let another server join first; the last one is removed by `homelab reset`")
        }
        if departure.facts == nil, member.ready {
            var reason = ""
            if case .unreachable(let text)? = observed[node.name] { reason = " (\(text))" }
            return (
                "it is Ready, but the machine cannot be reached\(reason)",
                "make it reachable, or switch it off when it is to be thrown away"
            )
        }
        if let stranger = departure.stranger {
            guard member.ready, !wasEmptied(departure) else { return memberRefusal(departure) }
            return (
                "a node of this name is Ready, but the machine \(stranger)",
                "put the host in its entry right; if k3s was uninstalled there just now, run again in a minute"
            )
        }
        if let role = departure.facts?.installedRole, role != node.role {
            return ("it runs k3s as \(role.rawValue) and its entry says \(node.role.rawValue)", "correct role: in its entry")
        }
        if let refusal = memberRefusal(departure) { return refusal }
        if departure.facts?.agent.repositoryOwner != nil, desired.repository.url == nil,
            !desired.servers.contains(where: { facts($0)?.agent.repositoryOwner != nil })
        {
            return (
                "it holds the git repository",
                "when this run has made a new one, push everything to it (`homelab repository` prints its URL), then run again"
            )
        }
        return nil
    }

    /// An earlier run began the removal, and this machine is empty since: a Node stays Ready for most of a minute after its kubelet has ended.
    private func wasEmptied(_ departure: Departure) -> Bool {
        guard let facts = departure.facts, facts.k3s.authority == nil, !facts.keepsClusterElsewhere else { return false }
        let machine = facts.system.machineID
        return departure.member.cordon == .removal && !machine.isEmpty && machine == departure.member.machineID
    }

    /// Why etcd cannot spare its member.
    private func memberRefusal(_ departure: Departure) -> (text: String, remedy: String?)? {
        let member = departure.member
        guard member.isEtcdMember, !quorum.survivesRemoval(ofHealthy: member.isHealthyMember) else { return nil }
        let down =
            cluster.nodes.filter { $0.isEtcdMember && !$0.isHealthyMember && $0.name != member.name }.map(\.name)
            + cluster.membersWithoutNode.map { "\($0.label) (a member without a node)" }
        return (
            "etcd has \(quorum.members) members, \(quorum.healthy) of them healthy, and would lose its majority without it",
            down.isEmpty ? "let another server join first" : "bring \(down.joined(separator: ", ")) back first"
        )
    }

    /// A machine may be in another cluster by now, or have been set up anew for something else: as `homelab reset`, a removal takes nothing
    /// off it then.
    private func reasonToSpare(_ facts: NodeFacts) -> String? {
        if let own = facts.k3s.authority {
            let authority = leader.flatMap { self.facts($0)?.k3s.authority }
            return authority.map { $0 != own } == true ? "is in another cluster by now" : nil
        }
        if facts.keepsClusterElsewhere { return "has a k3s server that homelab did not install" }
        // The binaries are the last that an uninstallation takes away.
        let isOurs = facts.installedRole != nil || facts.k3s.binary != nil || facts.access.letsIn(agentsOf: desired.name)
        return isOurs ? nil : "holds nothing of this cluster"
    }

    // MARK: Phases

    mutating func brokenNodes() -> Phase {
        let departures = departures(broken: true)
        leaving.formUnion(departures.map(\.node.name))
        return Phase(.brokenNodes, departures.map { task($0) })
    }

    /// Healthy nodes leave when nothing else changes the cluster's members or versions.
    mutating func removal(after broken: Phase) -> Phase {
        let busy: String? =
            !broken.tasks.isEmpty
            ? "other nodes are taken out first"
            : !upgrading.isEmpty
                ? "the upgrade comes first" : !joining.isEmpty || !replaced.isEmpty ? "the machines that join come first" : nil
        let departures = departures(broken: false)
        if let busy {
            for departure in departures { wait(departure.node.name, "is not taken out yet: \(busy)", "run again afterwards") }
            return Phase(.removal, [])
        }
        leaving.formUnion(departures.map(\.node.name))
        return Phase(.removal, departures.map { task($0) })
    }

    private mutating func task(_ departure: Departure) -> (node: String, steps: [PlannedStep]) {
        let (node, via) = (departure.node, leader?.name ?? "")
        let why = "state: absent"
        var steps: [PlannedStep] = []
        let machine = departure.stranger == nil ? departure.facts : nil
        if let facts = machine {
            if facts.isActive(node.role.unit), departure.member.ready { steps += drain(node, for: .removal, via: via) }
            if facts.units[NodeLayout.agentUnit].map({ $0.active != "absent" }) ?? false {
                steps.append(PlannedStep(.stopUnit(facts.system.service(NodeLayout.agentUnit)), "another server's agent takes over"))
            }
        }
        if departure.member.isEtcdMember {
            steps.append(PlannedStep(.removeMember(node: node.name, via: via), "the others go on without its vote"))
        }
        if let facts = machine {
            if facts.installedRole != nil { steps.append(PlannedStep(.stopUnit(service(node, facts)), why)) }
            steps.append(PlannedStep(.uninstall(Uninstallation(of: facts, from: desired)), why))
        } else if let stranger = departure.stranger {
            wait(node.name, "\(stranger): it is taken out of this one, and what is on the machine stays")
        } else {
            wait(
                node.name, "cannot be reached: it is taken out of the cluster, and what is on its disk stays",
                "wipe it before it is used again")
        }
        steps.append(PlannedStep(.deleteNode(node.name, via: via), why))
        return (machine == nil ? via : node.name, steps)
    }

    // MARK: Keys

    /// The keys of servers that leave or have left go from every other machine before anything else is done.
    func revokedKeys() -> Phase {
        let gone = desired.nodes.filter { node in
            node.state == .absent && (leaving.contains(node.name) || cluster.unavailable == nil && cluster.node(named: node.name) == nil)
        }
        let comments = gone.flatMap { [keyComment("agent", $0), keyComment("fetch", $0)] }
        let tasks = planned(desired.nodes).compactMap { node, facts -> (node: String, steps: [PlannedStep])? in
            let there = comments.filter { facts.access.authorizedKeys[$0] != nil }
            guard !there.isEmpty, isLogin(facts, to: node) else { return nil }
            let step = Step.revokeKeys(comments: there, user: facts.access.user, home: facts.access.home)
            return (node.name, [PlannedStep(step, "its owner is no longer part of the cluster")])
        }
        return Phase(.revokedKeys, concurrency: desired.policy.concurrency, tasks)
    }

    // MARK: Machines that were set up anew

    /// The cluster keeps a hash of each node's password and a member for each server (docs.k3s.io/architecture): a fresh disk has neither,
    /// and is rejected until the old ones are gone.
    mutating func replacement() -> Phase {
        guard let leader, cluster.unavailable == nil else { return Phase(.replacement, []) }
        var tasks: [(node: String, steps: [PlannedStep])] = []
        for (node, facts) in chosen(desired.nodes) where node.name != leader.name && !isPaused(node) {
            guard let member = cluster.node(named: node.name), isSetUpAnew(node, facts, member) else { continue }
            if member.ready {
                wait(
                    node.name, "was set up anew, but a node of this name is still Ready",
                    "if its old disk was replaced just now, run again in a minute; otherwise two machines have this name: rename one")
                continue
            }
            if let reason = reasonNotToJoin(node) {
                wait(node.name, "was set up anew and does not join yet: \(reason.text)", reason.remedy)
                continue
            }
            if member.isEtcdMember, !quorum.survivesRemoval(ofHealthy: false) {
                wait(
                    node.name,
                    "was set up anew, but its old etcd member cannot be taken out: \(quorum.healthy) of \(quorum.members) are healthy",
                    "bring the other servers back first")
                continue
            }
            if tasks.contains(where: { desired.node(named: $0.steps[0].step.subjectNode ?? "")?.role == .server }), node.role == .server {
                wait(node.name, "was set up anew and joins later: servers are replaced one at a time", "run again afterwards")
                continue
            }
            let why = "was set up anew: the cluster would reject its password"
            var steps: [PlannedStep] = []
            if member.isEtcdMember { steps.append(PlannedStep(.removeMember(node: node.name, via: leader.name), why)) }
            steps.append(PlannedStep(.deleteNode(node.name, via: leader.name), why))
            replaced.insert(node.name)
            tasks.append((leader.name, steps))
        }
        return Phase(.replacement, tasks)
    }

    /// Another machine id than the Node's is another installation; without a node password it cannot have been here before.
    func isSetUpAnew(_ node: NodeSpec, _ facts: NodeFacts, _ member: ClusterNode) -> Bool {
        if facts.isActive(node.role.unit) || facts.holdsCluster { return false }
        if !facts.k3s.hasNodePassword { return true }
        return !member.machineID.isEmpty && !facts.system.machineID.isEmpty && member.machineID != facts.system.machineID
    }
}
