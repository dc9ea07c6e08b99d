internal import BootstrapAssets
internal import Cryptography
internal import Diagnostics
internal import NodeInventory

extension NodePlanner {
    // MARK: Labels and taints

    /// homelab's record on the Node object of the labels and taints that are its own: one that leaves the inventory is taken away,
    /// one that somebody else set is left.
    static let labelsAnnotation = "homelab.dev/labels"
    static let taintsAnnotation = "homelab.dev/taints"

    mutating func metadata() -> Phase {
        guard let leader else { return Phase(.metadata, []) }
        var steps: [PlannedStep] = []
        for (node, facts) in planned(desired.nodes) {
            // A Node that is deleted first comes back with nothing that was on it.
            let member = replaced.contains(node.name) ? nil : cluster.node(named: node.name)
            // Without a Node object there is nothing to label, unless this plan brings it.
            if isPaused(node) || member == nil && !joining.contains(node.name) { continue }
            if let change = Self.change(node, member) {
                steps.append(PlannedStep(.updateNode(change.value, via: leader.name), change.reason))
            }
            if member?.cordon != nil, upgrading[node.name] == nil {
                steps.append(PlannedStep(.uncordon(node: node.name, via: leader.name), "an earlier run cordoned it, and what for is over"))
            }
            if node.role == .agent { steps += tokensToDelete(node, facts, via: leader) }
        }
        return Phase(.metadata, [(leader.name, steps)])
    }

    /// Join tokens are deleted as soon as their node is in: the one of this plan, and those that interrupted runs left.
    private func tokensToDelete(_ node: NodeSpec, _ facts: NodeFacts, via leader: NodeSpec) -> [PlannedStep] {
        func delete(_ id: String?, _ reason: String) -> PlannedStep {
            PlannedStep(.revokeToken(id: id, node: node.name, via: leader.name), reason)
        }
        let id = facts.k3s.joinTokenID.flatMap { cluster.bootstrapTokens[$0] == nil ? nil : $0 }
        // Whoever made one was cut off before the node had it.
        let lost = cluster.bootstrapTokens.filter { $0.key != id && $0.value == TokenSource.description(of: node.name) }.keys.sorted()
            .map { delete($0, "was made for it and never used") }
        if joining.contains(node.name) || tokensRenewed.contains(node.name) { return [delete(id, "has been used then")] + lost }
        guard cluster.node(named: node.name)?.ready == true else { return [] }
        return (id.map { [delete($0, "has been used")] } ?? []) + lost
    }

    /// All labels a node is to have: the inventory's, and for agents the role that `kubectl get nodes` shows.
    static func labels(_ node: NodeSpec) -> [String: String] {
        var labels = node.labels
        if node.role == .agent, labels["node-role.kubernetes.io/worker"] == nil { labels["node-role.kubernetes.io/worker"] = "true" }
        return labels
    }

    static func change(_ node: NodeSpec, _ member: ClusterNode?) -> (value: NodeMetadataChange, reason: String)? {
        var change = NodeMetadataChange(node: node.name)
        let labels = labels(node)
        change.setLabels = labels.filter { member?.labels[$0.key] != $0.value }
        let ownLabels = list(member?.annotations[labelsAnnotation])
        change.removeLabels = ownLabels.filter { labels[$0] == nil && member?.labels[$0] != nil }
        change.setTaints = node.taints.filter { member?.taints.contains($0) != true }
        let ownTaints = list(member?.annotations[taintsAnnotation]).compactMap { Taint($0) }
        change.removeTaints = ownTaints.filter { own in
            !node.taints.contains { $0.key == own.key && $0.effect == own.effect } && member?.taints.contains(own) == true
        }
        let record = [
            (labelsAnnotation, labels.keys.sorted().joined(separator: ",")),
            (taintsAnnotation, node.taints.map(\.description).sorted().joined(separator: ",")),
        ]
        for (key, text) in record where (member?.annotations[key] ?? "") != text { change.annotations[key] = text }
        let words =
            change.setLabels.sorted { $0.key < $1.key }.map { "label \($0.key)=\($0.value)" }
            + change.removeLabels.map { "no label \($0)" } + change.setTaints.map { "taint \($0)" }
            + change.removeTaints.map { "no taint \($0)" }
        if words.isEmpty, change.annotations.isEmpty { return nil }
        return (change, words.isEmpty ? "homelab's record of its labels" : words.joined(separator: ", "))
    }

    static func list(_ text: String?) -> [String] { (text ?? "").split(separator: ",").map(String.init) }

    // MARK: Kubeconfig

