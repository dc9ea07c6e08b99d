package import NodeInventory
internal import YAML

/// One way a packet must be able to take between two nodes, as k3s needs it (docs.k3s.io/installation/requirements, "Networking").
package struct ReachProbe: Hashable, Sendable {
    package enum Transport: String, Hashable, Sendable { case tcp, udp }

    package let from: String
    package let to: String
    package let address: IPAddress
    package let transport: Transport
    package let port: Int
    /// What it is for, in a message.
    package let use: String

    package init(from: String, to: String, address: IPAddress, transport: Transport, port: Int, use: String) {
        self.from = from
        self.to = to
        self.address = address
        self.transport = transport
        self.port = port
        self.use = use
    }
}

/// Which ways have to be open between the nodes of a cluster.
package enum ReachPlan {
    /// What has to be tried between the given nodes, by the addresses the cluster will use.
    package static func probes(_ spec: ClusterSpec, addresses: [String: IPAddress]) -> [ReachProbe] {
        var probes: [ReachProbe] = []
        let nodes = spec.nodes.filter { $0.state == .present && addresses[$0.name] != nil }
        for from in nodes {
            for to in nodes where to.name != from.name {
                guard let address = addresses[to.name] else { continue }
                for port in ports(spec, from: from.role, to: to.role, isV4: address.isV4) {
                    probes.append(
                        ReachProbe(
                            from: from.name, to: to.name, address: address, transport: port.transport, port: port.number, use: port.use))
                }
            }
        }
        return probes
    }

    /// The ports of a node that somebody has to reach: where its listener waits.
    package static func listeners(_ probes: [ReachProbe], on node: String) -> [ReachProbe] {
        var seen: Set<String> = []
        return probes.filter { $0.to == node && seen.insert("\($0.transport.rawValue) \($0.port)").inserted }
    }

    private struct Port {
        let transport: ReachProbe.Transport
        let number: Int
        let use: String
    }

    private static func ports(_ spec: ClusterSpec, from: NodeRole, to: NodeRole, isV4: Bool) -> [Port] {
        var ports = [Port(transport: .tcp, number: 10250, use: "the kubelet")]
        if to == .server { ports.append(Port(transport: .tcp, number: 6443, use: "the API")) }
        if from == .server, to == .server, spec.datastore == .etcd {
            ports += [2379, 2380].map { Port(transport: .tcp, number: $0, use: "etcd") }
        }
        switch spec.k3s.serverConfig["flannel-backend"]?.string ?? "vxlan" {
        case "vxlan": ports.append(Port(transport: .udp, number: 8472, use: "the pod network (vxlan)"))
        // flannel's second tunnel, for IPv6, has a port of its own.
        case "wireguard-native": ports.append(Port(transport: .udp, number: isV4 ? 51820 : 51821, use: "the pod network (wireguard)"))
        default: break
        }
        if spec.k3s.serverConfig["embedded-registry"]?.bool == true {
            ports.append(Port(transport: .tcp, number: 5001, use: "the embedded registry"))
        }
        return ports
    }
}
