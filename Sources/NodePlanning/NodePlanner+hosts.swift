internal import Cryptography
internal import NodeInventory

extension NodePlanner {
    // MARK: Host preparation

    mutating func hostPreparation() -> Phase {
        let tasks = planned(desired.nodes).map { node, facts in
            (node: node.name, steps: preparation(node, facts) + (node.role == .server ? keys(node, facts) : []))
        }
        return Phase(.hostPreparation, concurrency: desired.policy.concurrency, tasks)
    }

    private func preparation(_ node: NodeSpec, _ facts: NodeFacts) -> [PlannedStep] {
        var steps = difference(HostPreparation.modulesFile, facts) + difference(HostPreparation.sysctlsFile, facts)
        if facts.system.usesOpenRC { steps += difference(HostPreparation.logRotationFile, facts) }
        let missing = HostPreparation.modules.filter { !facts.kernel.features.contains($0) && facts.kernel.loadable.contains($0) }
        if !missing.isEmpty { steps.append(PlannedStep(.loadModules(missing), "not loaded")) }
        let different = HostPreparation.sysctls.filter { pair in
            guard let value = facts.kernel.sysctls[pair.key] else {
                // The bridge's settings appear with its module.
                return pair.key.hasPrefix("net.bridge.") && missing.contains("br_netfilter")
            }
            return value != pair.value
        }
        if !different.isEmpty {
            let now = different.map { "\($0.key) is \(facts.kernel.sysctls[$0.key] ?? "not there")" }
            steps.append(PlannedStep(.setSysctls(different), now.joined(separator: ", ")))
        }
        if !facts.kernel.cgroupControllers.contains("memory"), let line = facts.kernel.commandLine {
            let words = HostPreparation.missingWords(line.text)
            if !words.isEmpty {
                steps.append(PlannedStep(.extendKernelCommandLine(path: line.path, words: words), "the memory cgroup is off"))
                steps.append(PlannedStep(.reboot, "the kernel's command line changes"))
            } else if let booted = facts.kernel.bootedWith, !HostPreparation.missingWords(booted).isEmpty {
                steps.append(PlannedStep(.reboot, "the kernel's command line was changed since it started"))
            }
        }
        return steps + firewall(node, facts)
    }

    /// What is let in besides stays as it is.
    private func firewall(_ node: NodeSpec, _ facts: NodeFacts) -> [PlannedStep] {
        guard let rules = FirewallNeeds(desired, node, facts, addresses).missing(facts.network) else { return [] }
        return [PlannedStep(.openFirewall(rules), "\(rules.program.rawValue) is active")]
    }

    /// Doors that homelab opened for nodes that have left, or leave in this very plan; only then, since a node that leaves still speaks with
    /// the others.
    func closedFirewalls() -> Phase {
        // A door may be that of a node whose address cannot be known now.
        let areAllKnown = desired.nodes.allSatisfy { $0.state == .absent || !addresses[$0.name].isEmpty }
        guard areAllKnown else { return Phase(.closedFirewalls, []) }
        let tasks = planned(desired.nodes).compactMap { node, facts -> (node: String, steps: [PlannedStep])? in
            guard let program = facts.network.firewall.flatMap(FirewallRules.Program.init) else { return nil }
            let wanted = FirewallNeeds(desired, node, facts, addresses).sources
            let staying = desired.nodes.filter { $0.state == .absent && !leaving.contains($0.name) && isMember($0) }
            let gone = facts.network.firewallOwn.subtracting(wanted).subtracting(staying.flatMap { addresses[$0.name].map(\.description) })
                .sorted()
            if gone.isEmpty { return nil }
            let step = Step.closeFirewall(FirewallRules(program: program, sources: gone))
            return (node.name, [PlannedStep(step, "is not of the cluster any more")])
        }
        return Phase(.closedFirewalls, concurrency: desired.policy.concurrency, tasks)
    }

    private func isMember(_ node: NodeSpec) -> Bool { cluster.unavailable != nil || cluster.node(named: node.name) != nil }

    /// The keys with which a server's agent logs in to the other nodes and fetches from the repository.
    private func keys(_ node: NodeSpec, _ facts: NodeFacts) -> [PlannedStep] {
        var wanted = [(NodeLayout.agentKey, facts.agent.publicKey, keyComment("agent", node))]
        if needsDeployKey(node) { wanted.append((NodeLayout.deployKey, facts.agent.deployKey, keyComment("fetch", node))) }
        return wanted.compactMap { path, publicKey, comment in
            let isThere = publicKey != nil && facts.files[path].map { $0 != .absent } ?? false
            return isThere ? nil : PlannedStep(.generateKey(path: path, comment: comment), "is missing")
        }
    }

    func keyComment(_ use: String, _ node: NodeSpec) -> String { AuthorizedKey.comment(use, cluster: desired.name, node: node.name) }

    // MARK: Binaries

