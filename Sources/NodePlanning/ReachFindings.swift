package import Diagnostics
package import NodeInventory

/// What became of one probe.
package enum ReachOutcome: Hashable, Sendable {
    /// It arrived and was answered; microseconds there and back.
    case reached(microseconds: Int)
    /// It arrived, but a packet as large as the sender's interface allows did not.
    case onlySmall(largest: Int, microseconds: Int)
    /// The other machine refused it although something listens there: a firewall that rejects.
    case refused
    /// Nothing came back.
    case silent
    /// The sender's own system would not send it.
    case failed(String)
    /// A running k3s holds the port, so that no listener of ours could answer; what became of a probe to a free port of the same machine.
    indirect case held(beside: ReachOutcome?)
    /// It could not be tried, and why.
    case untried(String)

    /// Somebody on the way or at its end did not let it through.
    var isBlocked: Bool {
        switch self {
        case .refused, .silent, .failed: true
        case .reached, .onlySmall, .held, .untried: false
        }
    }

    /// Something arrived and was answered, of whatever size.
    var hasArrived: Bool {
        switch self {
        case .reached, .onlySmall: true
        case .refused, .silent, .failed, .held, .untried: false
        }
    }
}

/// Turns probes into findings: one for each node and port, however many others cannot get through to it.
package enum ReachFindings {
    /// etcd's members expect each other's heartbeats within half a second; beyond this the leader changes under load
    /// (etcd documentation, "Tuning").
    private static let slow = 50_000

    /// - Parameter facts: what was seen of the nodes, for the firewall that may be in the way.
    package static func findings(
        _ results: [(probe: ReachProbe, outcome: ReachOutcome)], spec: ClusterSpec, facts: [String: NodeFacts] = [:]
    ) -> Diagnostics {
        var found = Diagnostics()
        let addresses = NodeAddresses(spec, facts: facts)
        for node in spec.nodes {
            var toNode = results.filter { $0.probe.to == node.name }
            if let own = facts[node.name], firewalled(toNode, node, FirewallNeeds(spec, node, own, addresses), own, &found) {
                toNode.removeAll { $0.outcome.isBlocked }
            }
            var ports: [ReachProbe] = []
            for result in toNode
            where !ports.contains(where: { $0.port == result.probe.port && $0.transport == result.probe.transport }) {
                ports.append(result.probe)
            }
            for port in ports {
                let here = toNode.filter { $0.probe.port == port.port && $0.probe.transport == port.transport }
                blocked(here, port, node, &found)
                untried(here, port, node, &found)
            }
            sizes(toNode, node, &found)
            delays(toNode, node, spec, &found)
        }
        held(results, spec, &found)
        return found
    }

    /// One finding for all ports that the node's own firewall closes; false when it is not known to have one that does.
    private static func firewalled(
        _ results: [(probe: ReachProbe, outcome: ReachOutcome)], _ node: NodeSpec, _ needs: FirewallNeeds, _ facts: NodeFacts,
        _ found: inout Diagnostics
    ) -> Bool {
        let blocked = results.filter { $0.outcome.isBlocked }.map(\.probe)
        let rules = needs.missing(facts.network)
        let chain = facts.network.closedChains.first { $0.hook == .input && !needs.remedy($0).isEmpty }
        guard let first = blocked.first, rules != nil || chain != nil else { return false }
        var ports: [String] = []
        for probe in blocked {
            let port = "\(probe.transport.rawValue.uppercased()) \(probe.port) (\(probe.use))"
            if !ports.contains(port) { ports.append(port) }
        }
        let senders = Set(blocked.map(\.from)).sorted().joined(separator: ", ")
        let summary = "its firewall keeps \(senders) out of \(ports.joined(separator: ", "))"
        let subject = "node \"\(node.name)\""
        if let rules {
            found.append(
                Diagnostic(
                    .warning, summary, subject: subject, cause: "tried at \(first.address), where \(rules.program.rawValue) is active",
                    remedy: "`homelab bootstrap` tells \(rules.program.rawValue) to let them in; by hand: `\(rules.commands)`"))
        } else if let chain {
            found.append(
                Diagnostic(
                    .error, summary, subject: subject, cause: "tried at \(first.address); \(chain.description) drops it",
                    remedy: chain.remedy(needs.remedy(chain))))
        }
        return true
    }

    private static func blocked(
        _ results: [(probe: ReachProbe, outcome: ReachOutcome)], _ port: ReachProbe, _ node: NodeSpec, _ found: inout Diagnostics
    ) {
        var reasons: [String: [String]] = [:]
        for result in results {
            switch result.outcome {
            case .refused: reasons["is refused", default: []].append(result.probe.from)
            case .silent: reasons["gets no answer", default: []].append(result.probe.from)
            case .failed(let text): reasons["cannot be sent (\(text))", default: []].append(result.probe.from)
            case .reached, .onlySmall, .held, .untried: break
            }
        }
        let name = "\(port.transport.rawValue.uppercased()) \(port.port)"
        for (reason, senders) in reasons.sorted(by: { $0.key < $1.key }) {
            found.append(
                Diagnostic(
                    .error, "\(name), which \(port.use) needs, \(reason) from \(senders.joined(separator: ", "))",
                    subject: "node \"\(node.name)\"", cause: "tried at \(port.address)",
                    remedy:
                        "open \(port.transport.rawValue) port \(port.port) of \(node.name) for the other nodes in every firewall on the "
                        + "way, and check that \(port.address) is the address they reach it by (nodeIP)"))
        }
    }

    private static func untried(
        _ results: [(probe: ReachProbe, outcome: ReachOutcome)], _ port: ReachProbe, _ node: NodeSpec, _ found: inout Diagnostics
    ) {
        var reasons: [String: [String]] = [:]
        for result in results {
            if case .untried(let why) = result.outcome { reasons[why, default: []].append(result.probe.from) }
        }
        for (why, senders) in reasons.sorted(by: { $0.key < $1.key }) {
            found.append(
                Diagnostic(
                    .warning,
                    "\(port.transport.rawValue.uppercased()) \(port.port) from \(senders.joined(separator: ", ")) could not be tried",
                    subject: "node \"\(node.name)\"", cause: why,
                    remedy:
                        "put that right and run again; until then see for yourself that \(port.transport.rawValue) port \(port.port) of "
                        + "\(node.name) at \(port.address) is open for them"))
        }
    }

    private static func sizes(_ results: [(probe: ReachProbe, outcome: ReachOutcome)], _ node: NodeSpec, _ found: inout Diagnostics) {
        for result in results {
            let outcome = if case .held(let beside?) = result.outcome { beside } else { result.outcome }
            guard case .onlySmall(let largest, _) = outcome else { continue }
            found.append(
                Diagnostic(
                    .error, "packets of \(largest) bytes from \(result.probe.from) do not arrive, smaller ones do",
                    subject: "node \"\(node.name)\"",
                    remedy: "give the interfaces on the way one MTU (`ip link`), or lower that of \(result.probe.from)"))
        }
    }

    /// One for all ports that could not be tried themselves, and where nothing else told of the way either.
    private static func held(_ results: [(probe: ReachProbe, outcome: ReachOutcome)], _ spec: ClusterSpec, _ found: inout Diagnostics) {
        var ports: [Int] = []
        var holders: Set<String> = []
        var unknown: [String: [String]] = [:]
        for (probe, outcome) in results {
            guard case .held(let beside) = outcome else { continue }
            if !ports.contains(probe.port) { ports.append(probe.port) }
            holders.insert(probe.to)
            if beside?.hasArrived != true { unknown[probe.to, default: []].append(probe.from) }
        }
        guard let port = ports.first else { return }
        let numbers = ports.map { "\($0)" }.joined(separator: ", ")
        let names = spec.nodes.map(\.name)
        let machines = names.filter(holders.contains).joined(separator: ", ")
        let ways = names.compactMap { name in unknown[name].map { "\(name) from \($0.joined(separator: ", "))" } }
        found.append(
            Diagnostic(
                .note,
                "UDP \(numbers) is in use on \(machines), as it is where k3s runs: a free UDP port of the same machine was tried in its "
                    + "place",
                subject: "cluster \"\(spec.name)\"",
                cause: ways.isEmpty
                    ? nil : "no answer came on \(ways.joined(separator: "; ")), so that it is not known there whether large packets arrive",
                remedy:
                    "where pods of two nodes do not reach each other, `tcpdump -ni any udp port \(port)` shows what arrives at a node, and "
                    + "`ping -M do -s 1472 ADDRESS` whether packets of 1500 bytes do"))
    }

    private static func delays(
        _ results: [(probe: ReachProbe, outcome: ReachOutcome)], _ node: NodeSpec, _ spec: ClusterSpec, _ found: inout Diagnostics
    ) {
        guard spec.datastore == .etcd, node.role == .server else { return }
        for other in spec.servers where other.name != node.name {
            let times = results.filter { $0.probe.from == other.name }.compactMap { result -> Int? in
                switch result.outcome {
                case .reached(let time), .onlySmall(_, let time): time
                default: nil
                }
            }
            guard let best = times.min(), best > slow else { continue }
            found.append(
                Diagnostic(
                    .warning, "it is \(best / 1000) ms away from \(other.name)", subject: "node \"\(node.name)\"",
                    remedy: "keep etcd's servers on one network: over \(slow / 1000) ms the leader changes under load"))
        }
    }
}
