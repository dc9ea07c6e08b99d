internal import Diagnostics
internal import NodeInventory
internal import YAML

/// The sections that homelab's own files on the servers hold the answers to; secrets stay there, and the operator is told to give them.
extension AdoptedCluster {
    // MARK: repository

    mutating func repository() -> Value? {
        guard let agent = agents.first else { return nil }
        let (recorded, usual) = (agent.repository, RepositorySpec())
        var repository = Object()
        if !isRepositoryOnServer {
            repository["url"] = .string(recorded.url)
            if let name = recorded.username { repository["username"] = .string(name) }
            if recorded.tokenFile != nil {
                repository["token"] = secret("REPOSITORY_TOKEN", "the repository's token", in: NodeLayout.repositoryToken, agent)
            }
            if recorded.caFile != nil {
                let file = file("repository-ca.crt", "the repository's ca", NodeLayout.repositoryCA, agent)
                repository["ca"] = ["file": .string(file)]
            }
            if let host = NodePlanner.host(ofSSH: recorded.url) {
                let keys = machines.lazy.map(\.record.knownHosts).first { !$0.isEmpty } ?? []
                let own = keys.filter { $0.description == host }.map { Value.string($0.key.description) }
                if !own.isEmpty { repository["hostKeys"] = .array(own) }
            }
        }
        if recorded.branch != usual.branch { repository["branch"] = .string(recorded.branch) }
        if agent.path != AgentConfiguration(cluster: agent.cluster, node: agent.node, repository: recorded).path {
            repository["path"] = .string(agent.path)
        }
        if let unit = agent.unit { repository["unit"] = ["namespace": .string(unit.namespace), "name": .string(unit.name)] }
        if recorded.signersFile != nil {
            repository["signers"] = .string(file("allowed_signers", "the list of signers", NodeLayout.allowedSigners, agent))
        }
        return repository.isEmpty ? nil : .object(repository)
    }

    /// Only the server that keeps it has it by its path.
    private var isRepositoryOnServer: Bool { agents.contains { $0.repository.url == NodeLayout.repository } }

    // MARK: agent

    mutating func agent() -> Value? {
        guard let recorded = agents.first else { return nil }
        let usual = AgentSpec()
        var agent = Object()
        if recorded.pollInterval != usual.pollInterval { agent["pollInterval"] = .string("\(recorded.pollInterval)s") }
        if recorded.listen != usual.listen { agent["listen"] = .string(recorded.listen) }
        if let listen = recorded.webhookListen {
            var webhook = Object()
            if listen != WebhookSpec(secret: .prompt).listen { webhook["listen"] = .string(listen) }
            webhook["secret"] = secret("WEBHOOK_SECRET", "the webhook's secret", in: NodeLayout.webhookSecret, recorded)
            agent["webhook"] = .object(webhook)
        }
        if recorded.allowsRemoteBases { agent["allowRemoteBases"] = true }
        return agent.isEmpty ? nil : .object(agent)
    }

    // MARK: k3s.registries

    mutating func registries() -> Value? {
        let recorded = machines.filter { $0.record.registries != nil }
        guard let first = recorded.first, let registries = first.record.registries else { return nil }
        if let other = recorded.first(where: { $0.record.registries != registries }) {
            findings.append(
                Diagnostic(
                    .warning, "its registries.yaml is not that of \(first.host), which was taken", subject: "host \(other.host)",
                    remedy: "look at both: an inventory has one for all nodes"))
        }
        var names: [String] = []
        var result = registries
        guard let configs = registries["configs"]?.object else { return .object(result) }
        result["configs"] = .object(
            Object(
                configs.map { config in
                    guard var settings = config.value.object, let login = settings["auth"]?.object else { return config }
                    settings["auth"] = .object(
                        Object(
                            login.map { field in
                                guard field.value.string == HomelabRecord.blank else { return field }
                                let name = Self.variable(["registry", config.key, field.key], besides: names)
                                names.append(name)
                                return Object.Member(key: field.key, value: ["env": .string(name)])
                            }))
                    return Object.Member(key: config.key, value: .object(settings))
                }))
        for name in names { noteSecret(name, "a registry's secret", in: NodeLayout.registries, on: first.host) }
        return .object(result)
    }

    /// `REGISTRY_REGISTRY_HOME_5000_PASSWORD`
    private static func variable(_ words: [String], besides taken: [String]) -> String {
        let name = words.joined(separator: "_").uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? String($0) : "_" }.joined()
        let others = taken.filter { $0 == name || $0.hasPrefix(name + "_") && Int($0.dropFirst(name.count + 1)) != nil }
        return others.isEmpty ? name : "\(name)_\(others.count + 1)"
    }

    // MARK: What the operator has to give

    private mutating func secret(_ name: String, _ what: String, in path: String, _ agent: AgentConfiguration) -> Value {
        noteSecret(name, what, in: path, on: host(agent))
        return ["env": .string(name)]
    }

    private mutating func noteSecret(_ name: String, _ what: String, in path: String, on host: String) {
        findings.append(
            Diagnostic(
                .warning, "\(what) was not copied; \(path) has it", subject: "host \(host)",
                remedy: "set the environment variable \(name) to it, or name a file in its place in the inventory"))
    }

    /// The name of a file beside the inventory that the operator has to copy there.
    private mutating func file(_ name: String, _ what: String, _ path: String, _ agent: AgentConfiguration) -> String {
        findings.append(
            Diagnostic(
                .warning, "\(what) was not copied; \(path) has it", subject: "host \(host(agent))",
                remedy: "copy that file to inventory/\(name)"))
        return name
    }

    private func host(_ agent: AgentConfiguration) -> String { machines.first { $0.record.agent == agent }?.host ?? agent.node }

    /// Of a cluster that homelab made: what its inventory may have said and no machine can tell.
    mutating func noteWhatIsNowhere() {
        guard let agent = agents.first else { return }
        let keeper = machines.first { $0.record.agent?.repository.url == NodeLayout.repository }
        let url = keeper.map { "\($0.host):\(NodeLayout.repository)" } ?? agent.repository.url
        findings.append(
            Diagnostic(
                .note,
                "no machine knows policy, maintenanceWindows, mac, paused and absent nodes, network.nodes, k3s.source, agent.version and "
                    + "agent.source, and of endpoint only its name in tls-san",
                remedy: "write them again where there were any; the branch \(agent.repository.branch) of \(url) may have the old "
                    + "\(agent.inventory)"))
    }
}

extension KnownHost {
    /// The first name as known_hosts has it.
    fileprivate var description: String { port == 22 ? names.first ?? "" : "[\(names.first ?? "")]:\(port)" }
}
