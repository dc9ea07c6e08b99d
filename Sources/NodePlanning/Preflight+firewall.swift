internal import Diagnostics
internal import NodeInventory

extension Preflight {
    /// ufw and firewalld are told what to let in when the host is prepared. Rules written by hand are their owner's: he is told which are
    /// missing, before a node hangs because of them.
    mutating func firewall(_ node: NodeSpec, _ facts: NodeFacts) {
        let needs = FirewallNeeds(spec, node, facts, addresses)
        if let rules = needs.missing(facts.network) {
            warning(
                node, "\(rules.program.rawValue) is active and does not let in all of the cluster's own traffic",
                "`homelab bootstrap` tells it to; by hand: `\(rules.commands)`")
        }
        for chain in facts.network.closedChains {
            let commands = needs.remedy(chain)
            if commands.isEmpty { continue }
            let summary =
                "\(chain.description) drops what \(chain.hook == .input ? "the other nodes and pods send to it" : "pods send and get through it")"
            // What works already works by rules that a look does not understand.
            if chain.isUnclear || facts.installedRole != nil {
                warning(node, summary + ", unless other rules than its plain ones accept it", chain.remedy(commands))
            } else {
                error(node, summary, chain.remedy(commands))
            }
        }
    }
}

extension NetworkFacts.ClosedChain {
    func remedy(_ commands: [String]) -> String {
        let file =
            family == "iptables"
            ? "keep them (`netfilter-persistent save`)" : "write the same rules into the file they come from (/etc/nftables.conf)"
        return commands.map { "`\($0)`" }.joined(separator: ", ") + "; then \(file): homelab leaves handwritten rules alone"
    }
}
