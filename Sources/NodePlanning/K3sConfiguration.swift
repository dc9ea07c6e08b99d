package import NodeInventory
internal import YAML

/// The text of a node's k3s configuration files. Everything homelab decides itself is set here, on top of what the inventory passes.
package struct K3sConfiguration: Sendable {
    /// How a node finds the cluster; decided by the planner from what is there.
    package enum Entry: Hashable, Sendable {
        /// Starts or holds the cluster itself.
        case cluster(initializesEtcd: Bool)
        /// Joins by this URL.
        case join(server: String)
    }

    package let spec: ClusterSpec
    package let node: NodeSpec
    package let entry: Entry
    /// What servers keep, whatever the inventory says now.
    package let founding: Founding?

    package init(spec: ClusterSpec, node: NodeSpec, entry: Entry, founding: Founding? = nil) {
        self.spec = spec
        self.node = node
        self.entry = entry
        self.founding = founding
    }

    static func isWrittenByHomelab(_ config: String) -> Bool { config.hasPrefix(heading) }

    private static let heading = "# Written by homelab from the inventory; a change here is undone by the next run.\n"

    /// config.yaml. Holds no secret: the token is in a file of its own.
    package var config: PlannedFile {
        PlannedFile(path: NodeLayout.k3sConfig, mode: "0600", text: Self.heading + YAMLWriter.text(.object(values)))
    }

    var values: Object {
        var values = Object()
        merge(spec.k3s.config, into: &values)
        merge(node.role == .server ? spec.k3s.serverConfig : spec.k3s.agentConfig, into: &values)
        merge(node.config, into: &values)
        values["node-name"] = .string(node.name)
        if !node.nodeIPs.isEmpty { values["node-ip"] = .string(node.nodeIPs.map(\.description).joined(separator: ",")) }
        values["token-file"] = .string(NodeLayout.token)
        switch entry {
        case .cluster(let initializesEtcd): if initializesEtcd { values["cluster-init"] = true }
        case .join(let server): values["server"] = .string(server)
        }
        if node.role == .server {
            serverValues(&values)
            founding?.keep(in: &values)
        }
        return values
    }

    private func serverValues(_ values: inout Object) {
        let network = spec.network
        let ranges = { (list: [CIDR]) in Value.string(list.map(\.description).joined(separator: ",")) }
        if network.pods != [NetworkSpec.defaultPods] { values["cluster-cidr"] = ranges(network.pods) }
        if network.services != [NetworkSpec.defaultServices] { values["service-cidr"] = ranges(network.services) }
        if let dns = network.dns { values["cluster-dns"] = .string(dns.description) }
        if let domain = network.domain { values["cluster-domain"] = .string(domain) }
        // Only the server's own names and the endpoint: a further server must not change the others' files, which would restart them.
        var names: [String] = []
        let given: [String] = values["tls-san"]?.array?.compactMap(\.scalarText) ?? values["tls-san"]?.scalarText.map { [$0] } ?? []
        for name in given + [spec.endpoint?.host, node.host, node.address].compactMap({ $0 }) where !names.contains(name) {
            names.append(name)
        }
        values["tls-san"] = .array(names.map { .string($0) })
    }

    /// A later key replaces an earlier one; `key+` appends to it, as in k3s' own drop-in files.
    private func merge(_ object: Object, into values: inout Object) {
        for member in object {
            guard member.key.hasSuffix("+") else {
                values[member.key] = member.value
                continue
            }
            let key = String(member.key.dropLast())
            let before = values[key].map { $0.array ?? [$0] } ?? []
            values[key] = .array(before + (member.value.array ?? [member.value]))
        }
    }

    /// The drop-in with the labels and taints the node registers with. k3s reads it at registration only, so it is apart from
    /// config.yaml: changing a label must not restart anything.
    package var registration: PlannedFile {
        var values = Object()
        let labels = node.labels.filter { Self.mayRegister($0.key) }.sorted { $0.key < $1.key }
        if !labels.isEmpty { values["node-label"] = .array(labels.map { .string("\($0.key)=\($0.value)") }) }
        if !node.taints.isEmpty { values["node-taint"] = .array(node.taints.map { .string($0.description) }) }
        let text = values.isEmpty ? "" : YAMLWriter.text(.object(values))
        return PlannedFile(path: NodeLayout.k3sRegistration, mode: "0600", text: Self.heading + text)
    }

    /// The kubelet refuses to set most labels of Kubernetes' own name spaces on itself (NodeRestriction).
    static func mayRegister(_ label: String) -> Bool {
        guard let slash = label.firstIndex(of: "/") else { return true }
        let prefix = label[..<slash]
        return !["kubernetes.io", "k8s.io"].contains { prefix == $0 || prefix.hasSuffix("." + $0) }
    }

    /// registries.yaml; nil when the inventory has none.
    package static func registries(_ spec: ClusterSpec) -> PlannedFile? {
        guard let registries = spec.k3s.registries else { return nil }
        var secrets: [String: SecretReference] = [:]
        let value = Registries.replacing(.object(registries)) { reference in
            let known = secrets.first { $0.value == reference }?.key
            let name = known ?? "homelab-secret-\(secrets.count + 1)-"
            secrets[name] = reference
            return name
        }
        return PlannedFile(path: NodeLayout.registries, mode: "0600", text: heading + YAMLWriter.text(value), secrets: secrets)
    }

    /// A server's own config.yaml as it has to be once it joins another one: all else stays, written as `config` is, so that a plan finds
    /// nothing to change about it.
    /// - Returns: nil when it says so already.
    /// - Throws: `YAMLError`.
    package static func joining(_ server: String, in text: String) throws -> String? {
        var values = try YAMLReader.values(text, file: NodeLayout.k3sConfig).first?.object ?? Object()
        if values["server"]?.string == server, values["cluster-init"] == nil { return nil }
        values["cluster-init"] = nil
        values["server"] = .string(server)
        return heading + YAMLWriter.text(.object(values))
    }

    /// `https://10.0.0.1:6443`, IPv6 in brackets.
    package static func url(of host: String, port: Int = 6443) -> String {
        host.contains(":") ? "https://[\(host)]:\(port)" : "https://\(host):\(port)"
    }
}
