internal import NodeInventory
internal import YAML

/// What k3s takes when a cluster is founded and not again: a server that is restarted with another value is refused by the others, or its
/// pods and services keep addresses that nothing leads to any more (docs.k3s.io/cli/server, docs.k3s.io/datastore/ha-embedded).
package struct Founding: Hashable, Sendable {
    /// The keys of config.yaml, each with what a file that lacks it means.
    private static let defaults = [
        "cluster-cidr": NetworkSpec.defaultPods.description, "service-cidr": NetworkSpec.defaultServices.description,
        "cluster-domain": "cluster.local", "secrets-encryption": "false",
    ]

    private let values: Object

    /// - Parameter config: a config.yaml; nil unless homelab wrote it, since one that was written by hand may be overruled elsewhere.
    init?(config: String) {
        guard K3sConfiguration.isWrittenByHomelab(config), let read = try? YAMLReader.values(config, file: NodeLayout.k3sConfig).first,
            let values = read.object
        else { return nil }
        self.values = values
    }

    /// What these values have otherwise: the keys with what they are and are to be.
    func differences(from wanted: Object) -> [(key: String, now: String, wanted: String)] {
        (Self.defaults.keys + ["cluster-dns"]).sorted().compactMap { key in
            let (now, wanted) = (Self.meaning(key, values), Self.meaning(key, wanted))
            return now == wanted ? nil : (key, now, wanted)
        }
    }

    /// Puts what was founded with in the place of what is wanted.
    func keep(in wanted: inout Object) {
        for difference in differences(from: wanted) {
            wanted[difference.key] = values[difference.key]
        }
    }

    private static func meaning(_ key: String, _ values: Object) -> String {
        if let value = values[key] {
            return (value.array ?? [value]).map { ($0.scalarText ?? "").filter { $0 != " " } }.joined(separator: ",")
        }
        if let text = defaults[key] { return text }
        let services = meaning("service-cidr", values).split(separator: ",").first.flatMap { CIDR(String($0)) }
        // The tenth address of the first range.
        return (0..<10).reduce(services?.network.address) { address, _ in address?.next }?.description ?? ""
    }
}

extension NodePlanner {
    /// Of the first server that holds the cluster and whose configuration is homelab's.
    var founding: Founding? {
        desired.servers.lazy.compactMap { facts($0) }.filter(\.holdsCluster).compactMap { $0.k3s.config.flatMap(Founding.init) }.first
    }

    mutating func noteFounding() {
        guard let founding, let server = desired.servers.first else { return }
        let wanted = K3sConfiguration(spec: desired, node: server, entry: .cluster(initializesEtcd: false)).values
        for (key, now, wanted) in founding.differences(from: wanted) {
            refuse(
                nil, "the cluster was founded with \(key) \(now) and is to have \(wanted): it keeps what it has",
                "take that back in the inventory; another value takes another cluster (`homelab reset`, then `homelab bootstrap`)")
        }
    }
}
