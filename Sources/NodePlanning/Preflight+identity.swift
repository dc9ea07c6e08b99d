internal import NodeInventory

extension Preflight {
    /// What two machines must not have in common, and names that show that two entries were mixed up.
    mutating func identities() {
        var machines: [String: String] = [:]
        for (node, facts) in seen {
            let machine = facts.system.machineID
            if let other = machines[machine] {
                error(
                    node, "it has the same machine id as \(other)",
                    "they are one machine, or copies of one image: \(facts.system.words.newMachineID), then reboot")
            } else if !machine.isEmpty {
                machines[machine] = node.name
            }
        }
        for (node, facts) in seen { hostName(node, Self.hostName(facts), facts.system.words) }
    }

    private static func hostName(_ facts: NodeFacts) -> String { String(facts.system.hostname.prefix { $0 != "." }).lowercased() }

    private mutating func hostName(_ node: NodeSpec, _ name: String, _ words: ServiceWords) {
        if name.isEmpty || name == node.name { return }
        let namesakes = seen.filter { $0.node.name != node.name && Self.hostName($0.facts) == name }.map(\.node.name)
        if !namesakes.isEmpty {
            warning(
                node, "it has the same host name as \(namesakes.joined(separator: ", ")): \(name)",
                "\(words.setHostName(node.name)): the cluster knows it by its name in the inventory, the network does not")
        } else if seen.contains(where: { $0.node.name == name }) {
            warning(
                node, "it calls itself \(name), which is another machine's name in the inventory",
                "see whether the addresses of the two were mixed up; if not: \(words.setHostName(node.name))")
        }
    }

    /// A machine whose k3s is of another cluster would go on with it under this one's name.
    mutating func authorities() {
        let members = seen.filter { $0.facts.k3s.authority != nil && $0.facts.installedRole != nil }
        let servers = members.filter { $0.facts.holdsCluster }
        guard let first = servers.first(where: { $0.facts.isActive(NodeRole.server.unit) }) ?? servers.first else { return }
        for (node, facts) in members where facts.k3s.authority != first.facts.k3s.authority {
            let summary = "its k3s is of another cluster than that of \(first.node.name)"
            let remedy =
                "if it is to leave that one: uninstall k3s on it (`k3s-uninstall.sh`, `k3s-agent-uninstall.sh`), then run again; "
                + "else take its entry out of the inventory"
            if facts.holdsCluster {
                error(node, summary, cause: "they have different certificate authorities", remedy)
            } else {
                warning(node, summary, remedy)
            }
        }
    }
}