    mutating func kubeconfig() -> Phase {
        guard let leader, context.wantsKubeconfig, !context.hasKubeconfig else { return Phase(.kubeconfig, []) }
        let server = desired.endpoint.map { K3sConfiguration.url(of: $0.host, port: $0.port) } ?? K3sConfiguration.url(of: leader.host)
        return Phase(.kubeconfig, [(leader.name, [PlannedStep(.fetchKubeconfig(server: server), "is not here")])])
    }

    // MARK: Repository

    /// The server that keeps the bare repository: where one is already, else the first of the inventory.
    var repositoryServer: NodeSpec? {
        guard desired.repository.url == nil else { return nil }
        return desired.servers.first { facts($0)?.agent.repositoryOwner != nil } ?? desired.servers.first
    }

    /// Whom the agents fetch the repository as; nil: the inventory names nobody, and its server cannot be asked.
    private var repositoryUser: String? {
        guard let server = repositoryServer else { return nil }
        if let written = server.writtenUser { return written }
        return facts(server).map { $0.agent.repositoryOwner ?? $0.access.user }
    }

    /// Whether k3s runs on a server, or will when the phases before have passed: nothing is put beside a k3s that is not there.
    private func isServing(_ node: NodeSpec, _ facts: NodeFacts) -> Bool {
        facts.isActive(NodeRole.server.unit) && !facts.keepsClusterElsewhere || joining.contains(node.name)
    }

    func needsDeployKey(_ node: NodeSpec) -> Bool {
        if let url = desired.repository.url { return url.hasPrefix("ssh://") }
        return node.name != repositoryServer?.name
    }

    mutating func gitRepository() -> Phase {
        guard let server = repositoryServer, let facts = facts(server), isServing(server, facts) else { return Phase(.repository, []) }
        var steps: [PlannedStep] = []
        if let owner = facts.agent.repositoryOwner {
            // An agent that looks at its own machine is root where nobody wrote another user.
            let user = server.writtenUser ?? (facts.access.user == "root" ? owner : facts.access.user)
            if owner != user {
                wait(server.name, "its repository belongs to \(owner), and \(user) cannot push to it", "chown -R it, or correct user:")
            }
        } else {
            steps.append(
                PlannedStep(
                    .createRepository(
                        path: NodeLayout.repository, owner: repositoryUser ?? server.user, branch: desired.repository.branch),
                    "is missing"))
        }
        let names = ["git-receive-pack", "git-upload-pack"].filter { facts.commands[$0] == nil }
        if !names.isEmpty { steps.append(PlannedStep(.link(names: names, target: "homelab"), "git is not installed")) }
        let others = planned(desired.servers).map(\.node).filter { $0.name != server.name }
        let keys = others.map { other in
            AuthorizedKey(
                node: other.name, purpose: .fetch(repository: NodeLayout.repository), from: sources(of: other, to: server),
                comment: keyComment("fetch", other))
        }
        steps += authorization(keys, on: server, facts) { $0.agent.deployKey }
        return Phase(.repository, [(server.name, steps)])
    }

    /// The addresses that a server's connections to a machine may come from: SSH may go another way than k3s. None where they cannot be
    /// known, as behind other hosts, or over IPv6 from an address that changes.
    private func sources(of server: NodeSpec, to node: NodeSpec) -> [String] {
        guard node.jumps.isEmpty else { return [] }
        let (known, target) = (addresses[server.name], IPAddress(node.host))
        // The endpoint's own address goes from server to server, and those of the pods' network come with k3s.
        let shared = desired.endpoint.flatMap { IPAddress($0.host) }
        let ranges = desired.network.pods + desired.network.services
        var own = (facts(server)?.network.ownAddresses ?? []).filter { own in
            let address = own.cidr.address
            return target.map { $0.isV4 == address.isV4 } ?? true && address != shared && !ranges.contains { $0.contains(address) }
        }
        // To a machine of a network that it is in, a server goes with its address there.
        let near = own.filter { own in target.map { own.cidr.contains($0) } ?? false }
        if !near.isEmpty { own = near }
        if own.contains(where: { $0.dynamic && !$0.cidr.address.isV4 }) { return [] }
        return known.map(\.description) + Set(own.map(\.cidr.address)).subtracting(known).map(\.description).sorted()
    }

    /// The keys of another user than SSH logs in as were not looked at. Where the inventory names nobody it is who did log in.
    func isLogin(_ facts: NodeFacts, to node: NodeSpec) -> Bool { facts.access.user == node.writtenUser ?? facts.access.user }

