import Cryptography
import NodeInventory
import YAML

@testable import NodePlanning

/// Carries a plan out on facts instead of machines: what each step says it does is what the next look sees.
struct SimulatedMachines {
    var spec: ClusterSpec
    var observed: [String: NodeObservation]
    var cluster: ClusterFacts

    init(spec: ClusterSpec, observed: [String: NodeObservation], cluster: ClusterFacts) {
        self.spec = spec
        self.observed = observed
        self.cluster = cluster
        // A step that waits for the API has seen it answer.
        self.cluster.unavailable = nil
    }

    /// - Parameter steps: how many of them are carried out before the run is killed; nil: all.
    /// - Returns: whether the plan was carried out to its end.
    @discardableResult
    mutating func carryOut(_ plan: NodePlan, steps limit: Int? = nil) -> Bool {
        var done = 0
        for task in plan.phases.flatMap(\.tasks) {
            for planned in task.steps {
                if let limit, done >= limit { return false }
                done += 1
                trace.append((task.node, planned.step))
                guard var facts = observed[task.node]?.facts else { continue }
                carryOut(planned.step, on: task.node, &facts)
                observed[task.node] = .facts(facts)
                clock += 1
            }
        }
        return true
    }

    /// Every step that was carried out, over all plans.
    private(set) var trace: [(node: String, step: Step)] = []
    /// Leaves out of the trace what was done before.
    mutating func forget(_ count: Int) { trace.removeFirst(count) }

    /// Seconds that the steps took, by which the machines' clocks go on.
    private var clock = 0.0

    /// What a look at the machines sees now: the API answers when a server runs.
    mutating func look() -> (observed: [String: NodeObservation], cluster: ClusterFacts) {
        for (node, observation) in observed {
            guard var facts = observation.facts else { continue }
            facts.clock.printed += clock
            facts.clock.now += clock
            observed[node] = .facts(facts)
        }
        clock = 0
        let isServing = observed.contains { name, observation in
            spec.node(named: name)?.role == .server && observation.facts?.isActive(NodeRole.server.unit) == true
        }
        return (observed, isServing ? cluster : ClusterFacts(unavailable: "no server runs"))
    }

    private mutating func carryOut(_ step: Step, on node: String, _ facts: inout NodeFacts) {
        let now = facts.clock.printed + clock
        func file(_ sha256: String?, _ mode: String) -> FileFact { .file(sha256: sha256, mode: mode, owner: "root", modified: now - 0.5) }
        switch step {
        case .writeFile(let file_):
            let text = file_.resolved(PlanningCase.context.secrets) ?? ""
            facts.files[file_.path] = file(SHA256.hex(of: text), file_.mode)
            if file_.path == NodeLayout.k3sConfig { facts.k3s.config = text }
        case .loadModules(let names): facts.kernel.features.formUnion(names)
        case .setSysctls(let pairs): for pair in pairs { facts.kernel.sysctls[pair.key] = pair.value }
        case .extendKernelCommandLine(_, let words): facts.kernel.commandLine?.text += " " + words.joined(separator: " ")
        case .reboot:
            facts.kernel.cgroupControllers.insert("memory")
            facts.kernel.bootedWith = facts.kernel.commandLine?.text
        case .installBinary(let artifact):
            let version = artifact.name == .k3s ? spec.k3s.version.description : "0.1.0"
            let binary = BinaryFact(sha256: artifact.sha256, version: version)
            if artifact.name == .k3s { facts.k3s.binary = binary } else { facts.agent.binary = binary }
            facts.files[artifact.path] = file(nil, "0755")
        case .installImages(let artifact): facts.k3s.images = [artifact.path]
        case .link(let names, _): for name in names { facts.commands[name] = NodeLayout.binaries + name }
        case .writeToken(let source):
            facts.files[NodeLayout.token] = file(nil, "0600")
            if case .bootstrapToken = source {
                facts.k3s.joinTokenID = "join-\(node)"
                cluster.bootstrapTokens["join-\(node)"] = TokenSource.description(of: node)
            }
        case .enableUnit(let name):
            let unit = Self.unit(name)
            facts.units[unit] = UnitFact(
                active: facts.units[unit].map { $0.active == "absent" ? "inactive" : $0.active } ?? "inactive", enabled: true)
        case .startUnit(let name), .restartUnit(let name):
            let unit = Self.unit(name)
            facts.units[unit] = UnitFact(active: "active", enabled: facts.units[unit]?.enabled ?? false, started: now)
            if unit == NodeLayout.agentUnit { return }
            start(node, unit, &facts)
        case .stopUnit(let name):
            let unit = Self.unit(name)
            if facts.units[unit] != nil { facts.units[unit] = UnitFact(active: "inactive", enabled: facts.units[unit]?.enabled ?? false) }
            if unit != NodeLayout.agentUnit, let at = index(node) { cluster.nodes[at].ready = false }
        case .revokeToken(let id, let node, _): cluster.bootstrapTokens[id ?? "join-\(node)"] = nil
        case .updateNode(let change, _): update(change)
        case .createRepository(_, let owner, _): facts.agent.repositoryOwner = owner
        case .generateKey(let path, _):
            facts.files[path] = file(nil, "0600")
            let key = "ssh-ed25519 AAAA\(node)"
            if path == NodeLayout.agentKey { facts.agent.publicKey = key } else { facts.agent.deployKey = key }
        case .authorizeKeys(let keys, _, _):
            for key in keys { facts.access.authorizedKeys[key.comment] = key.line("ssh-ed25519 AAAA\(key.node)") }
        case .writeSecretFile(let path, _): facts.files[path] = file(nil, "0600")
        case .cordon(let node, let mark, _):
            if let at = index(node) {
                if !cluster.nodes[at].unschedulable { cluster.nodes[at].annotations[ClusterNode.cordonAnnotation] = mark.rawValue }
                cluster.nodes[at].unschedulable = true
            }
        case .uncordon(let node, _):
            if let at = index(node), cluster.nodes[at].annotations.removeValue(forKey: ClusterNode.cordonAnnotation) != nil {
                cluster.nodes[at].unschedulable = false
            }
        case .removeMember(let node, _):
            if let at = index(node) {
                let name = cluster.nodes[at].annotations["etcd.k3s.cattle.io/node-name"]
                cluster.nodes[at].annotations["etcd.k3s.cattle.io/removed-node-name"] = name
                cluster.nodes[at].ready = false
            }
        case .deleteNode(let node, _): cluster.nodes.removeAll { $0.name == node }
        case .uninstall: facts = cleaned(facts)
        case .revokeKeys(let comments, _, _): for comment in comments { facts.access.authorizedKeys[comment] = nil }
        case .openFirewall(let rules):
            facts.network.firewallSources.formUnion(rules.sources)
            facts.network.firewallOwn.formUnion(rules.sources)
            facts.network.firewallPorts.formUnion(rules.ports)
        case .closeFirewall(let rules):
            facts.network.firewallSources.subtract(rules.sources)
            facts.network.firewallOwn.subtract(rules.sources)
        case .switchAgent(let change):
            facts.agent.binary = BinaryFact(sha256: change.artifact.sha256, version: spec.agent.version)
        case .awaitNode(let node, _, _, _): if let at = index(node) { cluster.nodes[at].ready = true }
        case .makeDirectory, .awaitK3s, .awaitAgent, .fetchKubeconfig, .uploadBinary, .saveSnapshot, .copyDatabase, .bringCopy, .drain,
            .awaitWorkloads, .restoreBinary:
            break
        }
    }