    mutating func binaries() -> Phase {
        var tasks: [(node: String, steps: [PlannedStep])] = []
        for (node, facts) in planned(desired.nodes) {
            var steps = k3sBinary(node, facts)
            if upgrading[node.name] == nil, !isVersionKept(node, facts) { steps += images(facts) }
            if node.role == .server { steps += homelabBinary(node, facts) }
            tasks.append((node.name, steps))
        }
        return Phase(.binaries, concurrency: desired.policy.concurrency, tasks)
    }

    private mutating func k3sBinary(_ node: NodeSpec, _ facts: NodeFacts) -> [PlannedStep] {
        guard let architecture = facts.system.architecture else { return [] }
        var steps: [PlannedStep] = []
        if let sha256 = context.k3s[architecture] {
            if let reason = replacement(facts.k3s.binary, by: sha256, version: desired.k3s.version.description) {
                let artifact = Artifact(name: .k3s, architecture: architecture, sha256: sha256, path: NodeLayout.k3s)
                if upgrading[node.name] != nil {
                    // Everything slow happens before the node is emptied.
                    steps.append(PlannedStep(.uploadBinary(artifact), reason))
                } else if isVersionKept(node, facts) {
                    return []
                } else {
                    steps.append(PlannedStep(.installBinary(artifact), reason))
                }
            }
        } else if facts.k3s.binary?.version != desired.k3s.version.description {
            wait(node.name, "needs k3s \(desired.k3s.version) for \(architecture.rawValue), which is not at hand", "see k3s.source")
            return []
        }
        let links = ["kubectl", "crictl", "ctr"].filter { facts.commands[$0] == nil }
        if !links.isEmpty { steps.append(PlannedStep(.link(names: links, target: "k3s"), "no such command")) }
        return steps
    }

    func replacement(_ binary: BinaryFact?, by sha256: String, version: String?) -> String? {
        guard let binary else { return "is missing" }
        if binary.sha256 == sha256 { return nil }
        if let found = binary.version, found != version { return "is \(found)" }
        return "is another build (sha256 \(binary.sha256.prefix(12)))"
    }

    /// A node in service whose other version this plan does not change; why was said where upgrades are chosen.
    private func isVersionKept(_ node: NodeSpec, _ facts: NodeFacts) -> Bool {
        guard facts.holdsCluster || facts.isActive(node.role.unit), let version = facts.k3s.binary?.version else { return false }
        return version != desired.k3s.version.description
    }

    /// k3s' images, brought along where the inventory says `airgap` or the binary comes from a folder that has them; before k3s starts,
    /// since it imports them then.
    func images(_ facts: NodeFacts) -> [PlannedStep] {
        guard let architecture = facts.system.architecture, let (archive, path) = context.missingImages(facts) else { return [] }
        let artifact = Artifact(name: .images, architecture: architecture, sha256: archive.sha256, path: path)
        return [PlannedStep(.installImages(artifact), facts.k3s.images.isEmpty ? "are missing" : "are of another version")]
    }

    /// Why a machine that is to have the archive of images would not come up by itself: it could not be had.
    func lackOfImages(_ facts: NodeFacts) -> (text: String, remedy: String)? {
        guard desired.k3s.bringsImages, let architecture = facts.system.architecture, context.images[architecture] == nil else {
            return nil
        }
        return ("the archive of k3s' images for \(architecture.rawValue) is not at hand", "see k3s.source, or leave k3s.airgap out")
    }

    private mutating func homelabBinary(_ node: NodeSpec, _ facts: NodeFacts) -> [PlannedStep] {
        guard let architecture = facts.system.architecture else { return [] }
        if isSwitched(facts) { return [] }
        guard let sha256 = context.homelab[architecture] else {
            if facts.agent.binary == nil {
                wait(
                    node.name, "gets no homelab agent: there is no homelab binary for \(architecture.rawValue)",
                    "build it on such a machine and give --agent-binary \(architecture.rawValue)=FILE")
            }
            return []
        }
        guard context.replacesHomelab || facts.agent.binary == nil,
            let reason = replacement(facts.agent.binary, by: sha256, version: desired.agent.version)
        else { return [] }
        let artifact = Artifact(name: .homelab, architecture: architecture, sha256: sha256, path: NodeLayout.homelab)
        return [PlannedStep(.installBinary(artifact), reason)]
    }

    // MARK: Comparing a file

    /// The step that writes `file`, when what is on the node differs from it.
    func difference(_ file: PlannedFile, _ facts: NodeFacts) -> [PlannedStep] {
        reasonToWrite(file, facts).map { [PlannedStep(.writeFile(file), $0)] } ?? []
    }

    /// Why `file` has to be written; nil when the node has it, with its mode and owner.
    func reasonToWrite(_ file: PlannedFile, _ facts: NodeFacts) -> String? {
        guard let fact = facts.files[file.path], fact != .absent else { return "is missing" }
        guard case .file(let sha256, let mode, let owner, _) = fact else { return "is not a file" }
        if mode != file.mode { return "has mode \(mode), not \(file.mode)" }
        if owner != "root" { return "belongs to \(owner)" }
        guard let text = file.resolved(context.secrets), let sha256 else { return nil }
        return sha256 == SHA256.hex(of: text) ? nil : "differs"
    }
}