    /// The step that lets keys in which are not there yet, or with other limits.
    private func authorization(
        _ keys: [AuthorizedKey], on node: NodeSpec, _ facts: NodeFacts, _ publicKey: (NodeFacts) -> String?
    ) -> [PlannedStep] {
        guard isLogin(facts, to: node) else { return [] }
        let missing = keys.filter { key in
            guard let owner = desired.node(named: key.node).flatMap({ self.facts($0) }), let line = publicKey(owner).flatMap(key.line)
            else {
                // It is made by this plan, but not on a machine that is left as it is.
                return desired.node(named: key.node).map { !isHeld($0) } ?? true
            }
            return facts.access.authorizedKeys[key.comment] != line
        }
        if missing.isEmpty { return [] }
        let names = missing.map(\.node).joined(separator: ", ")
        let use = missing.contains { $0.purpose == .manage } ? "not authorised" : "cannot fetch yet"
        return [PlannedStep(.authorizeKeys(missing, user: facts.access.user, home: facts.access.home), "\(names): \(use)")]
    }

    // MARK: The homelab agent

    mutating func homelabAgents() -> Phase {
        var tasks: [(node: String, steps: [PlannedStep])] = []
        for (node, facts) in planned(desired.nodes) {
            let servers = planned(desired.servers).map(\.node).filter { $0.name != node.name }
            let keys = servers.map { server in
                AuthorizedKey(
                    node: server.name, purpose: .manage, from: sources(of: server, to: node), comment: keyComment("agent", server))
            }
            var steps = authorization(keys, on: node, facts) { $0.agent.publicKey }
            if node.role == .server, isServing(node, facts) {
                if let lacked = agentSecrets.first(where: { context.leavesToBootstrap($0.source, to: $0.path, facts) }) {
                    wait(
                        node.name, "its agent stays as it is: only homelab bootstrap has \(lacked.name)", PlanningContext.bootstrapRemedy)
                } else {
                    steps += agentService(node, facts)
                }
            }
            tasks.append((node.name, steps))
        }
        return Phase(.homelabAgent, concurrency: desired.policy.concurrency, tasks)
    }

    private func agentService(_ node: NodeSpec, _ facts: NodeFacts) -> [PlannedStep] {
        let wanted = facts.system.architecture.flatMap { context.homelab[$0] }
        guard wanted != nil || facts.agent.binary != nil, let configuration = agentConfiguration(node) else { return [] }
        var steps: [PlannedStep] = []
        var reasons: [String] = []
        let service = facts.system.service(NodeLayout.agentUnit)
        let files = [
            PlannedFile(path: NodeLayout.agentConfiguration, mode: "0600", text: configuration.encoded),
            PlannedFile(path: NodeLayout.knownHosts, mode: "0644", text: knownHosts),
            facts.system.usesOpenRC
                ? PlannedFile(path: NodeLayout.unitFile(service), mode: "0755", text: BootstrapAssets.homelabAgentService)
                : PlannedFile(path: NodeLayout.unitFile(service), mode: "0644", text: BootstrapAssets.homelabAgentUnit),
        ]
        let isUnsure = desired.repository.url == nil && repositoryUser == nil
        for file in files {
            // While the repository's server cannot be asked whom it belongs to, the URL that was written stays.
            if isUnsure, file.path == NodeLayout.agentConfiguration, let fact = facts.files[file.path], fact != .absent { continue }
            let name = file.path.split(separator: "/").last.map(String.init) ?? file.path
            if let reason = reasonToWrite(file, facts) {
                steps.append(PlannedStep(.writeFile(file), reason))
                reasons.append("\(name) \(reason)")
            } else if isNewer(file.path, than: NodeLayout.agentUnit, facts) {
                reasons.append("\(name) is newer than the running process")
            }
        }
        for file in agentSecrets {
            guard let reason = reasonToWrite(file.source, to: file.path, facts) else { continue }
            steps.append(PlannedStep(.writeSecretFile(path: file.path, source: file.source), reason))
            reasons.append("\(file.name) \(reason)")
        }
        if context.replacesHomelab, let wanted, let binary = facts.agent.binary, binary.sha256 != wanted, !isSwitched(facts) {
            reasons.append("the binary is replaced")
        }
        let state = facts.units[NodeLayout.agentUnit]
        if state?.enabled != true || steps.contains(where: { $0.step.path == NodeLayout.unitFile(service) }) || state?.needsReload == true {
            steps.append(PlannedStep(.enableUnit(service), state?.enabled == true ? "its unit file changes" : "is not enabled"))
        }
        if state?.active == "active" {
            if !reasons.isEmpty { steps.append(PlannedStep(.restartUnit(service), reasons.joined(separator: "; "))) }
        } else {
            steps.append(
                PlannedStep(
                    .startUnit(service), state.map { $0.active == "absent" ? "is not installed" : "is \($0.active)" } ?? "is not installed")
            )
        }
        if !steps.isEmpty { steps.append(PlannedStep(.awaitAgent(listen: desired.agent.listen), "must be healthy")) }
        return steps
    }

