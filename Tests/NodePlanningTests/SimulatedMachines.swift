import Cryptography
import NodeInventory
import YAML

@testable import NodePlanning

/// Carries a plan out on facts instead of machines: what each step says it does is what the next look sees.
struct SimulatedMachines {
    let spec: ClusterSpec
    private(set) var observed: [String: NodeObservation]
    private(set) var cluster: ClusterFacts

    init(spec: ClusterSpec, observed: [String: NodeObservation], cluster: ClusterFacts) {
        self.spec = spec
        self.observed = observed
        self.cluster = cluster
        // A step that waits for the API has seen it answer.
        self.cluster.unavailable = nil
    }

    mutating func carryOut(_ plan: NodePlan) {
        for task in plan.phases.flatMap(\.tasks) {
            for planned in task.steps {
                guard var facts = observed[task.node]?.facts else { continue }
                carryOut(planned.step, on: task.node, &facts)
                observed[task.node] = .facts(facts)
            }
        }
    }

    private mutating func carryOut(_ step: Step, on node: String, _ facts: inout NodeFacts) {
        let now = facts.clock.printed
        func file(_ sha256: String?, _ mode: String) -> FileFact { .file(sha256: sha256, mode: mode, owner: "root", modified: now - 10) }
        switch step {
        case .writeFile(let file_):
            let text = file_.resolved(PlanningCase.context.secrets) ?? ""
            facts.files[file_.path] = file(SHA256.hex(of: text), file_.mode)
            if file_.path == NodeLayout.k3sConfig { facts.k3s.config = text }
        case .loadModules(let names): facts.kernel.features.formUnion(names)
        case .setSysctls(let pairs): for pair in pairs { facts.kernel.sysctls[pair.key] = pair.value }
        case .extendKernelCommandLine(_, let words): facts.kernel.commandLine?.text += " " + words.joined(separator: " ")
        case .reboot: facts.kernel.cgroupControllers.insert("memory")
        case .installBinary(let artifact):
            let version = artifact.name == .k3s ? spec.k3s.version.description : "0.1.0"
            let binary = BinaryFact(sha256: artifact.sha256, version: version)
            if artifact.name == .k3s { facts.k3s.binary = binary } else { facts.agent.binary = binary }
        case .link(let names, _): for name in names { facts.commands[name] = NodeLayout.binaries + name }
        case .writeToken(let source):
            facts.files[NodeLayout.token] = file(nil, "0600")
            if case .bootstrapToken = source {
                facts.k3s.joinTokenID = "join-\(node)"
                cluster.bootstrapTokens.insert("join-\(node)")
            }
        case .enableUnit(let unit):
            facts.units[unit] = UnitFact(
                active: facts.units[unit].map { $0.active == "absent" ? "inactive" : $0.active } ?? "inactive", enabled: true)
        case .startUnit(let unit), .restartUnit(let unit):
            facts.units[unit] = UnitFact(active: "active", enabled: facts.units[unit]?.enabled ?? false, started: now)
            if unit == NodeLayout.agentUnit { return }
            facts.k3s.hasNodePassword = true
            if unit == NodeRole.server.unit { facts.k3s.datastore = spec.datastore }
            guard cluster.node(named: node) == nil else { return }
            var member = ClusterNode(name: node)
            member.ready = true
            if unit == NodeRole.server.unit, spec.datastore == .etcd { member.labels["node-role.kubernetes.io/etcd"] = "true" }
            cluster.nodes.append(member)
        case .revokeToken(let id, let node, _): cluster.bootstrapTokens.remove(id ?? "join-\(node)")
        case .updateNode(let change, _): update(change)
        case .createRepository(_, let owner, _): facts.agent.repositoryOwner = owner
        case .generateKey(let path, _):
            facts.files[path] = file(nil, "0600")
            let key = "ssh-ed25519 AAAA\(node)"
            if path == NodeLayout.agentKey { facts.agent.publicKey = key } else { facts.agent.deployKey = key }
        case .authorizeKeys(let keys, _, _):
            for key in keys { facts.access.authorizedKeys[key.comment] = key.line("ssh-ed25519 AAAA\(key.node)") }
        case .writeSecretFile(let path, _): facts.files[path] = file(nil, "0600")
        case .makeDirectory, .awaitK3s, .awaitNode, .awaitAgent, .fetchKubeconfig: break
        }
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
