internal import NodeInventory
internal import YAML

/// Another version of k3s on nodes that are in service: servers first and one at a time, then agents, none before the one before it is
/// well again (docs.k3s.io/upgrades, and the version skew policy of Kubernetes).
extension NodePlanner {
    // MARK: Which nodes

    /// Fills `upgrading` with the nodes that need it and may be upgraded now, and says of the others why they wait.
    mutating func chooseUpgrades(unless broken: Phase) {
        let servers = chosen(desired.servers).compactMap { node, facts in reasonToUpgrade(node, facts).map { (node, facts, $0) } }
        let agents = chosen(desired.agents).compactMap { node, facts in reasonToUpgrade(node, facts).map { (node, facts, $0) } }
        if let first = broken.tasks.first?.steps.lazy.compactMap(\.step.subjectNode).first {
            noJoining = "\(first) is taken out first"
            for (node, _, _) in servers + agents {
                wait(node.name, "is not upgraded yet: \(first) is taken out first", "run again afterwards")
            }
            return
        }
        for (node, facts, reason) in servers where !isPaused(node) {
            if let refusal = refusal(node, facts) {
                refuse(node.name, refusal.text, refusal.remedy)
            } else if let delay = delay(node, facts) {
                wait(node.name, delay.text, delay.remedy)
            } else {
                upgrading[node.name] = reason
            }
        }
        for (node, facts, reason) in agents where !isPaused(node) {
            if let refusal = refusal(node, facts) {
                refuse(node.name, refusal.text, refusal.remedy)
            } else if let delay = delay(node, facts) {
                wait(node.name, delay.text, delay.remedy)
            } else if let behind = serverBehind {
                wait(node.name, "is not upgraded yet: the server \(behind) is still behind, and no agent may be ahead of a server")
            } else {
                upgrading[node.name] = reason
            }
        }
        if !upgrading.isEmpty { noJoining = "the upgrade comes first" }
    }

    /// What was seen that asks for an upgrade, or for the rest of one that was interrupted; nil for a node that is not in service.
    private func reasonToUpgrade(_ node: NodeSpec, _ facts: NodeFacts) -> String? {
        let wanted = desired.k3s.version.description
        let member = cluster.node(named: node.name)
        // One that was cordoned for it is in the middle of an upgrade, or of the way back from one, even when its k3s does not run.
        let isInService = facts.holdsCluster || facts.isActive(node.role.unit) || member?.cordon == .upgrade
        if let architecture = facts.system.architecture, let sha256 = context.k3s[architecture], isInService,
            let binary = facts.k3s.binary, binary.sha256 != sha256, let version = binary.version, version != wanted
        {
            return "is \(version)"
        }
        guard facts.installedRole != nil, facts.k3s.binary?.version == wanted else { return nil }
        if member?.cordon == .upgrade { return "its upgrade was not finished" }
        if facts.isActive(node.role.unit), isNewer(NodeLayout.k3s, than: node.role.unit, facts), let running = member?.kubeletVersion,
            !running.isEmpty, running != wanted
        {
            return "the running process is still \(running)"
        }
        return nil
    }

    /// Why a node must not be upgraded by this plan; nil when it may.
    private func refusal(_ node: NodeSpec, _ facts: NodeFacts) -> (text: String, remedy: String?)? {
        let wanted = desired.k3s.version
        if let now = facts.k3s.binary?.version.flatMap({ K3sVersion($0) }), now != wanted {
            if wanted < now {
                return (
                    "runs k3s \(now) and is not taken back to \(wanted): k3s does not go back",
                    "set k3s.version to \(now); the way back is to restore the snapshot from before the upgrade on all servers"
                )
            }
            if node.role == .server, wanted.major != now.major || wanted.minor > now.minor + 1 {
                return (
                    "runs k3s \(now), and \(wanted) skips a minor version",
                    "set k3s.version to a release of v\(now.major).\(now.minor + 1) first, then go on from there"
                )
            }
            if node.role == .server, let (behind, version) = kubeletTooOld {
                return (
                    "is not upgraded: \(behind) runs k3s \(version), and a kubelet may be three minor versions older than the API at most",
                    "upgrade \(behind) to the servers' version first, or take it out"
                )
            }
        }
        return nil
    }

