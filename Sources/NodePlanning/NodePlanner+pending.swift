internal import NodeInventory

extension NodePlanner {
    /// Differences that no step resolves are said, each with what the operator can do.
    mutating func noteWhatIsLeftAlone() {
        for node in desired.nodes { noteObservation(node) }
        for (node, facts) in planned(desired.nodes) { noteK3s(node, facts) }
        noteOrphans()
        if let blocked { wait(nil, "no server is started or joined: \(blocked)", "make the machine reachable, or correct its entry") }
        if let reason = cluster.unavailable, desired.nodes.contains(where: { facts($0)?.holdsCluster == true }) {
            wait(nil, "the cluster's API does not answer, so labels, taints and node states were not compared", reason)
        }
    }

    private mutating func noteObservation(_ node: NodeSpec) {
        let clusterNode = cluster.node(named: node.name)
        switch observed[node.name] {
        case .unreachable(let reason):
            if node.state == .absent, clusterNode == nil { return }
            wait(node.name, "was not looked at: \(reason)")
        case .facts(let facts):
            if node.state == .absent, clusterNode != nil || facts.installedRole != nil {
                wait(
                    node.name, "is to be absent but still \(clusterNode == nil ? "has k3s installed" : "belongs to the cluster")",
                    "drain it, stop k3s on it and delete its Node object; this plan does not take nodes out")
            } else if let role = facts.installedRole, node.state != .absent, role != node.role {
                wait(
                    node.name, "runs k3s as \(role.rawValue) and is to be \(node.role.rawValue)",
                    "a role is not changed in place: take the node out (state: absent), then add it anew")
            }
        case nil:
            if node.state == .absent, clusterNode != nil { wait(node.name, "is to be absent but still belongs to the cluster") }
        }
    }

    private mutating func noteK3s(_ node: NodeSpec, _ facts: NodeFacts) {
        guard facts.installedRole != nil else { return }
        if let datastore = facts.k3s.datastore, datastore == .etcd, desired.datastore == .sqlite {
            wait(node.name, "keeps its cluster in etcd and is to use sqlite", "k3s cannot go back; write k3s.datastore: etcd")
        }
        if let wanted = node.nodeIP?.description, let member = cluster.node(named: node.name),
            let address = member.annotations["etcd.k3s.cattle.io/node-address"], address != wanted
        {
            wait(
                node.name, "is an etcd member at \(address) and is to have \(wanted)",
                "an etcd member's address cannot change: take the node out, then add it anew")
        }
        if let member = cluster.node(named: node.name), !member.ready, facts.isActive(node.role.unit) {
            wait(node.name, "is not Ready: \(member.reason)", "`journalctl -u \(node.role.unit)` on the node tells more")
        }
    }

    /// A node of the cluster that the inventory does not name stays: only `state: absent` takes one out.
    private mutating func noteOrphans() {
        for member in cluster.nodes where desired.node(named: member.name) == nil {
            wait(
                member.name, "belongs to the cluster but not to the inventory; it is left running",
                "add it again; with state: absent to take it out")
        }
    }
}
