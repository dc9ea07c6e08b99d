internal import BootstrapAssets
internal import NodeInventory
internal import YAML

/// What is to be done about k3s on one node.
struct K3sWork {
    var files: [PlannedStep] = []
    var token: [PlannedStep] = []
    /// Enabling, and what follows a start or restart.
    var enable: [PlannedStep] = []
    /// Why the running process has to be replaced; nil: it runs with what is on the disk.
    var restart: String?
    /// Why it has to be started; nil: it runs.
    var start: String?
    /// A start of an earlier run goes on still, with what the disk held then.
    var isStarting = false
}

extension NodePlanner {
    func work(_ node: NodeSpec, _ facts: NodeFacts) -> K3sWork {
        var work = K3sWork()
        let configuration = K3sConfiguration(spec: desired, node: node, entry: entry(node, facts))
        var restarting: [String] = []
        let unit = node.role.unit
        let unitText = node.role == .server ? BootstrapAssets.serverUnit : BootstrapAssets.agentUnit
        var effective = [configuration.config, PlannedFile(path: NodeLayout.unitFile(unit), mode: "0644", text: unitText)]
        if let registries = K3sConfiguration.registries(desired) {
            effective.append(registries)
        } else if case .file? = facts.files[NodeLayout.registries] {
            effective.append(PlannedFile(path: NodeLayout.registries, mode: "0600", text: "{}\n"))
        }
        for file in effective {
            if var reason = reasonToWrite(file, facts) {
                if file.path == NodeLayout.k3sConfig, reason == "differs", let now = facts.k3s.config {
                    reason = Self.differingKeys(now, configuration.values)
                }
                work.files.append(PlannedStep(.writeFile(file), reason))
                restarting.append("\(Self.name(file.path)) \(reason)")
            } else if isNewer(file.path, than: unit, facts) {
                restarting.append("\(Self.name(file.path)) is newer than the running process")
            }
        }
        let registration = configuration.registration
        let isRegistered = facts.files[NodeLayout.k3sRegistration].map { $0 != .absent } ?? false
        if isRegistered || !node.labels.isEmpty || !node.taints.isEmpty { work.files += difference(registration, facts) }
        if let sha256 = facts.system.architecture.flatMap({ context.k3s[$0] }), let binary = facts.k3s.binary, binary.sha256 != sha256,
            binary.version == desired.k3s.version.description
        {
            restarting.append("the binary is another build")
        }
        let state = facts.units[unit]
        if state?.enabled != true || state?.needsReload == true || work.files.contains(where: { $0.step.path == NodeLayout.unitFile(unit) })
        {
            let reason = state?.enabled == true ? "its unit file changes" : "is not enabled"
            work.enable = [PlannedStep(.enableUnit(unit), reason)]
        }
        if let state, state.active == "active" {
            work.restart = restarting.isEmpty ? nil : restarting.joined(separator: "; ")
        } else {
            work.start = state.map { $0.active == "absent" ? "is not installed" : "is \($0.active)" } ?? "is not installed"
            work.isStarting = state?.active == "activating"
            work.token = token(node, facts)
        }
        return work
    }

