import Diagnostics
import YAML

/// What must be true of an inventory as a whole, beyond the shape of its fields. Pure: no network, no disk.
struct InventoryRules {
    let spec: ClusterSpec
    let root: Located
    let sources: InventoryDecoder.Sources
    private var found = Diagnostics()

    static func check(_ spec: ClusterSpec, root: Located, sources: InventoryDecoder.Sources) -> Diagnostics {
        var rules = InventoryRules(spec: spec, root: root, sources: sources)
        rules.uniqueness()
        rules.servers()
        rules.release()
        rules.network()
        rules.sizes()
        rules.addresses()
        rules.pins()
        rules.labels()
        rules.taints()
        rules.agent()
        rules.configuration()
        rules.repository()
        return rules.found
    }

    private init(spec: ClusterSpec, root: Located, sources: InventoryDecoder.Sources) {
        self.spec = spec
        self.root = root
        self.sources = sources
    }

    mutating func error(_ summary: String, _ location: SourceLocation?, _ remedy: String?, node: String? = nil) {
        found.append(Diagnostic(.error, summary, subject: node.map { "node \($0)" }, at: location, remedy: remedy))
    }

    mutating func warning(_ summary: String, _ location: SourceLocation?, _ remedy: String?, node: String? = nil) {
        found.append(Diagnostic(.warning, summary, subject: node.map { "node \($0)" }, at: location, remedy: remedy))
    }

    // MARK: Names, addresses and hardware addresses are there once

    private mutating func uniqueness() {
        unique("name") { [$0.name] }
        unique("host", "two nodes cannot be one machine") { node in
            let host = IPAddress(node.host)?.description ?? node.host.lowercased()
            return [node.port == 22 ? host : "\(host):\(node.port)"]
        }
        unique("nodeIP") { $0.nodeIPs.map(\.description) }
        unique("mac") { [$0.mac].compactMap { $0 } }
        for (index, node) in spec.nodes.enumerated() {
            for address in node.nodeIPs {
                guard let other = spec.nodes.first(where: { $0.name != node.name && IPAddress($0.host) == address && $0.nodeIPs.isEmpty })
                else { continue }
                error(
                    "nodeIP \(address) is the address of node \(other.name)", place(index, "nodeIP"), "give each node a nodeIP of its own",
                    node: node.name)
            }
        }
        let reserved: Set = ["localhost", "all", "none"]
        for (index, node) in spec.nodes.enumerated() where reserved.contains(node.name) {
            error("\"\(node.name)\" cannot be a node's name", place(index, "name"), "choose another name")
        }
    }

    private mutating func unique(_ field: String, _ remedy: String? = nil, _ values: (NodeSpec) -> [String]) {
        var seen: [String: Int] = [:]
        for (index, node) in spec.nodes.enumerated() {
            for text in values(node) { claim(text, field, remedy, index, &seen) }
        }
    }

    private mutating func claim(_ text: String, _ field: String, _ remedy: String?, _ index: Int, _ seen: inout [String: Int]) {
        guard let first = seen[text] else { return seen[text] = index }
        let other = place(first, field).map { "\($0.file):\($0.line)" } ?? spec.nodes[first].name
        error(
            "\(field) \"\(text)\" is already used by node \(spec.nodes[first].name) (\(other))", place(index, field),
            remedy ?? "give each node a \(field) of its own", node: spec.nodes[index].name)
    }

    func place(_ index: Int, _ field: String) -> SourceLocation? {
        guard sources.nodes.indices.contains(index) else { return nil }
        let entry = sources.nodes[index].node
        return entry[field]?.location ?? entry.location
    }

    // MARK: Servers

