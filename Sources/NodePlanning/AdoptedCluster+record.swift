internal import Cryptography
internal import Diagnostics
internal import NodeInventory
internal import YAML

/// What homelab itself left on the machines, where it made them a cluster: that counts before anything that could be guessed.
extension AdoptedCluster {
    /// Of the servers whose agent.yaml could be read, in the order of the inventory.
    var agents: [AgentConfiguration] { machines.compactMap(\.record.agent) }

    var nameProblems: Diagnostics {
        let names = Set(agents.map(\.cluster)).sorted()
        if names.count > 1 {
            return Diagnostics([
                Diagnostic(
                    .error, "the machines are of several clusters", cause: names.joined(separator: ", "),
                    remedy: "name the machines of one of them")
            ])
        }
        guard let given, let name = names.first, name != given else { return Diagnostics() }
        return Diagnostics([
            Diagnostic(
                .error, "the cluster is called \(name), not \(given)", cause: "\(NodeLayout.agentConfiguration) on its servers says so",
                remedy: "leave --name out")
        ])
    }

    // MARK: Host keys

    /// Servers as the agents' known_hosts has them, since another order is another file; all else as it came.
    static func inRecordedOrder(_ machines: [AdoptedMachine]) -> [AdoptedMachine] {
        let lines = knownHosts(machines)
        let places = machines.indices.compactMap { index in
            self.lines(of: machines[index], among: machines).first.flatMap { lines.firstIndex(of: $0) }.map { (index: index, line: $0) }
        }
        var ordered = machines
        for (place, sorted) in zip(places, places.sorted { $0.line < $1.line }) { ordered[place.index] = machines[sorted.index] }
        return ordered
    }

    private static func knownHosts(_ machines: [AdoptedMachine]) -> [KnownHost] {
        machines.lazy.map(\.record.knownHosts).first { !$0.isEmpty } ?? []
    }

    /// What the agents' known_hosts says of a server, by its name or address, else by its key, unless it shares that with another machine.
    private static func lines(of machine: AdoptedMachine, among machines: [AdoptedMachine]) -> [KnownHost] {
        guard machine.facts.installedRole == .server else { return [] }
        let lines = knownHosts(machines)
        let own = [machine.host] + machine.addresses
        let named = lines.filter { $0.names.contains(where: own.contains) }
        if !named.isEmpty { return named }
        return lines.filter { line in
            machines.filter { $0.facts.access.hostKeys.contains(line.key) }.map(\.host) == [machine.host]
        }
    }

    private func recorded(_ machine: AdoptedMachine) -> [KnownHost] { Self.lines(of: machine, among: machines) }

    /// What the agents log in at, where the operator was led there by `~/.ssh/config`.
    func port(_ machine: AdoptedMachine) -> Int { machine.port == 22 ? recorded(machine).first?.port ?? 22 : machine.port }

    /// The pins: those in the agents' known_hosts. A server that is not in there was pinned by its fingerprint or not at all, and a whole key
    /// would be a change.
    func hostKeys(_ machine: AdoptedMachine) -> [HostKey] {
        let recorded = recorded(machine).map(\.key)
        if !recorded.isEmpty { return recorded }
        let all = machine.facts.access.hostKeys
        let best = all.filter { $0.description.hasPrefix("ssh-ed25519 ") }
        let keys = best.isEmpty ? all : best
        guard machine.facts.installedRole == .server, !agents.isEmpty else { return keys }
        return keys.map { key in
            OpenSSHPublicKey(line: key.description).flatMap { HostKey($0.fingerprint) } ?? key
        }
    }

    // MARK: The way to it

    /// The jump hosts that the inventory is to have: homelab lets its agents in from the servers' addresses only where there are none.
    func jumps(_ machine: AdoptedMachine) -> [JumpHost] {
        machine.areJumpsGiven || isBehindJumps(machine) ? machine.jumps : []
    }

