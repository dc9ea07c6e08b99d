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
    /// An earlier start goes on still and has to begin anew: starting what is being started does nothing.
    var isStarting = false
}

extension NodePlanner {
    func work(_ node: NodeSpec, _ facts: NodeFacts) -> K3sWork {
        var work = K3sWork()
        let configuration = K3sConfiguration(spec: desired, node: node, entry: entry(node, facts), founding: founding)
        var restarting: [String] = []
        let unit = node.role.unit
        let unitFile = unitFile(node, facts)
        var effective = [configuration.config, unitFile]
        if let registries = K3sConfiguration.registries(desired) {
            effective.append(registries)
        } else if case .file? = facts.files[NodeLayout.registries] {
            effective.append(PlannedFile(path: NodeLayout.registries, mode: "0600", text: "{}\n"))
        }
        for file in effective {
            if !context.leavesToBootstrap(file, facts), var reason = reasonToWrite(file, facts) {
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
        } else if isNewer(NodeLayout.k3s, than: unit, facts) {
            restarting.append("the binary is newer than the running process")
        }
        let state = facts.units[unit]
        if state?.enabled != true || state?.needsReload == true || work.files.contains(where: { $0.step.path == unitFile.path }) {
            let reason = state?.enabled == true ? "its unit file changes" : "is not enabled"
            work.enable = [PlannedStep(.enableUnit(service(node, facts)), reason)]
        }
        if let state, state.active == "active" {
            work.restart = restarting.isEmpty ? nil : restarting.joined(separator: "; ")
            // One that was installed by hand has its token elsewhere, and would not start again with a config.yaml that names this file.
            if work.restart != nil, facts.files[NodeLayout.token] == .absent { work.token = token(node, facts) }
        } else {
            work.start = state.map { $0.active == "absent" ? "is not installed" : "is \($0.active)" } ?? "is not installed"
            work.token = token(node, facts)
            // Whoever still tries to join keeps nothing by going on, and may hang on what has been put right since. A server that has
            // data of the cluster may be waiting for the others only.
            let hasToBeginAnew = !facts.holdsCluster || !(work.files + work.token).isEmpty
            work.isStarting = state?.active == "activating" && hasToBeginAnew
        }
        return work
    }

    /// What the machine's init system calls k3s.
    func service(_ node: NodeSpec, _ facts: NodeFacts) -> String { facts.system.service(node.role.unit) }

    private func service(_ node: NodeSpec) -> String { facts(node).map { service(node, $0) } ?? node.role.unit }

    private func unitFile(_ node: NodeSpec, _ facts: NodeFacts) -> PlannedFile {
        let path = NodeLayout.unitFile(service(node, facts))
        if facts.system.usesOpenRC {
            let text = node.role == .server ? BootstrapAssets.serverService : BootstrapAssets.agentService
            return PlannedFile(path: path, mode: "0755", text: text)
        }
        let text = node.role == .server ? BootstrapAssets.serverUnit : BootstrapAssets.agentUnit
        return PlannedFile(path: path, mode: "0644", text: text)
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

    /// What the node's own file says stays as long as it is right: otherwise a change of the leader would restart everything. Only who
    /// has not joined yet knows no other server than that one, and needs one that runs.
    func entry(_ node: NodeSpec, _ facts: NodeFacts) -> K3sConfiguration.Entry {
        // An upgrade does not migrate at the same time.
        let usesEtcd = datastore == .etcd && !(upgrading[node.name] != nil && facts.k3s.datastore == .sqlite)
        let now = facts.k3s.config.flatMap { (try? YAMLReader.values($0, file: NodeLayout.k3sConfig))?.first }
        if leader == nil, facts.k3s.authority != nil, let server = Self.serverURL(facts) { return .join(server: server) }
        if let server = Self.serverURL(facts), isAddressOfServer(server, besides: node) {
            let hasJoined = facts.holdsCluster || cluster.unavailable != nil || cluster.node(named: node.name) != nil
            if hasJoined || !isAddressOfStoppedServer(server) && !isMereName(server) { return .join(server: server) }
        }
        if node.role == .server {
            if facts.holdsCluster, now?["server"] == nil { return .cluster(initializesEtcd: usesEtcd) }
            if leader == nil || leader?.name == node.name {
                // A stopped or replaced leader that was joined by others goes on by itself.
                return .cluster(initializesEtcd: usesEtcd)
            }
        }
        let target = leader ?? desired.servers.first ?? node
        return .join(server: K3sConfiguration.url(of: addresses[target.name].first?.description ?? target.address))
    }

    /// The facts mask nothing but secrets; `server:` is none.
    static func serverURL(_ facts: NodeFacts) -> String? {
        facts.k3s.config.flatMap { (try? YAMLReader.values($0, file: NodeLayout.k3sConfig))?.first?["server"]?.string }
    }

    /// Also what may be that of a server whose address cannot be known now: what was written stays.
    func isAddressOfServer(_ url: String, besides node: NodeSpec) -> Bool {
        let others = desired.servers.filter { $0.name != node.name }
        return isEndpoint(url) || others.contains { isAddress(url, of: $0) || addresses[$0.name].isEmpty }
    }

    private func isAddressOfStoppedServer(_ url: String) -> Bool {
        !isEndpoint(url)
            && desired.servers.contains { isAddress(url, of: $0) && facts($0)?.isActive(NodeRole.server.unit) != true }
    }

    /// A server's name, which may be known to the operator's machine only, where its address is known.
    private func isMereName(_ url: String) -> Bool {
        !isEndpoint(url)
            && desired.servers.contains { server in
                let known = addresses[server.name].map { K3sConfiguration.url(of: $0.description) }
                return IPAddress(server.host) == nil && url == K3sConfiguration.url(of: server.host) && !known.isEmpty
            }
    }

    private func isAddress(_ url: String, of server: NodeSpec) -> Bool {
        ([server.address, server.host] + addresses[server.name].map(\.description)).contains { url == K3sConfiguration.url(of: $0) }
    }

    private func isEndpoint(_ url: String) -> Bool {
        desired.endpoint.map { url == K3sConfiguration.url(of: $0.host, port: $0.port) } ?? false
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
            if let id = facts.k3s.joinTokenID, cluster.bootstrapTokens[id] != nil { return [] }
            source = .bootstrapToken(via: leader?.name ?? "", minutes: 30)
        }
        return [PlannedStep(.writeToken(source), isThere ? "may be of another join" : "is missing")]
    }

    // MARK: Phases

    mutating func firstServer() -> Phase {
        guard let leader, let facts = facts(leader), upgrading[leader.name] == nil else { return Phase(.firstServer, []) }
        let work = work(leader, facts)
        guard let start = work.start else {
            // The others can join only an etcd, into which k3s turns its SQLite at the next start with cluster-init.
            guard facts.k3s.datastore == .sqlite, datastore == .etcd, work.restart != nil, !isHeld(leader) else {
                return waitForLeader(leader)
            }
            isLeaderRestarted = true
            return Phase(.firstServer, [(leader.name, restartSteps(leader, work))])
        }
        // After a power cut: etcd answers only when a majority runs, so all that hold its data are started before any is waited for.
        let others = chosen(desired.servers).filter {
            $0.node.name != leader.name && $0.facts.holdsCluster && !$0.facts.isActive(NodeRole.server.unit)
        }
        joining.formUnion([leader.name] + others.map(\.node.name))
        if others.isEmpty {
            let steps = startSteps(leader, work, start) + waitSteps(leader) + afterOutage(leader, facts)
            return Phase(.firstServer, [(leader.name, steps)])
        }
        var tasks = [(node: leader.name, steps: startSteps(leader, work, start))]
        for other in others {
            let work = self.work(other.node, other.facts)
            tasks.append((other.node.name, startSteps(other.node, work, work.start ?? "is stopped")))
        }
        for node in [leader] + others.map(\.node) { tasks.append((node.name, waitSteps(node) + afterOutage(node, facts))) }
        return Phase(.firstServer, tasks)
    }

    /// While no API answered nobody could see whether an interrupted upgrade had cordoned the server.
    private func afterOutage(_ node: NodeSpec, _ facts: NodeFacts) -> [PlannedStep] {
        guard facts.holdsCluster, cluster.unavailable != nil else { return [] }
        return [PlannedStep(.uncordon(node: node.name, via: node.name), "if an interrupted run cordoned it")]
    }

    /// The leader runs but does not answer yet, or is not well yet, and others are to join it.
    private func waitForLeader(_ leader: NodeSpec) -> Phase {
        let isAnswering = cluster.unavailable == nil && cluster.node(named: leader.name) != nil && !isAwaited(leader)
        let isNeeded = planned(desired.nodes).contains { !$0.facts.isActive($0.node.role.unit) } || cluster.node(named: leader.name) == nil
        guard !isAnswering, isNeeded else { return Phase(.firstServer, []) }
        return Phase(.firstServer, [(leader.name, waitSteps(leader))])
    }

    mutating func furtherServers() -> Phase {
        guard let leader else { return Phase(.servers, []) }
        let leaderHeldCluster = facts(leader)?.holdsCluster == true
        let awaited = planned(desired.servers).map(\.node).filter { $0.name != leader.name && isAwaited($0) }
        var tasks = awaited.map { (node: $0.name, steps: waitSteps($0)) }
        for (node, facts) in chosen(desired.servers) where node.name != leader.name && upgrading[node.name] == nil {
            let work = work(node, facts)
            guard let start = work.start else { continue }
            // Those were started together with the leader.
            if facts.holdsCluster, self.facts(leader)?.isActive(NodeRole.server.unit) != true { continue }
            if facts.holdsCluster, cluster.node(named: node.name)?.isRemovedMember == true {
                wait(
                    node.name, "was taken out of etcd by a removal that was not finished, and cannot go on with its old data",
                    "write state: absent again and let the removal finish, then add it anew")
                continue
            }
            if leaderHeldCluster, !facts.holdsCluster, !isPaused(node), let reason = reasonNotToJoin(node) {
                wait(node.name, "does not join as a server yet: \(reason.text)", reason.remedy)
                continue
            }
            if leaderHeldCluster, !facts.holdsCluster, let reason = reasonNotToGrow(node) {
                wait(node.name, "does not join as a server yet: \(reason)", "bring the other servers back first, or take the dead one out")
                continue
            }
            joining.insert(node.name)
            tasks.append((node.name, startSteps(node, work, start) + waitSteps(node)))
        }
        return Phase(.servers, tasks)
    }

    mutating func agents() -> Phase {
        guard leader != nil else { return Phase(.agents, []) }
        var tasks: [(node: String, steps: [PlannedStep])] = []
        for (node, facts) in chosen(desired.agents) where upgrading[node.name] == nil {
            let work = work(node, facts)
            let member = cluster.node(named: node.name)
            guard let start = work.start else {
                if work.restart == nil, isJoining(node, facts, member) {
                    joining.insert(node.name)
                    tasks.append((node.name, waitSteps(node)))
                }
                continue
            }
            // What keeps out a machine that was set up anew was said where its old Node is deleted.
            if let member, !replaced.contains(node.name), isSetUpAnew(node, facts, member) { continue }
            if member == nil || replaced.contains(node.name), !isPaused(node), let reason = reasonNotToJoin(node) {
                wait(node.name, "does not join yet: \(reason.text)", reason.remedy)
                continue
            }
            joining.insert(node.name)
            tasks.append((node.name, startSteps(node, work, start) + waitSteps(node)))
        }
        return Phase(.agents, concurrency: desired.policy.concurrency, tasks)
    }

    private func startSteps(_ node: NodeSpec, _ work: K3sWork, _ reason: String) -> [PlannedStep] {
        let unit = service(node)
        let start = work.isStarting ? Step.restartUnit(unit) : Step.startUnit(unit)
        return work.files + work.token + work.enable + [PlannedStep(start, reason)]
    }

    func waitSteps(_ node: NodeSpec, version: String? = nil) -> [PlannedStep] {
        let via = node.role == .server ? node.name : leader?.name ?? ""
        let votes = node.role == .server && entersEtcd(node)
        return [
            PlannedStep(.awaitK3s(role: node.role), "must be ready before anything follows"),
            PlannedStep(
                .awaitNode(name: node.name, via: via, votingMember: votes, version: version), "must be Ready before anything follows"),
        ]
    }

    /// Whether the server is a member of etcd once it runs; SQLite that is upgraded now is migrated by a later run.
    private func entersEtcd(_ node: NodeSpec) -> Bool {
        datastore == .etcd && !(upgrading[node.name] != nil && facts(node)?.k3s.datastore == .sqlite)
    }

    // MARK: Restarts

    mutating func restartedServers() -> Phase {
        var tasks: [(node: String, steps: [PlannedStep])] = []
        func isWell(_ node: NodeSpec) -> Bool { cluster.node(named: node.name)?.isHealthyMember == true }
        let servers = chosen(desired.servers)
        var quorum = quorum
        // One that is not well comes first: to restart it costs no vote, and the others follow only once it votes again.
        for (node, facts) in servers.filter({ !isWell($0.node) }) + servers.filter({ isWell($0.node) }) where upgrading[node.name] == nil {
            let work = work(node, facts)
            guard work.start == nil, !(isLeaderRestarted && node.name == leader?.name) else { continue }
            if work.restart != nil, quorum.members > 1 {
                guard quorum.survivesRestart(ofHealthy: isWell(node)) else {
                    wait(node.name, "is not restarted (\(work.restart ?? "")): etcd would lose its majority", wayToMajority)
                    continue
                }
                if cluster.node(named: node.name)?.isEtcdMember == true, !isWell(node) { quorum.healthy += 1 }
            }
            tasks.append((node.name, restartSteps(node, work)))
        }
        return Phase(.configuration, tasks)
    }

    mutating func restartedAgents() -> Phase {
        var renewed: Set<String> = []
        let tasks = chosen(desired.agents).compactMap { node, facts -> (node: String, steps: [PlannedStep])? in
            if upgrading[node.name] != nil { return nil }
            let work = work(node, facts)
            guard work.start == nil else { return nil }
            if !work.token.isEmpty { renewed.insert(node.name) }
            return (node.name, restartSteps(node, work))
        }
        tokensRenewed.formUnion(renewed)
        return Phase(.configuration, concurrency: desired.policy.concurrency, tasks)
    }

    private func restartSteps(_ node: NodeSpec, _ work: K3sWork) -> [PlannedStep] {
        var steps = work.files + work.token + work.enable
        if let reason = work.restart { steps += [PlannedStep(.restartUnit(service(node)), reason)] + waitSteps(node) }
        return steps
    }
}
