package import Diagnostics
package import NodeInventory
internal import YAML

/// The machines that `homelab reset` takes a cluster off, and those it leaves alone: nothing goes but what is of this very cluster, which is
/// known by its certificate authority.
package struct ResetScope: Sendable {
    /// Nodes by name, in the inventory's order.
    package private(set) var nodes: [String] = []
    /// Who is left alone, and why.
    package private(set) var spared: [NodeNote] = []

    private let cluster: ClusterSpec
    /// nil: no server that was seen has one.
    private let authority: (sha256: String, servers: [String])?

    /// - Parameter observed: a node that was not seen is in neither list, but for one that is to be absent.
    /// - Throws: `Diagnostic` when the servers are of several clusters, and none of these has most of them.
    package init(_ spec: ClusterSpec, observed: [String: NodeObservation]) throws(Diagnostic) {
        cluster = spec
        authority = try Self.authority(spec, observed)
        for node in spec.nodes {
            switch observed[node.name] {
            case .facts(let facts):
                if let reason = reasonToSpare(node, facts) {
                    spared.append(NodeNote(node: node.name, reason.text, remedy: reason.remedy))
                } else {
                    nodes.append(node.name)
                }
            case .unreachable(let reason):
                if node.state == .absent {
                    spared.append(NodeNote(node: node.name, "is to be absent, and was not looked at: \(reason)"))
                }
            case nil: continue
            }
        }
    }

    /// That of the servers. One alone is believed, as the inventory calls it this cluster's; of several clusters only the one that has most
    /// of all servers, those that were not seen among them.
    private static func authority(
        _ spec: ClusterSpec, _ observed: [String: NodeObservation]
    ) throws(Diagnostic) -> (sha256: String, servers: [String])? {
        var groups: [(sha256: String, servers: [String])] = []
        for server in spec.servers {
            guard let facts = observed[server.name]?.facts, facts.installedRole == .server, let own = facts.k3s.authority else { continue }
            if let at = groups.firstIndex(where: { $0.sha256 == own }) {
                groups[at].servers.append(server.name)
            } else {
                groups.append((own, [server.name]))
            }
        }
        if groups.count < 2 { return groups.first }
        if let most = groups.first(where: { $0.servers.count * 2 > spec.servers.count }) { return most }
        throw Diagnostic(
            .error, "its servers are of several clusters, and which one is meant cannot be told", subject: "cluster \"\(spec.name)\"",
            cause: groups.map { $0.servers.joined(separator: ", ") }.joined(separator: " against ")
                + ": their certificate authorities differ",
            remedy: "nothing was done; take the entries of those that are not meant out of the inventory, then run again")
    }

    private func reasonToSpare(_ node: NodeSpec, _ facts: NodeFacts) -> (text: String, remedy: String?)? {
        guard let own = facts.k3s.authority else {
            if facts.keepsClusterElsewhere {
                return ("has a k3s server that homelab did not install", "if nothing in it is needed, uninstall it (`k3s-uninstall.sh`)")
            }
            // It was never in a cluster, or what it had of one is gone.
            if node.state != .absent || facts.access.letsIn(agentsOf: cluster.name) { return nil }
            return ("is to be absent, and holds nothing of this cluster", nil)
        }
        if let authority {
            if own == authority.sha256 { return nil }
            return (
                "its k3s is of another cluster than that of \(authority.servers.joined(separator: ", "))",
                "take its entry out of the inventory; if it is to leave that cluster, uninstall k3s on it by hand"
            )
        }
        if joins(facts) { return nil }
        return (
            "no server was seen that could tell whether its k3s is of this cluster",
            "run again when a server can be reached; if they are gone for good, uninstall k3s on it by hand"
        )
    }

    /// Whether its configuration names a server of this cluster, whose own data are gone already.
    private func joins(_ facts: NodeFacts) -> Bool {
        guard let text = facts.k3s.config, let values = try? YAMLReader.values(text, file: NodeLayout.k3sConfig),
            let url = values.first?["server"]?.string
        else { return false }
        let servers = cluster.nodes.filter { $0.role == .server }
        let hosts = servers.map(\.host) + servers.map(\.address) + [cluster.endpoint?.host].compactMap { $0 }
        return hosts.contains { host in
            [cluster.endpoint?.port ?? 6443, 6443].contains { K3sConfiguration.url(of: host, port: $0) == url }
        }
    }
}
