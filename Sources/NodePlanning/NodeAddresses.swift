package import NodeInventory

/// The addresses by which the machines of a cluster reach each other: what the inventory gives them, else, for those that it knows by a
/// name only, what they themselves or their Node objects say. A name may mean something to the operator's machine alone.
package struct NodeAddresses: Hashable, Sendable {
    private var addresses: [String: [IPAddress]] = [:]

    /// - Parameter facts: of the machines that could be looked at.
    package init(_ spec: ClusterSpec, facts: [String: NodeFacts], cluster: ClusterFacts? = nil) {
        for node in spec.nodes {
            if !node.nodeIPs.isEmpty {
                addresses[node.name] = node.nodeIPs
            } else if let address = IPAddress(node.host) ?? facts[node.name]?.primaryAddress {
                addresses[node.name] = [address]
            } else {
                addresses[node.name] = cluster?.node(named: node.name)?.internalIPs.compactMap { IPAddress($0) }
            }
        }
    }

    /// The first one is the one that others join by; empty when it is not known now.
    package subscript(node: String) -> [IPAddress] { addresses[node] ?? [] }
}