    /// Why a node that may be upgraded is not upgraded now; nil when it is.
    private func delay(_ node: NodeSpec, _ facts: NodeFacts) -> (text: String, remedy: String?)? {
        if needsBinary(facts), let lack = lackOfImages(facts) { return ("is not upgraded now: \(lack.text)", lack.remedy) }
        guard node.role == .server else {
            return cluster.unavailable.map { ("is not upgraded now: the cluster's API does not answer", $0) }
        }
        if cluster.unavailable != nil {
            // A single server whose upgrade was interrupted is down; nothing else can bring it back.
            let isAlone = desired.servers.count == 1 && !facts.isActive(node.role.unit)
            return isAlone ? nil : ("is not upgraded now: the cluster's API does not answer", "bring the servers back first")
        }
        let isWell = cluster.node(named: node.name)?.isHealthyMember == true
        if quorum.members > 1, !quorum.survivesRestart(ofHealthy: isWell) {
            return (
                "is not upgraded now: etcd has \(quorum.members) members, \(quorum.healthy) of them healthy, and would lose its majority",
                wayToMajority
            )
        }
        return nil
    }

    /// Two servers that are well cannot spare either: nobody is to be brought back.
    var wayToMajority: String {
        quorum.healthy == quorum.members ? Quorum.wayOutOfTwo : "bring the other servers back first"
    }

    /// An agent that servers of the wanted version could not talk to any more (kubernetes.io, version skew policy).
    private var kubeletTooOld: (node: String, version: K3sVersion)? {
        let wanted = desired.k3s.version
        return cluster.nodes.lazy.filter { $0.role == .agent }.compactMap { member in
            K3sVersion(member.kubeletVersion).map { (member.name, $0) }
        }.first { $0.1.major == wanted.major && $0.1.minor + 3 < wanted.minor }
    }

    /// A server of the cluster whose API would be older than an agent of the wanted version.
    var serverBehind: String? {
        let servers = desired.nodes.filter { $0.role == .server && upgrading[$0.name] == nil }
        return servers.first { runningVersion($0).map { $0 < desired.k3s.version } ?? false }?.name
    }

    // MARK: Phases

    mutating func upgrades() -> [Phase] {
        let servers = planned(desired.servers).filter { upgrading[$0.node.name] != nil }
        // The one that is down already goes first: the others cannot spare a second.
        let ready = Set(cluster.nodes.filter(\.ready).map(\.name))
        let ordered = servers.filter { !ready.contains($0.node.name) } + servers.filter { ready.contains($0.node.name) }
        var phases = [snapshot(before: servers)]
        phases.append(Phase(.serverUpgrade, tasks: ordered.map { upgrade($0.node, $0.facts) }))
        let agents = planned(desired.agents).filter { upgrading[$0.node.name] != nil }
        tokensRenewed.formUnion(
            agents.filter { $0.facts.isActive(NodeRole.agent.unit) && !work($0.node, $0.facts).token.isEmpty }.map(\.node.name))
        phases.append(Phase(.agentUpgrade, concurrency: agentsAtATime, tasks: agents.map { upgrade($0.node, $0.facts) }))
        return phases
    }

    /// As many as the policy says, but not more than a third: the others have to take the pods.
    private var agentsAtATime: Int { max(1, min(desired.policy.concurrency, desired.agents.count / 3)) }

    /// Before the first server gets another version. Of SQLite a copy is made while the server is down for its upgrade.
    private func snapshot(before servers: [(node: NodeSpec, facts: NodeFacts)]) -> Phase {
        let changing = servers.filter { needsBinary($0.facts) }
        if changing.isEmpty { return Phase(.snapshot, []) }
        return snapshot(named: nameBeforeUpgrade)
    }

