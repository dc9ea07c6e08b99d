internal import NodeInventory

extension NodePlanner {
    /// Differences that no step resolves are said, each with what the operator can do.
    mutating func noteWhatIsLeftAlone() {
        for node in desired.nodes { noteObservation(node) }
        for (node, facts) in planned(desired.nodes) { noteK3s(node, facts) }
        for node in desired.nodes where node.state != .absent {
            guard let facts = facts(node), let moved = movedAddress(node, facts) else { continue }
            refuse(
                node.name, "is an etcd member at \(moved.member) and \(moved.now)",
                "give it that address again; an etcd member's cannot change: else take the node out (state: absent), then add it anew")
        }
        noteRegistries()
        noteFounding()
        noteOrphans()
        if let blocked { wait(nil, blocked.text, blocked.remedy) }
        if let reason = cluster.unavailable, desired.nodes.contains(where: { facts($0)?.holdsCluster == true }) {
            wait(nil, "the cluster's API does not answer, so labels, taints and node states were not compared", reason)
        }
    }

    private mutating func noteObservation(_ node: NodeSpec) {
        let clusterNode = cluster.node(named: node.name)
        switch observed[node.name] {
        case .unreachable(let reason):
            // Of one that is to leave, the removal says what is to be said.
            if node.state == .absent, cluster.unavailable == nil { return }
            wait(node.name, "was not looked at: \(reason)")
        case .facts(let facts):
            if node.state == .absent, facts.installedRole != nil, cluster.unavailable != nil {
                wait(node.name, "is not taken out yet: the cluster's API does not answer", "run again afterwards")
            } else if node.state == .absent, clusterNode == nil, facts.installedRole != nil {
                wait(
                    node.name, "has k3s installed but is no node of this cluster; it is left alone",
                    "if it was, stop and uninstall k3s on it by hand; if it is another cluster's, take the entry out of the inventory")
            } else if facts.keepsClusterElsewhere, node.state != .absent {
                refuse(
                    node.name, "has a k3s server that homelab did not install, and that keeps no cluster in /var/lib/rancher/k3s",
                    "with data-dir or datastore-endpoint elsewhere it cannot be kept (`homelab adopt` tells more); if nothing in it is "
                        + "needed, uninstall it (`k3s-uninstall.sh`), then run again")
            } else if let role = facts.installedRole, node.state != .absent, role != node.role {
                refuse(
                    node.name, "runs k3s as \(role.rawValue) and is to be \(node.role.rawValue)",
                    "a role is not changed in place: take the node out (state: absent), then add it anew")
            }
        case nil: break
        }
    }

    private mutating func noteK3s(_ node: NodeSpec, _ facts: NodeFacts) {
        guard facts.installedRole != nil else { return }
        if facts.k3s.datastore == .etcd, desired.k3s.datastore == .sqlite {
            refuse(node.name, "keeps its cluster in etcd and is to use sqlite", "k3s cannot go back; write k3s.datastore: etcd")
        }
    }

    /// Of those that are in the cluster: what is pushed about registries would be passed over in silence otherwise.
    private mutating func noteRegistries() {
        guard let file = K3sConfiguration.registries(desired) else { return }
        for (node, facts) in planned(desired.nodes) where !isPaused(node) && cluster.node(named: node.name) != nil {
            guard context.leavesToBootstrap(file, facts) else { continue }
            wait(
                node.name, "its registries.yaml stays as it is: it \(PlanningContext.onlyBootstrapHas)", PlanningContext.bootstrapRemedy)
        }
    }

    /// Nodes whose k3s runs and that are not Ready, those left out that the plan itself waits for.
    mutating func noteUnready(besides phases: [Phase]) {
        var awaited: Set<String> = []
        for planned in phases.flatMap(\.tasks).flatMap(\.steps) {
            if case .awaitNode(let name, _, _, _) = planned.step { awaited.insert(name) }
        }
        for (node, facts) in planned(desired.nodes) where facts.installedRole != nil && !awaited.contains(node.name) {
            guard let member = cluster.node(named: node.name), !member.ready, facts.isActive(node.role.unit) else { continue }
            wait(
                node.name, "is not Ready: \(member.reason)", "\(facts.system.words.log(node.role.unit)) on the node tells more")
        }
    }

    /// An etcd member is known to the others by its address; a server that was given another one must not be restarted with it.
    func movedAddress(_ node: NodeSpec, _ facts: NodeFacts) -> (member: String, now: String)? {
        guard facts.holdsCluster, let member = cluster.node(named: node.name), member.isEtcdMember,
            let address = member.annotations["etcd.k3s.cattle.io/node-address"]
        else { return nil }
        if !node.nodeIPs.isEmpty {
            let wanted = node.nodeIPs.map(\.description)
            return wanted.contains(address) ? nil : (address, "is to have \(wanted.joined(separator: ", "))")
        }
        let own = facts.network.addresses.map(\.cidr.address)
        guard let known = IPAddress(address), !own.isEmpty, !own.contains(known) else { return nil }
        return (address, "has \(facts.primaryAddress.map(\.description) ?? "no address") now")
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