    /// Keys have no addresses either where a server's own change.
    private func isBehindJumps(_ machine: AdoptedMachine) -> Bool {
        let mayChange = machines.contains { other in
            other.host != machine.host && other.facts.installedRole == .server
                && other.facts.network.ownAddresses.contains { $0.dynamic && !$0.cidr.address.isV4 }
        }
        return machine.isBehindJumps && !mayChange
    }

    mutating func noteOtherWays() {
        for machine in machines {
            if let name = recorded(machine).first?.names.first, name != machine.host {
                findings.append(
                    Diagnostic(
                        .warning, "the agents know it as \(name)", subject: "host \(machine.host)",
                        remedy: "name it \(name) here, where that leads to it: with another name the servers' certificates and "
                            + "known_hosts change"))
            }
            if let problem = machine.record.agentProblem {
                findings.append(
                    Diagnostic(
                        .warning, "its \(NodeLayout.agentConfiguration) cannot be read", subject: "host \(machine.host)",
                        cause: problem.summary, remedy: "write what it says of the repository and the agent by hand"))
            }
            if isBehindJumps(machine), machine.jumps.isEmpty {
                findings.append(
                    Diagnostic(
                        .warning, "its inventory led to it through a jump host", subject: "host \(machine.host)",
                        remedy: "give that with --jump: without one the agents' keys are let in from the servers' addresses only"))
            }
        }
    }

    // MARK: Labels and taints

    /// Those that k3s registers with; and those that homelab records on the Node object to be its own, since a kubelet may not set some.
    func labels(_ machine: AdoptedMachine) -> Object {
        let member = node(of: machine)
        let registered = machine.record.registration ?? machine.settings
        var labels = Object(
            Self.words(registered["node-label"]).compactMap { text in
                let pair = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                return pair.count == 2 ? Object.Member(key: pair[0], value: .string(pair[1])) : nil
            })
        for key in NodePlanner.list(member?.annotations[NodePlanner.labelsAnnotation]) where labels[key] == nil {
            guard let value = member?.labels[key] else { continue }
            // Every agent has this one.
            if machine.facts.installedRole == .agent, key == "node-role.kubernetes.io/worker", value == "true" { continue }
            labels[key] = .string(value)
        }
        return labels
    }

    func taints(_ machine: AdoptedMachine) -> [String] {
        let registered = machine.record.registration ?? machine.settings
        let taints = Self.words(registered["node-taint"])
        let own = NodePlanner.list(node(of: machine)?.annotations[NodePlanner.taintsAnnotation])
        return taints + own.filter { !taints.contains($0) }
    }

    private func node(of machine: AdoptedMachine) -> ClusterNode? {
        let name = nodeName(machine)
        return nodes.first { $0.name == name }
    }

    // MARK: The API

    /// The address that leads to all servers, where a node joins by it; nil where no node's file tells.
    var endpoint: String? {
        let servers = machines.filter { $0.facts.installedRole == .server }
        var own = Set(Self.knownHosts(machines).flatMap(\.names))
        for machine in machines { own.formUnion([machine.host] + machine.addresses) }
        for node in nodes { own.formUnion([node.name] + node.internalIPs) }
        for machine in machines where machine.isOfHomelab {
            guard let url = machine.written["server"]?.string, url.hasPrefix("https://"), let found = Endpoint(String(url.dropFirst(8))),
                !own.contains(found.host)
            else { continue }
            guard servers.allSatisfy({ Self.words($0.written["tls-san"]).contains(found.host) }) else { continue }
            let host = found.host.contains(":") ? "[\(found.host)]" : found.host
            return found.port == 6443 ? found.host : "\(host):\(found.port)"
        }
        return nil
    }
}

extension AdoptedMachine {
    var addresses: [String] { facts.network.addresses.map(\.cidr.address.description) + AdoptedCluster.words(written["node-ip"]) }

    /// Whether homelab let its agents in from anywhere, as it does behind jump hosts.
    var isBehindJumps: Bool {
        let lines = facts.access.authorizedKeys.filter { $0.key.hasPrefix("homelab-agent@") }.map(\.value)
        return !lines.isEmpty && !lines.contains { $0.contains("from=\"") }
    }
}
