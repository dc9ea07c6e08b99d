import Diagnostics
import YAML

/// What must be true of the machines' addresses, of the ways to them, and of the ranges.
extension InventoryRules {
    mutating func addresses() {
        for (index, node) in spec.nodes.enumerated() {
            // With an address that is none nobody knows all of its families.
            let written = sources.nodes.indices.contains(index) ? sources.nodes[index].node["nodeIP"]?.items.count : nil
            if written == node.nodeIPs.count { families(node, place(index, "nodeIP")) }
            let addresses = node.nodeIPs.isEmpty ? [IPAddress(node.host)].compactMap { $0 } : node.nodeIPs
            for address in addresses { check(address, of: node, place(index, node.nodeIPs.isEmpty ? "host" : "nodeIP")) }
            endpoint(node)
        }
    }

    /// k3s gives pods addresses of the families that the node has itself.
    private mutating func families(_ node: NodeSpec, _ location: SourceLocation?) {
        if node.nodeIPs.isEmpty { return }
        let own = Set(node.nodeIPs.map(\.isV4))
        if own.count != node.nodeIPs.count {
            error("nodeIP has two addresses of one family", location, "give one IPv4 and at most one IPv6 address", node: node.name)
        }
        // Where no range is written k3s takes its own of the node's family.
        if root["network"]?["pods"] == nil, own == [false] { return }
        for range in spec.network.pods where !own.contains(range.address.isV4) {
            let family = range.address.isV4 ? "IPv4" : "IPv6"
            error(
                "nodeIP has no \(family) address, and the pods' range \(range) is \(family)", location,
                "give an address of each family of network.pods, such as [192.168.1.10, fd00::10]", node: node.name)
        }
    }

    private mutating func check(_ address: IPAddress, of node: NodeSpec, _ location: SourceLocation?) {
        // A machine may be reached by SSH through a port of this one; the cluster has to know it by an address of its own.
        let isReachable = !(address.isLoopback && !node.nodeIPs.isEmpty) && !address.isMulticast && !address.isUnspecified
        if !isReachable {
            let kind = address.isLoopback ? "a machine's address for itself" : address.isMulticast ? "for groups" : "no machine's"
            error("\(address) is \(kind)", location, "give the address by which the other machines reach this one", node: node.name)
        }
        if let range = (spec.network.pods + spec.network.services).first(where: { $0.contains(address) }) {
            error(
                "\(address) is inside of the cluster's own range \(range)", location, "choose other ranges under network:",
                node: node.name)
        }
        // A host behind a jump host may be in another network than the node's own address.
        if !node.nodeIPs.isEmpty || node.jumps.isEmpty, !spec.network.nodes.isEmpty, !sources.unreadableRanges.contains("nodes"),
            !spec.network.nodes.contains(where: { $0.contains(address) })
        {
            let ranges = spec.network.nodes.map(\.description).joined(separator: ", ")
            error("\(address) is outside of network.nodes (\(ranges))", location, "correct the address or the range", node: node.name)
        }
    }

    /// One server's own address or name leads to none of the others.
    private mutating func endpoint(_ node: NodeSpec) {
        guard let endpoint = spec.endpoint?.host, spec.servers.count > 1 || node.role == .agent else { return }
        let isOwn =
            IPAddress(endpoint).map { ([IPAddress(node.host)] + node.nodeIPs).contains($0) }
            ?? (endpoint.lowercased() == node.host.lowercased())
        guard isOwn else { return }
        error(
            "the endpoint \(endpoint) is the \(IPAddress(endpoint) == nil ? "name" : "address") of one node", root["endpoint"]?.location,
            "use a virtual address or a name that leads to every server, or leave endpoint out", node: node.name)
    }

    // MARK: Host keys

    mutating func pins() {
        var told: Set<SourceLocation> = []
        for (index, node) in spec.nodes.enumerated() where node.state != .absent {
            if node.hostKeys.isEmpty {
                warning(
                    "no host key is pinned", place(index, "name"),
                    "add hostKeys:; the agent on the servers connects only to pinned machines", node: node.name)
            }
            // Those of `defaults` are told once.
            for jump in node.jumps where jump.hostKeys.isEmpty && told.insert(jump.location).inserted {
                warning(
                    "the host key of its jump host \(jump.host) is not pinned", jump.location,
                    "write it as a mapping, {host: \(jump.host), user: \(jump.user), hostKeys: ssh-ed25519 AAAA…}; the agent on the servers "
                        + "connects only through pinned machines", node: node.name)
            }
        }
    }

    // MARK: Sizes of ranges

    /// Kubernetes gives each node a part of the pods' range, of a size of its own (kube-controller-manager, `node-cidr-mask-size`), and
    /// takes no smaller range of services than eight addresses.
    mutating func sizes() {
        for range in spec.network.services where range.hostBits < 3 {
            error(
                "services \(range) has fewer than 8 addresses", (root["network"]?["services"] ?? root).location,
                "choose a larger range, such as \(range.address.isV4 ? "10.43.0.0/16" : "fd00:43::/112")")
        }
        let settings = [spec.k3s.config, spec.k3s.serverConfig] + spec.servers.map(\.config)
        let words = settings.flatMap { object in
            object.filter { $0.key.hasPrefix("kube-controller") }.flatMap { $0.value.array ?? [$0.value] }.compactMap(\.scalarText)
        }
        if words.contains(where: { $0.hasPrefix("node-cidr-mask-size") || $0.hasPrefix("--node-cidr-mask-size") }) { return }
        let count = spec.nodes.filter { $0.state != .absent }.count
        for range in spec.network.pods {
            let mask = range.address.isV4 ? 24 : 64
            let bits = mask - range.prefix
            guard bits < 0 || bits < 30 && 1 << bits < count else { continue }
            error(
                "pods \(range) has room for \(bits < 0 ? 0 : 1 << bits) of \(count) nodes", (root["network"]?["pods"] ?? root).location,
                "choose a larger range, since each node gets a /\(mask) of it, or set kube-controller-manager-arg: "
                    + "node-cidr-mask-size-\(range.address.isV4 ? "ipv4" : "ipv6")")
        }
    }
}

extension IPAddress {
    fileprivate var isLoopback: Bool { isV4 ? bytes[0] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1 }
    fileprivate var isMulticast: Bool { isV4 ? (224...239).contains(bytes[0]) : bytes[0] == 0xFF }
    fileprivate var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }
}

extension CIDR {
    fileprivate var hostBits: Int { address.bytes.count * 8 - prefix }
}