    private mutating func servers() {
        // An entry that could not be read may be the missing server.
        if sources.unreadable > 0 { return }
        if spec.nodes.isEmpty {
            return error("the inventory has no nodes", (root["nodes"] ?? root).location, "add a node with role: server under nodes:")
        }
        let servers = spec.servers
        let location = servers.last?.location ?? root.location
        // While servers come and go one at a time their number is even now and then.
        let isLeaving = spec.nodes.contains { $0.role == .server && $0.state == .absent }
        if servers.isEmpty {
            error("no node has role: server", location, "a cluster needs one server, or three, five or seven")
        } else if isLeaving, servers.count % 2 == 0 {
            warning(
                "\(servers.count) servers are left when the absent ones are out", location,
                "let another server join soon: an even number survives no more failures than one less")
        } else if servers.count == 2 {
            error(
                "two servers are worse than one: etcd stops when either of them does", location,
                "add a third server, or make one of them an agent")
        } else if servers.count % 2 == 0 {
            error(
                "\(servers.count) servers survive no more failures than \(servers.count - 1)", location,
                "use an odd number of servers; make one of them an agent")
        } else if servers.count > 7 {
            error("\(servers.count) servers slow etcd down", location, "use at most seven servers")
        }
        if servers.count > 1, spec.k3s.datastore == .sqlite {
            error(
                "sqlite cannot be shared by \(servers.count) servers", root["k3s"]?["datastore"]?.location, "write datastore: etcd")
        }
    }

    /// What is to be installed, whichever nodes there are.
    private mutating func release() {
        // No file lists all releases; whether there is one is asked of its source.
        let version = spec.k3s.version
        if version.major > 0, K3sFlags.isNewer(version) || (version.major, version.minor) < (1, K3sFlags.oldestMinor) {
            warning(
                "k3s \(version) is not among the releases this homelab knows, v1.\(K3sFlags.oldestMinor) to v1.\(K3sFlags.newestMinor)",
                root["k3s"]?["version"]?.location, "`homelab lock` says whether there is such a release and pins it")
        }
        var isPlain = false
        if case .mirror(let url) = spec.k3s.source { isPlain = url.hasPrefix("http://") }
        if isPlain, spec.k3s.sha256.isEmpty {
            error(
                "a mirror without TLS and without pinned checksums proves nothing", root["k3s"]?["source"]?.location,
                "use https://, or pin k3s.sha256")
        }
        let hasImages = Architecture.allCases.contains { spec.k3s.pinnedImages($0) != nil }
        guard spec.k3s.bringsImages, !spec.k3s.sha256.isEmpty, !hasImages else { return }
        let airgap = root["k3s"]?["airgap"]?.location
        if isPlain {
            error(
                "the k3s binary is pinned, the archive of its images is not, and a mirror without TLS proves nothing", airgap,
                "use https://, or pin \(Architecture.amd64.imagesAsset(".tar.zst")), or that of your architecture, under k3s.sha256")
        } else {
            warning("the k3s binary is pinned, the archive of its images is not", airgap, "`homelab lock` pins both")
        }
    }

    // MARK: Networks

    private mutating func network() {
        let root = root
        let place = { (key: String) in root["network"]?[key]?.location ?? root["network"]?.location ?? root.location }
        let named = [("pods", spec.network.pods), ("services", spec.network.services), ("nodes", spec.network.nodes)]
        for (index, first) in named.enumerated() {
            for second in named[(index + 1)...] {
                for a in first.1 {
                    for b in second.1 where a.overlaps(b) {
                        error("\(first.0) \(a) and \(second.0) \(b) overlap", place(second.0), "choose ranges that share no address")
                    }
                }
            }
        }
        for (key, ranges) in named.dropLast() where !sources.unreadableRanges.contains(key) {
            if ranges.isEmpty { error("network.\(key) is empty", place(key), "leave it out to use k3s' own range") }
            let families = Set(ranges.map(\.address.isV4))
            if ranges.count > 2 || ranges.count != families.count {
                error("network.\(key) has two ranges of one family", place(key), "give one IPv4 and at most one IPv6 range")
            }
        }
        if sources.unreadableRanges.isDisjoint(with: ["pods", "services"]),
            Set(spec.network.pods.map(\.address.isV4)) != Set(spec.network.services.map(\.address.isV4))
        {
            error("pods and services are of different address families", place("services"), "give both the same families")
        }
        if let dns = spec.network.dns, !sources.unreadableRanges.contains("services"),
            !spec.network.services.contains(where: { $0.contains(dns) })
        {
            error("network.dns \(dns) is outside of the service range", place("dns"), "choose an address inside network.services")
        }
        // Kubernetes gives the first address of the range to the Service of its own API.
        if let dns = spec.network.dns, spec.network.services.contains(where: { $0.network.address.next == dns }) {
            error("network.dns \(dns) is the address of the API's own service", place("dns"), "choose another one, such as the tenth")
        }
        if let endpoint = spec.endpoint.flatMap({ IPAddress($0.host) }),
            let range = (spec.network.pods + spec.network.services).first(where: { $0.contains(endpoint) })
        {
            error(
                "the endpoint \(endpoint) is inside of the cluster's own range \(range)", root["endpoint"]?.location,
                "use an address of the machines' network")
        }
    }