    /// What the operator's side has for the agents.
    private var agentSecrets: [(path: String, source: SecretReference, name: String)] {
        [
            (NodeLayout.repositoryToken, desired.repository.token, "the repository's token"),
            (NodeLayout.repositoryCA, desired.repository.ca, "the repository's ca"),
            (NodeLayout.webhookSecret, desired.agent.webhook?.secret, "the webhook's secret"),
            (NodeLayout.allowedSigners, desired.repository.signers, "the list of signers"),
        ].compactMap { path, source, name in source.map { (path, $0, name) } }
    }

    private func reasonToWrite(_ source: SecretReference, to path: String, _ facts: NodeFacts) -> String? {
        guard case .file(let sha256, let mode, _, _)? = facts.files[path] else { return "is missing" }
        if mode != "0600" { return "has mode \(mode), not 0600" }
        guard let secret = context.secrets[source], let sha256 else { return nil }
        return sha256 == SHA256.hex(of: secret.revealed + "\n") ? nil : "differs"
    }

    private func agentConfiguration(_ node: NodeSpec) -> AgentConfiguration? {
        let wanted = desired.repository
        var repository: AgentConfiguration.Repository
        if let url = wanted.url {
            repository = .init(url: url, branch: wanted.branch)
            repository.username = wanted.username
            if wanted.token != nil { repository.tokenFile = NodeLayout.repositoryToken }
            if wanted.ca != nil { repository.caFile = NodeLayout.repositoryCA }
        } else {
            guard let server = repositoryServer else { return nil }
            let host = server.address.contains(":") ? "[\(server.address)]" : server.address
            let port = server.port == 22 ? "" : ":\(server.port)"
            let remote = "ssh://\(repositoryUser ?? server.user)@\(host)\(port)\(NodeLayout.repository)"
            repository = .init(url: server.name == node.name ? NodeLayout.repository : remote, branch: wanted.branch)
        }
        if repository.url.hasPrefix("ssh://") {
            repository.identityFile = NodeLayout.deployKey
            repository.knownHostsFile = NodeLayout.knownHosts
        }
        var configuration = AgentConfiguration(cluster: desired.name, node: node.name, repository: repository)
        if wanted.signers != nil { configuration.repository.signersFile = NodeLayout.allowedSigners }
        if let path = wanted.path { configuration.path = path }
        configuration.unit = wanted.unit
        configuration.listen = desired.agent.listen
        if let webhook = desired.agent.webhook {
            configuration.webhookListen = webhook.listen
            configuration.webhookSecretFile = NodeLayout.webhookSecret
        }
        configuration.allowsRemoteBases = desired.agent.allowsRemoteBases
        configuration.pollInterval = desired.agent.pollInterval
        return configuration
    }

    /// The host keys the agents accept when they fetch the repository: those of the servers and of the repository's host. (Nodes are
    /// reached with the pins of the inventory itself.) The repository's server is known
    /// through the connection of this very run, so its keys are taken from there when they are not pinned.
    private var knownHosts: String {
        var lines: [String] = []
        for node in desired.servers {
            var keys = node.hostKeys.filter(\.isWhole)
            if keys.isEmpty, node.name == repositoryServer?.name { keys = facts(node)?.access.hostKeys ?? [] }
            var names = [node.host]
            if node.address != node.host { names.append(node.address) }
            let hosts = names.map { node.port == 22 ? $0 : "[\($0)]:\(node.port)" }.joined(separator: ",")
            lines += keys.map { "\(hosts) \($0)" }.sorted()
        }
        if let url = desired.repository.url, let host = Self.host(ofSSH: url) {
            lines += desired.repository.hostKeys.filter(\.isWhole).map { "\(host) \($0)" }.sorted()
        }
        return "# Written by homelab from the inventory's pins.\n" + lines.map { $0 + "\n" }.joined()
    }

    /// As known_hosts names it: `host`, or `[host]:port` for another port than 22.
    static func host(ofSSH url: String) -> String? {
        guard url.hasPrefix("ssh://") else { return nil }
        let authority = url.dropFirst("ssh://".count).prefix { $0 != "/" }
        let target = authority.split(separator: "@").last.map(String.init) ?? ""
        guard let endpoint = Endpoint(target, defaultPort: 22) else { return nil }
        return endpoint.port == 22 ? endpoint.host : "[\(endpoint.host)]:\(endpoint.port)"
    }
}

extension HostKey {
    /// A fingerprint cannot stand in a known_hosts file.
    var isWhole: Bool { if case .key = self { true } else { false } }
}
