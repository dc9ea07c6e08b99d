package import Diagnostics
package import NodeInventory
package import YAML

/// Writes the inventory of a cluster from what its machines and its API say: what they have is what it wants, so that its plan is empty. One
/// that somebody installed by hand is paused in it: what taking it over changes (homelab's unit and files, its agents) is told and not done.
package struct AdoptedCluster {
    let given: String?
    let machines: [AdoptedMachine]
    let nodes: [ClusterNode]
    package internal(set) var findings = Diagnostics()

    /// - Parameters:
    ///   - name: nil: what homelab's agents call it, else `home`.
    ///   - nodes: `kubectl get nodes -o json`.
    package init(name: String?, machines: [AdoptedMachine], nodes: Value) {
        given = name
        self.machines = Self.inRecordedOrder(machines)
        self.nodes = (nodes["items"]?.array ?? []).compactMap(ClusterNode.init)
    }

    /// What the cluster is called.
    package var name: String { agents.first?.cluster ?? given ?? "home" }

    /// The inventory's text.
    /// - Throws: `Diagnostics` when the machines are of several versions or clusters or one runs no k3s: no inventory can describe that.
    package mutating func inventory() throws(Diagnostics) -> String {
        var problems = nameProblems
        for machine in machines where machine.facts.installedRole == nil {
            problems.append(
                Diagnostic(.error, "no k3s runs on it", subject: "host \(machine.host)", remedy: "name only machines of the cluster"))
        }
        for machine in machines { problems.append(contentsOf: machine.obstacles) }
        try problems.throwIfErrors()
        let versions = Set(machines.compactMap { $0.facts.k3s.version })
        guard let version = versions.first else {
            throw Diagnostics(
                machines.map {
                    Diagnostic(
                        .error, "its k3s does not tell its version", subject: "host \($0.host)",
                        remedy: "see what `\(NodeLayout.k3s) --version` says there")
                })
        }
        guard versions.count == 1 else {
            throw Diagnostics([
                Diagnostic(
                    .error, "the machines run different versions of k3s",
                    cause: versions.map(\.description).sorted().joined(separator: ", "),
                    remedy: "bring them to one version first")
            ])
        }
        noteStrangers()
        noteOtherWays()
        var value: Value = ["apiVersion": .string(InventoryFormat.apiVersion), "kind": "Cluster", "name": .string(name)]
        if !isOfHomelab { value["paused"] = true }
        var settings: [Object] = []
        for machine in machines { settings.append(self.settings(of: machine)) }
        let servers = zip(machines, settings).filter { $0.0.facts.installedRole == .server }.map(\.1)
        let agents = zip(machines, settings).filter { $0.0.facts.installedRole == .agent }.map(\.1)
        var (ofServers, ofAgents) = (Self.common(servers), Self.common(agents))
        let ofAll = Self.common([ofServers, ofAgents]).filter { K3sFlags.all[$0.key].map { $0.onServers && $0.onAgents } ?? false }
        for member in ofAll { (ofServers[member.key], ofAgents[member.key]) = (nil, nil) }
        value["k3s"] = k3s(version, [("config", Object(ofAll)), ("serverConfig", ofServers), ("agentConfig", ofAgents)])
        if let endpoint { value["endpoint"] = .string(endpoint) }
        if let network = network() { value["network"] = network }
        if let repository = repository() { value["repository"] = repository }
        if let agent = agent() { value["agent"] = agent }
        let login = Self.common(machines.map(login))
        if !login.isEmpty { value["defaults"] = .object(login) }
        value["nodes"] = .array(
            zip(machines, settings).map { machine, own in
                let ofRole = machine.facts.installedRole == .server ? ofServers : ofAgents
                return node(machine, own: own, common: Object(ofAll + Array(ofRole)), login: login)
            })
        noteWhatIsNowhere()
        let heading = "# Written by `homelab adopt` from the machines themselves.\n"
        let explanation = "# While this says `paused` they stay as they were installed; without it homelab takes them over.\n"
        return heading + (isOfHomelab ? "" : explanation) + YAMLWriter.text(value, sortedKeys: false)
    }

    /// Homelab made all of it.
    package var isOfHomelab: Bool { machines.allSatisfy(\.isOfHomelab) }

    private mutating func k3s(_ version: K3sVersion, _ configurations: [(key: String, value: Object)]) -> Value {
        var k3s: Value = ["version": .string(version.description)]
        var sums = Object()
        for machine in machines {
            if let architecture = machine.facts.system.architecture, let sum = machine.facts.k3s.binary?.sha256 {
                sums[architecture.rawValue] = .string(sum)
            }
        }
        k3s["sha256"] = .object(sums)
        if machines.contains(where: { $0.facts.k3s.datastore == .etcd }) { k3s["datastore"] = "etcd" }
        for (key, value) in configurations where !value.isEmpty { k3s[key] = .object(value) }
        if let registries = registries() { k3s["registries"] = registries }
        return k3s
    }

    private mutating func noteStrangers() {
        let known = Set(machines.map(nodeName))
        for node in nodes where !known.contains(node.name) {
            findings.append(
                Diagnostic(
                    .warning, "the cluster has a node that was not named", subject: "node \"\(node.name)\"",
                    remedy: "name its host too: a node that is not in the inventory is only reported"))
        }
    }

    func nodeName(_ machine: AdoptedMachine) -> String {
        if let said = machine.written["node-name"]?.string { return said }
        let own = Set(machine.facts.network.addresses.map { $0.cidr.address.description })
        return nodes.first { !own.isDisjoint(with: $0.internalIPs) }?.name ?? machine.facts.system.hostname.lowercased()
    }

    /// How one logs in to it, as far as it is not what goes without saying.
    private func login(_ machine: AdoptedMachine) -> Object {
        var login = Object()
        if machine.user != "root" { login["user"] = .string(machine.user) }
        let files = machine.identityFiles.map { Value.string($0) }
        if let file = files.first { login["identityFile"] = files.count == 1 ? file : .array(files) }
        let jumps = jumps(machine).map { Value.string($0.text) }
        if let jump = jumps.first { login["jump"] = jumps.count == 1 ? jump : .array(jumps) }
        return login
    }

    private func node(_ machine: AdoptedMachine, own: Object, common: Object, login: Object) -> Value {
        let name = nodeName(machine)
        var value: Value = [
            "name": .string(name), "role": .string((machine.facts.installedRole ?? .agent).rawValue), "host": .string(machine.host),
        ]
        let port = port(machine)
        if port != 22 { value["port"] = .int(Int64(port)) }
        for member in self.login(machine) where login[member.key] != member.value { value[member.key] = member.value }
        value["hostKeys"] = .array(hostKeys(machine).map { .string($0.description) })
        let addresses = Self.words(machine.written["node-ip"]).map { Value.string($0) }
        if let address = addresses.first { value["nodeIP"] = addresses.count == 1 ? address : .array(addresses) }
        let labels = labels(machine)
        if !labels.isEmpty { value["labels"] = .object(labels) }
        let taints = taints(machine)
        if !taints.isEmpty { value["taints"] = .array(taints.map { .string($0) }) }
        let rest = own.filter { common[$0.key] != $0.value }
        if !rest.isEmpty { value["config"] = .object(Object(rest)) }
        return value
    }

    private func network() -> Value? {
        guard let server = machines.first(where: { $0.facts.installedRole == .server }) else { return nil }
        let settings = server.written
        var network = Object()
        for (flag, field) in [("cluster-cidr", "pods"), ("service-cidr", "services")] {
            let ranges = Self.words(settings[flag])
            if !ranges.isEmpty { network[field] = .array(ranges.map { .string($0) }) }
        }
        if let dns = Self.words(settings["cluster-dns"]).first { network["dns"] = .string(dns) }
        if let domain = settings["cluster-domain"]?.string { network["domain"] = .string(domain) }
        return network.isEmpty ? nil : .object(network)
    }

    /// What is left for the inventory to pass through: without what homelab sets itself and without names it puts into the certificate anyway.
    private mutating func settings(of machine: AdoptedMachine) -> Object {
        var result = Object()
        for member in machine.written {
            if K3sFlags.managed[member.key] != nil { continue }
            if let instead = K3sFlags.secrets[member.key] {
                findings.append(
                    Diagnostic(
                        .warning, "\(member.key) is set on it, which an inventory does not hold", subject: "host \(machine.host)",
                        remedy: instead))
                continue
            }
            if member.key == "tls-san" {
                let names = Self.names(Self.words(member.value), of: machine)
                if !names.isEmpty { result["tls-san"] = .array(names.map { .string($0) }) }
                continue
            }
            guard machine.isOfHomelab || K3sFlags.all[member.key] != nil else {
                findings.append(
                    Diagnostic(.warning, "k3s is given \(member.key), which is no flag of its", subject: "host \(machine.host)"))
                continue
            }
            // As text: a mode that looks like a number means its digits.
            result[member.key] =
                member.key == "write-kubeconfig-mode" ? member.value.scalarText.map { .string($0) } ?? member.value : member.value
        }
        if !machine.proxies.isEmpty {
            let unit = (machine.facts.installedRole ?? .agent).unit
            findings.append(
                Diagnostic(
                    .warning, "its k3s has \(machine.proxies.joined(separator: ", ")) from its unit or the unit's environment file",
                    subject: "host \(machine.host)",
                    remedy:
                        "homelab writes a unit without: put them as `Environment=` lines under `[Service]` into "
                        + "/etc/systemd/system/\(unit).d/proxy.conf, which stays"))
        }
        if machine.hasRegistries {
            findings.append(
                Diagnostic(
                    .warning, "it has a registries.yaml, which may hold passwords and was not copied", subject: "host \(machine.host)",
                    remedy: "write it under k3s.registries, passwords as {file: …}"))
        }
        return result
    }

    private static func common(_ all: [Object]) -> Object {
        guard let first = all.first else { return Object() }
        return Object(first.filter { member in all.allSatisfy { $0[member.key] == member.value } })
    }

    /// The names in a server's certificate that homelab would not add by itself: it adds the server's own ones behind those it is given.
    private static func names(_ all: [String], of machine: AdoptedMachine) -> [String] {
        let address = words(machine.written["node-ip"]).first ?? IPAddress(machine.host)?.description
        let own = [machine.host] + [address].compactMap { $0 }
        let isWhole = { (given: [String]) in
            own.reduce(into: given) { names, name in if !names.contains(name) { names.append(name) } } == all
        }
        let given = (0...all.count).lazy.map { Array(all.prefix($0)) }.first(where: isWhole)
        return machine.isOfHomelab ? given ?? all : all.filter { !own.contains($0) }
    }

    /// A list as k3s takes it: one flag may hold several values with commas between them.
    static func words(_ value: Value?) -> [String] { texts(value).flatMap { $0.split(separator: ",").map(String.init) } }

    private static func texts(_ value: Value?) -> [String] {
        guard let value else { return [] }
        return (value.array ?? [value]).compactMap(\.scalarText)
    }
}

extension K3sFacts {
    /// `k3s version v1.33.4+k3s1 (abcdef)` as a version; nil when the binary does not start.
    package var version: K3sVersion? {
        binary?.version.flatMap { text in text.split(separator: " ").lazy.compactMap { K3sVersion(String($0)) }.first }
    }
}