    // MARK: Labels

    private mutating func labels() {
        for (name, entry) in sources.nodes {
            for (key, at, value) in entry["labels"]?.entries ?? [] {
                if !NameRule.isQualifiedName(key) {
                    error("\"\(key)\" is no label key", at, "write name or prefix.example/name (letters, digits, - _ .)", node: name)
                }
                if let text = value.text, !NameRule.isName(text, orEmpty: true) {
                    error(
                        "\"\(text)\" is no label value", value.location,
                        "use at most 63 letters, digits, - _ . that begin and end with a letter or digit", node: name)
                }
            }
        }
    }

    /// The API takes no two taints of one key and effect, whatever their values.
    private mutating func taints() {
        for (name, entry) in sources.nodes {
            var seen: [String: String] = [:]
            for item in entry["taints"]?.items ?? [] {
                guard let text = item.text, let taint = Taint(text) else { continue }
                let mark = "\(taint.key):\(taint.effect.rawValue)"
                if let first = seen[mark] {
                    error(
                        "the taints \"\(first)\" and \"\(text)\" have the same key and effect", item.location,
                        "Kubernetes takes one of them: remove the other", node: name)
                }
                seen[mark] = seen[mark] ?? text
            }
        }
    }

    private mutating func agent() {
        guard let agent = root["agent"] else { return }
        if let value = agent["pollInterval"], value.text.flatMap(Duration.seconds) == 0 {
            error("\"agent.pollInterval\" is \"\(value.text ?? "")\"", value.location, "give a second or more, such as 30s")
        }
        for (path, value) in [("agent.listen", agent["listen"]), ("agent.webhook.listen", agent["webhook"]?["listen"])] {
            guard let value, let text = value.text, ListenAddress(text) == nil else { continue }
            error("\"\(path)\" is \"\(text)\"", value.location, "give an address of the server with a port, such as 127.0.0.1:9797")
        }
    }

    private mutating func repository() {
        guard let repository = root["repository"] else { return }
        if spec.repository.url == nil {
            for key in ["token", "username", "hostKeys", "ca"] {
                guard let value = repository[key] else { continue }
                error(
                    "repository.\(key) without repository.url", value.location, "give the url, or leave it out: the first server keeps it")
            }
        }
        if let url = spec.repository.url, url.hasPrefix("ssh://"), spec.repository.hostKeys.isEmpty {
            error(
                "the host key of the repository is not pinned", repository["url"]?.location,
                "add repository.hostKeys with a line of `ssh-keyscan HOST` that you have checked")
        }
        for pin in repository.texts("hostKeys") where pin.hasPrefix("SHA256:") {
            error(
                "repository.hostKeys has only a fingerprint", repository["hostKeys"]?.location,
                "give the whole key, `ssh-ed25519 AAAA…`: the agents look it up in a known_hosts file")
        }
        if let url = spec.repository.url, url.hasPrefix("http://"), let token = repository["token"] {
            error("the token would travel in clear text", token.location, "give an https:// URL")
        }
        if let url = spec.repository.url, !url.hasPrefix("https://"), let ca = repository["ca"] {
            error("repository.ca is for an https:// URL", ca.location, "leave it out, or give the URL with https://")
        }
        for key in ["path"] {
            guard let text = repository.text(key) else { continue }
            if text.hasPrefix("/") || text.split(separator: "/").contains("..") {
                error("repository.\(key) leaves the tree", repository[key]?.location, "give a path inside the repository")
            }
        }
    }

    // MARK: k3s configuration

    private mutating func configuration() {
        if let k3s = root["k3s"] {
            config(k3s["config"], "k3s.config", servers: true, agents: true, ofOneNode: nil)
            config(k3s["serverConfig"], "k3s.serverConfig", servers: true, agents: false, ofOneNode: nil)
            config(k3s["agentConfig"], "k3s.agentConfig", servers: false, agents: true, ofOneNode: nil)
        }
        for (index, node) in spec.nodes.enumerated() where sources.nodes.indices.contains(index) {
            config(
                sources.nodes[index].node["config"], "config", servers: node.role == .server, agents: node.role == .agent,
                ofOneNode: node.name)
        }
    }