    /// A look names OpenRC's services as systemd would.
    private static func unit(_ name: String) -> String { name.hasSuffix(".service") ? name : name + ".service" }

    private func index(_ node: String) -> Int? { cluster.nodes.firstIndex { $0.name == node } }

    private mutating func start(_ node: String, _ unit: String, _ facts: inout NodeFacts) {
        facts.k3s.hasNodePassword = true
        let isMember = unit == NodeRole.server.unit && (facts.k3s.datastore ?? spec.datastore) == .etcd
        if unit == NodeRole.server.unit, facts.k3s.datastore != .etcd {
            facts.k3s.datastore =
                facts.k3s.config?.contains("cluster-init: true") == false ? facts.k3s.datastore ?? spec.datastore : spec.datastore
        }
        let version = facts.k3s.binary?.version ?? ""
        if let at = index(node) {
            cluster.nodes[at].ready = true
            cluster.nodes[at].kubeletVersion = version
            cluster.nodes[at].machineID = facts.system.machineID
            return
        }
        var member = ClusterNode(name: node)
        member.ready = true
        member.kubeletVersion = version
        member.machineID = facts.system.machineID
        if isMember {
            member.labels["node-role.kubernetes.io/etcd"] = "true"
            member.annotations["etcd.k3s.cattle.io/node-name"] = node + "-\(trace.count)"
        }
        cluster.nodes.append(member)
    }

    /// What an uninstalled machine shows: what it is, and nothing of homelab or k3s.
    private func cleaned(_ facts: NodeFacts) -> NodeFacts {
        var clean = NodeFacts()
        clean.system = facts.system
        clean.clock = facts.clock
        clean.resources = facts.resources
        clean.kernel = facts.kernel
        clean.network = facts.network
        clean.access = facts.access
        clean.access.authorizedKeys = [:]
        clean.commands = facts.commands.filter { !$0.value.hasPrefix(NodeLayout.binaries) }
        return clean
    }

    private mutating func update(_ change: NodeMetadataChange) {
        guard let at = cluster.nodes.firstIndex(where: { $0.name == change.node }) else { return }
        cluster.nodes[at].labels.merge(change.setLabels) { $1 }
        for key in change.removeLabels { cluster.nodes[at].labels[key] = nil }
        cluster.nodes[at].taints.removeAll { taint in
            (change.setTaints + change.removeTaints).contains { $0.key == taint.key && $0.effect == taint.effect }
        }
        cluster.nodes[at].taints += change.setTaints
        cluster.nodes[at].annotations.merge(change.annotations) { $1 }
    }
}