    private var nameBeforeUpgrade: String {
        "homelab-before-" + desired.k3s.version.description.map { $0 == "+" ? "-" : String($0) }.joined()
    }

    /// Before a member is taken out of etcd.
    func snapshot(beforeRemovalsIn phases: [Phase]) -> Phase {
        let takesMemberOut = phases.flatMap(\.tasks).flatMap(\.steps).contains { if case .removeMember = $0.step { true } else { false } }
        return takesMemberOut ? snapshot(named: "homelab-before-removal") : Phase(.snapshot, [])
    }

    private func snapshot(named name: String) -> Phase {
        guard let leader, facts(leader)?.k3s.datastore == .etcd, cluster.unavailable == nil else { return Phase(.snapshot, []) }
        // Of the server that the copy is kept on none is brought off its machine, so another one saves it where there is one.
        let others = planned(desired.servers).filter {
            $0.node.name != context.acting && $0.facts.isActive(NodeRole.server.unit) && $0.facts.k3s.datastore == .etcd
                && cluster.node(named: $0.node.name)?.isHealthyMember == true
        }
        let server = leader.name == context.acting ? others.first?.node ?? leader : leader
        let directory = desired.snapshotDirectory(of: server)
        let step = PlannedStep(.saveSnapshot(name: name, directory: directory), "without one there is no way back")
        return Phase(.snapshot, [(server.name, [step])])
    }

    private func needsBinary(_ facts: NodeFacts) -> Bool {
        guard let architecture = facts.system.architecture, let sha256 = context.k3s[architecture] else { return false }
        return facts.k3s.binary?.sha256 != sha256
    }

    private func upgrade(_ node: NodeSpec, _ facts: NodeFacts) -> NodeTask {
        let version = desired.k3s.version.description
        let unit = node.role.unit
        let reason = upgrading[node.name] ?? ""
        let via = node.role == .server ? node.name : leader?.name ?? ""
        let service = service(node, facts)
        let isActive = facts.isActive(unit)
        let work = work(node, facts)
        // What takes long comes before the node is emptied.
        var steps = images(facts)
        if isActive { steps += drain(node, for: .upgrade, via: via) + work.token }
        steps += work.files + work.enable
        let swaps = needsBinary(facts)
        if swaps, let architecture = facts.system.architecture, let sha256 = context.k3s[architecture] {
            // Its database is whole only while nothing writes to it.
            let copies = node.role == .server && facts.k3s.datastore == .sqlite
            if copies {
                if isActive { steps.append(PlannedStep(.stopUnit(service), "its database is copied")) }
                steps.append(PlannedStep(.copyDatabase, "without a copy there is no way back"))
            }
            let artifact = Artifact(name: .k3s, architecture: architecture, sha256: sha256, path: NodeLayout.k3s)
            steps.append(PlannedStep(.installBinary(artifact), reason))
            steps.append(PlannedStep(copies ? .startUnit(service) : .restartUnit(service), "the binary is \(version) then"))
            if copies { steps.append(PlannedStep(.bringCopy, "it is to outlive the node's disk")) }
        } else if !isActive || work.restart != nil || isNewer(NodeLayout.k3s, than: unit, facts) {
            steps.append(PlannedStep(.restartUnit(service), work.restart ?? reason))
        }
        steps += waitSteps(node, version: version)
        if steps.contains(where: { if case .cordon = $0.step { true } else { false } }) || cluster.node(named: node.name)?.cordon != nil
            || cluster.unavailable != nil
        {
            steps.append(PlannedStep(.uncordon(node: node.name, via: via), "takes pods again"))
        }
        steps.append(PlannedStep(.awaitWorkloads(node: node.name, via: via), "what ran before must be well before anything follows"))
        return NodeTask(node: node.name, steps: steps, fallback: fallback(node, facts, via: via, swaps: swaps))
    }