    private mutating func config(_ value: Located?, _ path: String, servers: Bool, agents: Bool, ofOneNode node: String?) {
        for (written, at, member) in value?.entries ?? [] {
            // `key+` appends to what another file says (docs.k3s.io/installation/configuration).
            let key = written.hasSuffix("+") ? String(written.dropLast()) : written
            let name = "\"\(path).\(written)\""
            if let instead = K3sFlags.secrets[key] {
                error("\(name) would hold a secret in clear text", at, instead, node: node)
            } else if let instead = K3sFlags.managed[key] {
                error("\(name) is set by homelab", at, instead, node: node)
            } else if node != nil, K3sFlags.critical.contains(key) {
                error("\(name) must be equal on all servers", at, "move it to k3s.serverConfig", node: node)
            } else if let flag = K3sFlags.all[key] {
                check(flag, name, at, member, servers: servers, agents: agents, node: node)
            } else {
                let known = K3sFlags.all.values.filter { $0.exists(in: spec.k3s.version) }
                let fitting = known.filter { (!servers || $0.onServers) && (!agents || $0.onAgents) }
                let nearest = [fitting, known].lazy.compactMap { Suggestion.nearest(to: key, in: $0.map(\.name).sorted()) }.first
                doubt(
                    "\(name) is no flag of k3s", at,
                    nearest.map { "did you mean \"\($0)\"?" } ?? "k3s would ignore it; see docs.k3s.io/cli/\(servers ? "server" : "agent")",
                    node: node)
            }
        }
    }

    private mutating func check(
        _ flag: K3sFlags.Flag, _ name: String, _ at: SourceLocation?, _ member: Located, servers: Bool, agents: Bool, node: String?
    ) {
        if (servers && !flag.onServers) || (agents && !flag.onAgents) {
            let role = flag.onServers ? "server" : "agent"
            return error("\(name) is a flag of \(role)s only", at, "move it to k3s.\(role)Config", node: node)
        }
        if let absence = flag.absence(in: spec.k3s.version) {
            return doubt("\(name): \(absence.reason)", at, absence.remedy, node: node)
        }
        if let replacement = flag.replacement {
            warning("\(name) is deprecated", at, "write \(replacement) instead", node: node)
        }
        if let problem = flag.problem(with: member.node.value) {
            let written = member.node.text.map { "\"\($0)\"" } ?? member.node.kindName
            return doubt(
                "\(name) is \(flag.kind == .boolean ? member.node.kindName : written): \(problem)", member.location,
                "docs.k3s.io/cli/\(flag.onServers ? "server" : "agent") says how \(flag.name) is written", node: node)
        }
        // docs.k3s.io/installation/airgap: the archive is for the bundled containerd.
        let isOtherRuntime = flag.name == "container-runtime-endpoint" || (flag.name == "docker" && member.node.bool == true)
        if spec.k3s.bringsImages, isOtherRuntime {
            warning(
                "\(name): k3s imports the archive of k3s.airgap into its own containerd only", at,
                "load the images into the other runtime by hand, or leave \(flag.name) out", node: node)
        }
        guard flag.name == "disable" else { return }
        // Any manifest of the node's may be named here too, so that only what looks like a typing error is told.
        for item in member.items {
            guard let text = item.text, !K3sFlags.components.contains(text),
                let nearest = Suggestion.nearest(to: text, in: K3sFlags.components)
            else { continue }
            warning("\(name): k3s has no component \"\(text)\"", item.location, "did you mean \"\(nearest)\"?", node: node)
        }
    }

    /// An error, or only a warning when the version of k3s is newer than what is known of its flags.
    private mutating func doubt(_ summary: String, _ location: SourceLocation?, _ remedy: String?, node: String?) {
        if K3sFlags.isNewer(spec.k3s.version) {
            let known = "what this homelab knows of k3s' flags ends with v1.\(K3sFlags.newestMinor)"
            warning(summary, location, remedy.map { "\($0) (\(known))" } ?? known, node: node)
        } else {
            error(summary, location, remedy, node: node)
        }
    }
}