    private static func name(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

    /// Written after the process had started: an earlier run was stopped between writing and restarting. A time that has not come
    /// yet is of a clock that was put back and says nothing.
    func isNewer(_ path: String, than unit: String, _ facts: NodeFacts) -> Bool {
        guard case .file(_, _, _, let modified)? = facts.files[path], let started = facts.units[unit]?.started else { return false }
        return modified > started && modified <= facts.clock.printed
    }

    private static func differingKeys(_ now: String, _ wanted: Object) -> String {
        guard let value = (try? YAMLReader.values(now, file: "config.yaml"))?.first, let object = value.object else { return "differs" }
        let keys = Set(object.keys).union(wanted.keys).filter { object[$0] != wanted[$0] }.sorted()
        return keys.isEmpty ? "differs" : "differs in " + keys.joined(separator: ", ")
    }

    // MARK: How a node finds the cluster

    /// What the node's own file says stays as long as it is right: otherwise a change of the leader would restart everything.
    func entry(_ node: NodeSpec, _ facts: NodeFacts) -> K3sConfiguration.Entry {
        let usesEtcd = desired.datastore == .etcd
        let now = facts.k3s.config.flatMap { (try? YAMLReader.values($0, file: NodeLayout.k3sConfig))?.first }
        if let server = Self.serverURL(facts), isAddressOfServer(server, besides: node) { return .join(server: server) }
        if node.role == .server {
            if facts.holdsCluster, now?["server"] == nil { return .cluster(initializesEtcd: usesEtcd) }
            if leader == nil || leader?.name == node.name {
                // A stopped or replaced leader that was joined by others goes on by itself.
                return .cluster(initializesEtcd: usesEtcd)
            }
        }
        let target = leader ?? desired.servers.first
        return .join(server: K3sConfiguration.url(of: target?.address ?? node.address))
    }

    /// The facts mask nothing but secrets; `server:` is none.
    private static func serverURL(_ facts: NodeFacts) -> String? {
        facts.k3s.config.flatMap { (try? YAMLReader.values($0, file: NodeLayout.k3sConfig))?.first?["server"]?.string }
    }

    private func isAddressOfServer(_ url: String, besides node: NodeSpec) -> Bool {
        let others = desired.servers.filter { $0.name != node.name }
        var urls = others.flatMap { [K3sConfiguration.url(of: $0.address), K3sConfiguration.url(of: $0.host)] }
        if let endpoint = desired.endpoint { urls.append(K3sConfiguration.url(of: endpoint.host, port: endpoint.port)) }
        return urls.contains(url)
    }

    // MARK: Tokens

    private func token(_ node: NodeSpec, _ facts: NodeFacts) -> [PlannedStep] {
        let isThere = facts.files[NodeLayout.token].map { $0 != .absent } ?? false
        let source: TokenSource
        if node.role == .server {
            if facts.holdsCluster {
                if isThere { return [] }
                source = facts.k3s.hasServerToken ? .serverToken(of: node.name) : .serverToken(of: leader?.name ?? node.name)
            } else if leader?.name == node.name {
                if isThere { return [] }
                source = .generated
            } else {
                source = .serverToken(of: leader?.name ?? node.name)
            }
        } else {
            if let id = facts.k3s.joinTokenID, cluster.bootstrapTokens.contains(id) { return [] }
            source = .bootstrapToken(via: leader?.name ?? "", minutes: 30)
        }
        return [PlannedStep(.writeToken(source), isThere ? "may be of another join" : "is missing")]
    }

    // MARK: Phases

    mutating func firstServer() -> Phase {
        guard let leader, let facts = facts(leader) else { return Phase(.firstServer, []) }
        let work = work(leader, facts)
        guard let start = work.start else {
            // The others can join only an etcd, into which k3s turns its SQLite at the next start with cluster-init.
            guard facts.k3s.datastore == .sqlite, desired.datastore == .etcd, work.restart != nil else { return waitForLeader(leader) }
            isLeaderRestarted = true
            return Phase(.firstServer, [(leader.name, restartSteps(leader, work))])
        }
        // After a power cut: etcd answers only when a majority runs, so all that hold its data are started before any is waited for.
        let others = planned(desired.servers).filter {
            $0.node.name != leader.name && $0.facts.holdsCluster && !$0.facts.isActive(NodeRole.server.unit)
        }
        joining.formUnion([leader.name] + others.map(\.node.name))
        if others.isEmpty { return Phase(.firstServer, [(leader.name, startSteps(leader, work, start) + waitSteps(leader))]) }
        var tasks = [(node: leader.name, steps: startSteps(leader, work, start))]
        for other in others {
            let work = self.work(other.node, other.facts)
            tasks.append((other.node.name, startSteps(other.node, work, work.start ?? "is stopped")))
        }
        for node in [leader] + others.map(\.node) { tasks.append((node.name, waitSteps(node))) }
        return Phase(.firstServer, tasks)
    }

    /// The leader runs but does not answer yet, and others are to join it.
    private func waitForLeader(_ leader: NodeSpec) -> Phase {
        let isAnswering = cluster.unavailable == nil && cluster.node(named: leader.name) != nil
        let isNeeded = planned(desired.nodes).contains { !$0.facts.isActive($0.node.role.unit) } || cluster.node(named: leader.name) == nil
        guard !isAnswering, isNeeded else { return Phase(.firstServer, []) }
        return Phase(.firstServer, [(leader.name, waitSteps(leader))])
    }

    mutating func furtherServers() -> Phase {
        guard let leader else { return Phase(.servers, []) }
        let leaderHeldCluster = facts(leader)?.holdsCluster == true
        var tasks: [(node: String, steps: [PlannedStep])] = []
        for (node, facts) in planned(desired.servers) where node.name != leader.name {
            let work = work(node, facts)
            guard let start = work.start else { continue }
            // Those were started together with the leader.
            if facts.holdsCluster, self.facts(leader)?.isActive(NodeRole.server.unit) != true { continue }
            if leaderHeldCluster, !facts.holdsCluster, let reason = reasonNotToGrow(node) {
                wait(node.name, "does not join as a server yet: \(reason)", "bring the other servers back first, or take the dead one out")
                continue
            }
            joining.insert(node.name)
            tasks.append((node.name, startSteps(node, work, start) + waitSteps(node)))
        }
        return Phase(.servers, tasks)
    }

    /// etcd refuses a member while another is down, and the new one would raise the majority that is needed.
    private func reasonNotToGrow(_ node: NodeSpec) -> String? {
        if cluster.node(named: node.name)?.isEtcdMember == true {
            return "etcd has a member of this name; a machine that was set up anew has to be taken out first"
        }
        let members = cluster.nodes.filter(\.isEtcdMember)
        let quorum = Quorum(members: members.count, healthy: members.filter(\.ready).count)
        if members.isEmpty || quorum.mayGrow { return nil }
        return members.filter { !$0.ready }.map(\.name).joined(separator: ", ") + " is not healthy"
    }

    mutating func agents() -> Phase {
        guard leader != nil else { return Phase(.agents, []) }
        var tasks: [(node: String, steps: [PlannedStep])] = []
        for (node, facts) in planned(desired.agents) {
            let work = work(node, facts)
            guard let start = work.start else { continue }
            // The cluster keeps a hash of each node's password (docs.k3s.io/architecture); a fresh disk has another one.
            if cluster.node(named: node.name) != nil, !facts.k3s.hasNodePassword {
                wait(
                    node.name, "was set up anew, but the cluster still has its old Node and would reject its password",
                    "`kubectl delete node \(node.name)`, then run again")
                continue
            }
            joining.insert(node.name)
            tasks.append((node.name, startSteps(node, work, start) + waitSteps(node)))
        }
        return Phase(.agents, concurrency: desired.policy.concurrency, tasks)
    }

    private func startSteps(_ node: NodeSpec, _ work: K3sWork, _ reason: String) -> [PlannedStep] {
        let changes = work.files + work.token
        let unit = node.role.unit
        // Starting what is being started does nothing: it would go on with the old files.
        let start = work.isStarting && !changes.isEmpty ? Step.restartUnit(unit) : Step.startUnit(unit)
        return changes + work.enable + [PlannedStep(start, reason)]
    }

    private func waitSteps(_ node: NodeSpec) -> [PlannedStep] {
        let via = node.role == .server ? node.name : leader?.name ?? ""
        let votes = node.role == .server && desired.datastore == .etcd
        return [
            PlannedStep(.awaitK3s(role: node.role), "must be ready before anything follows"),
            PlannedStep(.awaitNode(name: node.name, via: via, votingMember: votes), "must be Ready before anything follows"),
        ]
    }

    // MARK: Restarts

    mutating func restartedServers() -> Phase {
        var tasks: [(node: String, steps: [PlannedStep])] = []
        for (node, facts) in planned(desired.servers) {
            let work = work(node, facts)
            guard work.start == nil, !(isLeaderRestarted && node.name == leader?.name) else { continue }
            let members = cluster.nodes.filter(\.isEtcdMember)
            let quorum = Quorum(members: members.count, healthy: members.filter(\.ready).count)
            if work.restart != nil, members.count > 1, !quorum.survivesRestart {
                wait(
                    node.name, "is not restarted (\(work.restart ?? "")): etcd would lose its majority",
                    "bring the other servers back first")
                continue
            }
            tasks.append((node.name, restartSteps(node, work)))
        }
        return Phase(.configuration, tasks)
    }

    mutating func restartedAgents() -> Phase {
        let tasks = planned(desired.agents).compactMap { node, facts -> (node: String, steps: [PlannedStep])? in
            let work = work(node, facts)
            return work.start == nil ? (node.name, restartSteps(node, work)) : nil
        }
        return Phase(.configuration, concurrency: desired.policy.concurrency, tasks)
    }

    private func restartSteps(_ node: NodeSpec, _ work: K3sWork) -> [PlannedStep] {
        var steps = work.files + work.enable
        if let reason = work.restart { steps += [PlannedStep(.restartUnit(node.role.unit), reason)] + waitSteps(node) }
        return steps
    }
}
