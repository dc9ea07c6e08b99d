internal import NodeInventory

/// What k3s needs a node's firewall to let in (docs.k3s.io/installation/requirements, "Networking"): everything from pods, services and
/// the other nodes, which covers every port of ``ReachPlan`` and the pod network; and the API for whoever works with the cluster.
struct FirewallNeeds {
    let pods: [CIDR]
    /// Ranges and addresses.
    let sources: [String]
    /// `6443/tcp`
    let ports: [String]

    init(_ spec: ClusterSpec, _ node: NodeSpec, _ facts: NodeFacts, _ addresses: NodeAddresses) {
        let own = Set(facts.network.addresses.map(\.cidr.address.description))
        let others = spec.nodes.filter { $0.state != .absent }.flatMap { addresses[$0.name] }.map(\.description)
        pods = spec.network.pods
        sources = (pods + spec.network.services).map(\.description) + others.filter { !own.contains($0) }
        let webhook = spec.agent.webhook?.listen.split(separator: ":").last.flatMap { Int($0) }
        ports = node.role == .server ? ["6443/tcp"] + (webhook.map { ["\($0)/tcp"] } ?? []) : []
    }

    /// What a firewall that homelab can speak with does not let in yet; nil when nothing is missing.
    func missing(_ network: NetworkFacts) -> FirewallRules? {
        guard let program = network.firewall.flatMap(FirewallRules.Program.init) else { return nil }
        let rules = FirewallRules(
            program: program, sources: sources.filter { !network.firewallSources.contains($0) },
            ports: ports.filter { !network.firewallPorts.contains($0) })
        return rules.isEmpty ? nil : rules
    }

    /// The commands that let in what a chain of handwritten rules drops; none when it accepts all that is needed.
    func remedy(_ chain: NetworkFacts.ClosedChain) -> [String] {
        if chain.hook == .forward {
            let ways = [("saddr", chain.from), ("daddr", chain.to)]
            return ways.flatMap { word, accepted in
                chain.insertions(word, pods.map(\.description).filter { !chain.accepts($0, in: accepted) })
            }
        }
        var commands = chain.insertions("saddr", sources.filter { !chain.accepts($0, in: chain.from) })
        // A webhook is behind the owner's own door: only what the cluster cannot do without is asked for.
        if ports.contains("6443/tcp"), !chain.acceptsAPI { commands += chain.insertion(ofPort: 6443) }
        return commands
    }
}

extension FirewallRules {
    /// What an operator would type for the same.
    var commands: String {
        let list = sources.joined(separator: " ")
        switch program {
        case .ufw:
            let trusted = sources.isEmpty ? [] : ["for s in \(list); do ufw allow from $s; done"]
            return (trusted + ports.map { "ufw allow \($0)" }).joined(separator: "; ")
        case .firewalld:
            let trusted =
                sources.isEmpty ? [] : ["for s in \(list); do firewall-cmd --permanent --zone=trusted --add-source=$s; done"]
            let opened = ports.map { "firewall-cmd --permanent --add-port=\($0)" }
            return (trusted + opened + ["firewall-cmd --reload"]).joined(separator: "; ")
        }
    }
}

extension NetworkFacts {
    /// A base chain of the packet filter that drops what no rule of it accepts. With nftables no other chain can accept in its place.
    package struct ClosedChain: Hashable, Sendable {
        package enum Hook: String, Hashable, Sendable { case input, forward }

        /// `inet`, `ip`, `ip6`, or `iptables` for rules that iptables wrote.
        package var family: String
        package var table: String
        package var name: String
        package var hook: Hook
        /// From where and to where it accepts everything: addresses, ranges, or `first-last`.
        package var from: Set<String> = []
        package var to: Set<String> = []
        package var acceptsAPI = false
        /// Has rules of which a look at it does not tell what they accept.
        package var isUnclear = false

        /// `inet filter input input from:10.42.0.0/16 api`; nil for anything else.
        init?(_ words: [String]) {
            guard words.count >= 4, let hook = Hook(rawValue: words[3]) else { return nil }
            (family, table, name, self.hook) = (words[0], words[1], words[2], hook)
            for word in words.dropFirst(4) {
                if word.hasPrefix("from:") { from.insert(String(word.dropFirst(5))) }
                if word.hasPrefix("to:") { to.insert(String(word.dropFirst(3))) }
                if word == "api" { acceptsAPI = true }
                if word == "unclear" { isUnclear = true }
            }
        }

        package var description: String {
            family == "iptables" ? "iptables' chain \(name)" : "the chain \(family) \(table) \(name) of nftables"
        }

        /// Whether an address or all of a range is accepted. A chain of one family has no say about the other.
        func accepts(_ source: String, in accepted: Set<String>) -> Bool {
            guard let wanted = CIDR(source) ?? IPAddress(source).map({ CIDR($0, prefix: $0.bytes.count * 8) }) else { return true }
            if wanted.address.isV4 ? family == "ip6" : family == "ip" || family == "iptables" { return true }
            return accepted.contains { text in
                let ends = text.split(separator: "-").compactMap { IPAddress(String($0)) }
                if ends.count == 2 {
                    let range = ends[0].bytes.lexicographicallyPrecedes(wanted.address.bytes) || ends[0] == wanted.address
                    let last = wanted.address.bytes.lexicographicallyPrecedes(ends[1].bytes) || ends[1] == wanted.address
                    return ends[0].isV4 == wanted.address.isV4 && range && last && wanted.prefix == wanted.address.bytes.count * 8
                }
                guard let range = CIDR(text) ?? IPAddress(text).map({ CIDR($0, prefix: $0.bytes.count * 8) }) else { return false }
                return range.prefix <= wanted.prefix && range.contains(wanted.address)
            }
        }

        /// `word` is `saddr` or `daddr`.
        fileprivate func insertions(_ word: String, _ places: [String]) -> [String] {
            if family == "iptables" { return places.map { "iptables -I \(name) -\(word == "saddr" ? "s" : "d") \($0) -j ACCEPT" } }
            return [("ip", places.filter { !$0.contains(":") }), ("ip6", places.filter { $0.contains(":") })].compactMap { family, places in
                guard let first = places.first else { return nil }
                let set = places.count == 1 ? first : "'{ \(places.joined(separator: ", ")) }'"
                return "nft insert rule \(self.family) \(table) \(name) \(family) \(word) \(set) accept"
            }
        }

        fileprivate func insertion(ofPort port: Int) -> [String] {
            family == "iptables"
                ? ["iptables -I \(name) -p tcp --dport \(port) -j ACCEPT"]
                : ["nft insert rule \(family) \(table) \(name) tcp dport \(port) accept"]
        }
    }
}
