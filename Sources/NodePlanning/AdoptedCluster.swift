package import Diagnostics
package import NodeInventory
package import YAML

/// Writes the inventory of a cluster from what its machines and its API say: what they have is what it wants, so that a plan changes nothing
/// k3s would notice.
package struct AdoptedCluster {
    private let name: String
    private let machines: [AdoptedMachine]
    private let nodes: [ClusterNode]
    package private(set) var findings = Diagnostics()

    /// - Parameter nodes: `kubectl get nodes -o json`.
    package init(name: String, machines: [AdoptedMachine], nodes: Value) {
        self.name = name
        self.machines = machines
        self.nodes = (nodes["items"]?.array ?? []).compactMap(ClusterNode.init)
    }

    /// The inventory's text.
    /// - Throws: `Diagnostics` when the machines are of several versions or one runs no k3s: no inventory can describe that.
    package mutating func inventory() throws(Diagnostics) -> String {
        var problems = Diagnostics()
        for machine in machines where machine.facts.installedRole == nil {
            problems.append(
                Diagnostic(.error, "no k3s runs on it", subject: "host \(machine.host)", remedy: "name only machines of the cluster"))
        }
        for machine in machines { problems.append(contentsOf: machine.obstacles) }
        try problems.throwIfErrors()
        let versions = Set(machines.compactMap { $0.facts.k3s.version })
        guard versions.count == 1, let version = versions.first else {
            throw Diagnostics([
                Diagnostic(
                    .error, "the machines run different versions of k3s",
                    cause: versions.map(\.description).sorted().joined(separator: ", "),
                    remedy: "bring them to one version first")
            ])
        }
        let known = Set(machines.map(nodeName))
        for node in nodes where !known.contains(node.name) {
            findings.append(
                Diagnostic(
                    .warning, "the cluster has a node that was not named", subject: "node \"\(node.name)\"",
                    remedy: "name its host too: a node that is not in the inventory is only reported"))
        }
        var settings: [Object] = []
        for machine in machines { settings.append(self.settings(of: machine)) }
        var k3s: Value = ["version": .string(version.description)]
        var sums = Object()
        for machine in machines {
            if let architecture = machine.facts.system.architecture, let sum = machine.facts.k3s.binary?.sha256 {
                sums[architecture.rawValue] = .string(sum)
            }
        }
        k3s["sha256"] = .object(sums)
        if machines.contains(where: { $0.facts.k3s.datastore == .etcd }) { k3s["datastore"] = "etcd" }
        let servers = zip(machines, settings).filter { $0.0.facts.installedRole == .server }.map(\.1)
        let agents = zip(machines, settings).filter { $0.0.facts.installedRole == .agent }.map(\.1)
        let ofServers = Self.common(servers), ofAgents = Self.common(agents)
        if !ofServers.isEmpty { k3s["serverConfig"] = .object(ofServers) }
        if !ofAgents.isEmpty { k3s["agentConfig"] = .object(ofAgents) }
        var value: Value = ["apiVersion": .string(InventoryFormat.apiVersion), "kind": "Cluster", "name": .string(name), "k3s": k3s]
        if let network = network() { value["network"] = network }
        let login = Self.common(machines.map(Self.login))
        if !login.isEmpty { value["defaults"] = .object(login) }
        value["nodes"] = .array(
            zip(machines, settings).map { machine, own in
                node(machine, own: own, common: machine.facts.installedRole == .server ? ofServers : ofAgents, login: login)
            })
        return "# Written by `homelab adopt` from the machines themselves.\n" + YAMLWriter.text(value, sortedKeys: false)
    }

    private func nodeName(_ machine: AdoptedMachine) -> String {
        if let said = machine.settings["node-name"]?.string { return said }
        let own = Set(machine.facts.network.addresses.map { $0.cidr.address.description })
        return nodes.first { !own.isDisjoint(with: $0.internalIPs) }?.name ?? machine.facts.system.hostname.lowercased()
    }

    /// How one logs in to it, as far as it is not what goes without saying.
    private static func login(_ machine: AdoptedMachine) -> Object {
        var login = Object()
        if machine.user != "root" { login["user"] = .string(machine.user) }
        let files = machine.identityFiles.map { Value.string($0) }
        if let file = files.first { login["identityFile"] = files.count == 1 ? file : .array(files) }
        return login
    }

    private func node(_ machine: AdoptedMachine, own: Object, common: Object, login: Object) -> Value {
        let name = nodeName(machine)
        var value: Value = [
            "name": .string(name), "role": .string((machine.facts.installedRole ?? .agent).rawValue), "host": .string(machine.host),
        ]
        if machine.port != 22 { value["port"] = .int(Int64(machine.port)) }
        for member in Self.login(machine) where login[member.key] != member.value { value[member.key] = member.value }
        let keys = machine.facts.access.hostKeys.filter { $0.description.hasPrefix("ssh-ed25519 ") }
        value["hostKeys"] = .array((keys.isEmpty ? machine.facts.access.hostKeys : keys).map { .string($0.description) })
        let settings = machine.settings
        let addresses = Self.words(settings["node-ip"]).map { Value.string($0) }
        if let address = addresses.first { value["nodeIP"] = addresses.count == 1 ? address : .array(addresses) }
        let labels = Self.words(settings["node-label"]).compactMap { text -> Object.Member? in
            let pair = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            return pair.count == 2 ? Object.Member(key: pair[0], value: .string(pair[1])) : nil
        }
        if !labels.isEmpty { value["labels"] = .object(Object(labels)) }
        let taints = Self.words(settings["node-taint"])
        if !taints.isEmpty { value["taints"] = .array(taints.map { .string($0) }) }
        let rest = own.filter { common[$0.key] != $0.value }
        if !rest.isEmpty { value["config"] = .object(Object(rest)) }
        return value
    }

    private func network() -> Value? {
        guard let server = machines.first(where: { $0.facts.installedRole == .server }) else { return nil }
        let settings = server.settings
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
        for member in machine.settings {
            if K3sFlags.managed[member.key] != nil { continue }
            if let instead = K3sFlags.secrets[member.key] {
                findings.append(
                    Diagnostic(
                        .warning, "\(member.key) is set on it, which an inventory does not hold", subject: "host \(machine.host)",
                        remedy: instead))
                continue
            }
            if member.key == "tls-san" {
                let own = Set([machine.host] + Self.words(machine.settings["node-ip"]).prefix(1))
                let names = Self.words(member.value).filter { !own.contains($0) }
                if !names.isEmpty { result["tls-san"] = .array(names.map { .string($0) }) }
                continue
            }
            guard K3sFlags.all[member.key] != nil else {
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

    /// A list as k3s takes it: one flag may hold several values with commas between them.
    private static func words(_ value: Value?) -> [String] { texts(value).flatMap { $0.split(separator: ",").map(String.init) } }

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