    /// Cordon and drain by the policy; nothing where no other node could take the pods.
    func drain(_ node: NodeSpec, for cordon: Cordon, via: String) -> [PlannedStep] {
        let others = cluster.nodes.filter { $0.name != node.name && $0.ready && !$0.unschedulable }
        guard cluster.node(named: node.name) != nil, !others.isEmpty else { return [] }
        let why = cordon == .upgrade ? "k3s is restarted on it" : "it leaves the cluster"
        var steps = [PlannedStep(.cordon(node: node.name, for: cordon, via: via), why)]
        if desired.policy.drain.enabled {
            steps.append(PlannedStep(.drain(DrainRequest(node: node.name, policy: desired.policy.drain), via: via), why))
        }
        return steps
    }

    /// An agent is given its old binary back at once, and so is a server that is alone, between two patch releases of one minor version.
    /// Another server is not: the new version may have changed the data already, and the others go on without it.
    private func fallback(_ node: NodeSpec, _ facts: NodeFacts, via: String, swaps: Bool) -> Fallback {
        let before = swaps ? facts.k3s.binary?.version : cluster.node(named: node.name)?.kubeletVersion
        let recipe = node.role == .agent ? nil : recipe(node, facts, version: before)
        // Its new k3s has been in the cluster already: what is left has nothing to do with it.
        if !swaps, before == desired.k3s.version.description { return Fallback(version: before, recipe: recipe) }
        guard node.role == .agent || swaps && isPatchOfLoneServer(from: before) else { return Fallback(version: before, recipe: recipe) }
        return Fallback(
            version: before,
            steps: [
                PlannedStep(.restoreBinary(path: NodeLayout.k3s), "the new one did not come up"),
                PlannedStep(.restartUnit(service(node, facts)), "the binary is the one from before"),
                PlannedStep(.awaitK3s(role: node.role), "must be ready before anything follows"),
                PlannedStep(
                    .awaitNode(
                        name: node.name, via: via, votingMember: node.role == .server && facts.k3s.datastore == .etcd, version: before),
                    "must be Ready before anything follows"),
                PlannedStep(.uncordon(node: node.name, via: via), "takes pods again"),
            ], recipe: recipe)
    }

    private func isPatchOfLoneServer(from before: String?) -> Bool {
        guard desired.servers.count == 1, let now = before.flatMap({ K3sVersion($0) }) else { return false }
        return now.major == desired.k3s.version.major && now.minor == desired.k3s.version.minor
    }

    /// What a person does when a server did not come up with its new version (docs.k3s.io/upgrades/roll-back).
    private func recipe(_ node: NodeSpec, _ facts: NodeFacts, version: String?) -> String {
        let (before, unit, words) = (version ?? "the version before", NodeRole.server.unit, facts.system.words)
        let (stop, start) = (words.stop(unit), words.start(unit))
        let again = "Find out why (\(words.log(unit)) on \(node.name)), put it right and run again: it goes on where it stopped."
        let swap = "`mv /usr/local/bin/k3s.prev /usr/local/bin/k3s`"
        if datastore == .sqlite {
            return again
                + " To go back to \(before) instead: on \(node.name) \(stop) and \(swap), empty \(NodeLayout.database) and unpack "
                + "the newest \(NodeLayout.databaseCopies)/sqlite-*.tar into it, \(start), and set k3s.version back."
        }
        let others = desired.servers.filter { $0.name != node.name }
        let theirs = others.compactMap { self.facts($0)?.system.words }
        let rejoin =
            others.isEmpty
            ? ""
            : " " + ResetRecipe.join(node, others.map(\.name), start: ServiceWords.either(theirs.map { $0.start(unit) })) + ";"
        return again
            + " To go back to \(before) instead: \(ServiceWords.either([stop] + theirs.map { $0.stop(unit) })) on every server; on "
            + "\(node.name), and on every other that has \(desired.k3s.version) already, \(swap); on \(node.name) "
            + "\(ResetRecipe.reset(restoring: "SNAPSHOT")) with the oldest of the snapshots \(nameBeforeUpgrade)-… "
            + "(a run that went on after another saved a further one), then \(start);\(rejoin) "
            + "and set k3s.version back."
    }
}
