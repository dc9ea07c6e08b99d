import Diagnostics
import YAML

/// Turns checked YAML into a ClusterSpec. What does not fit its schema was reported before and is passed over here.
struct InventoryDecoder {
    /// Where the values of a node or of the cluster were written, for rules that look at several of them.
    struct Sources: Sendable {
        /// In the order of the spec's nodes.
        var nodes: [(name: String, node: Located)] = []
        /// Entries without a name, role or host, and files that could not be read.
        var unreadable = 0
        /// Fields of `network` with a range that is none, so that nobody knows all of their ranges.
        var unreadableRanges: Set<String> = []
    }

    let root: Located
    let nodeFiles: [Located]
    let lock: Located?
    private(set) var diagnostics = Diagnostics()
    private(set) var sources = Sources()

    /// - Parameter unreadable: files that may hold further nodes.
    init(root: Located, nodeFiles: [Located], lock: Located?, unreadable: Int = 0) {
        self.root = root
        self.nodeFiles = nodeFiles
        self.lock = lock
        sources.unreadable = unreadable
    }

    /// A missing or malformed name or k3s version was reported before; what else there is can still be checked.
    mutating func clusterSpec() -> ClusterSpec {
        let entries = (root["nodes"]?.node.sequence ?? []).map { Located(node: $0, file: root.file) } + nodeFiles
        let nodes = entries.compactMap { entry -> NodeSpec? in
            guard let spec = nodeSpec(entry, defaults: root["defaults"]) else {
                sources.unreadable += 1
                return nil
            }
            sources.nodes.append((spec.name, entry))
            return spec
        }
        var spec = ClusterSpec(name: root.text("name") ?? "", k3s: k3sSpec(), nodes: nodes, location: root.location)
        spec.endpoint = endpoint()
        spec.network = network()
        spec.repository = repository()
        spec.policy = policy()
        spec.maintenanceWindows = (root["maintenanceWindows"]?.node.sequence ?? []).compactMap {
            window(Located(node: $0, file: root.file))
        }
        if let agent = root["agent"] {
            spec.agent.version = agent.text("version")
            spec.agent.source = agentSource(agent)
            for architecture in Architecture.allCases {
                spec.agent.sha256[architecture] = spec.agent.version.flatMap {
                    lock?["homelab"]?[$0]?.text(architecture.rawValue)
                }
            }
            if let seconds = agent.seconds("pollInterval") { spec.agent.pollInterval = seconds }
            if let listen = agent.text("listen") { spec.agent.listen = listen }
            if let webhook = agent["webhook"], let secret = secret(webhook["secret"]) {
                var hook = WebhookSpec(secret: secret)
                hook.listen = webhook.text("listen") ?? hook.listen
                spec.agent.webhook = hook
            }
            spec.agent.allowsRemoteBases = agent.bool("allowRemoteBases") ?? false
        }
        spec.paused = root.bool("paused") ?? false
        spec.secretFiles = root.secretFiles(.cluster) + nodeFiles.flatMap { $0.secretFiles(.node) }
        return spec
    }

    private mutating func agentSource(_ agent: Located) -> AgentSource? {
        guard let text = agent.text("source") else {
            if agent.text("version") != nil {
                diagnostics.append(
                    Diagnostic(
                        .error, "\"agent.version\" says which homelab the servers are to run, and nothing says where it is taken from",
                        at: agent["version"]?.location, remedy: "give agent.source, too"))
            }
            return nil
        }
        if agent.text("version") == nil {
            diagnostics.append(
                Diagnostic(
                    .error, "\"agent.source\" says where homelab is taken from, and nothing says which version",
                    at: agent["source"]?.location, remedy: "give agent.version, too"))
        }
        refusePassword(in: text, "agent.source", agent["source"])
        if text.hasPrefix("https://") || text.hasPrefix("http://") { return .web(trimmed(text)) }
        guard !text.contains("://") else {
            diagnostics.append(
                Diagnostic(
                    .error, "\"agent.source\" is \"\(text)\"", at: agent["source"]?.location, remedy: "give an https:// URL or a folder"))
            return nil
        }
        return .folder(trimmed(text))
    }

    private mutating func k3sSpec() -> K3sSpec {
        var spec = K3sSpec(version: root["k3s"]?.text("version").flatMap { K3sVersion($0) } ?? K3sVersion(major: 0, minor: 0))
        guard let k3s = root["k3s"] else { return spec }
        if let url = k3s.text("source") { refusePassword(in: url, "k3s.source", k3s["source"]) }
        switch k3s.text("source") {
        case nil, "release"?: spec.source = .release
        case let url? where url.hasPrefix("https://") || url.hasPrefix("http://"): spec.source = .mirror(trimmed(url))
        case let url? where url.contains("://"):
            diagnostics.append(
                Diagnostic(
                    .error, "\"k3s.source\" is \"\(url)\"", at: k3s["source"]?.location,
                    remedy: "give release, an https:// URL or a folder"))
        case let folder?: spec.source = .folder(folder)
        }
        let locked = lock?["k3s"]?[spec.version.description]
        for architecture in Architecture.allCases {
            spec.sha256[architecture] = k3s["sha256"]?.text(architecture.rawValue) ?? locked?.text(architecture.rawValue)
        }
        spec.bringsImages = k3s.bool("airgap") ?? false
        for pins in [locked, k3s["sha256"]] {
            for (name, _, value) in pins?.entries ?? [] where name.hasPrefix(Architecture.imagesPrefix) {
                spec.imageSHA256[name] = value.text
            }
        }
        spec.datastore = k3s.text("datastore").flatMap(Datastore.init)
        spec.config = object(k3s["config"], "k3s.config")
        spec.serverConfig = object(k3s["serverConfig"], "k3s.serverConfig")
        spec.agentConfig = object(k3s["agentConfig"], "k3s.agentConfig")
        if let registries = k3s["registries"] {
            spec.registries = object(registries, "k3s.registries")
            if registries.node.mapping != nil { diagnostics.append(contentsOf: Registries.check(registries)) }
        }
        return spec
    }

    private mutating func refusePassword(in url: String, _ path: String, _ value: Located?) {
        guard RepositorySpec.holdsPassword(url) else { return }
        diagnostics.append(
            Diagnostic(
                .error, "\"\(path)\" holds a password in clear text", at: value?.location,
                remedy: "take it out of the URL: give a mirror that asks for none, or a folder"))
    }

    /// A passed-through mapping; anything else in its place is reported here.
    private mutating func object(_ value: Located?, _ path: String) -> Object {
        guard let value else { return Object() }
        if case .object(let object) = value.node.value { return object }
        diagnostics.append(
            Diagnostic(
                .error, "\"\(path)\" is \(value.node.kindName), not a mapping", at: value.location,
                remedy: "write each setting on a line of its own below it, `name: value`"))
        return Object()
    }

    private mutating func endpoint() -> Endpoint? {
        guard let value = root["endpoint"], let text = value.text else { return nil }
        if let endpoint = Endpoint(text) { return endpoint }
        diagnostics.append(
            Diagnostic(
                .error, "\"endpoint\" is \"\(text)\"", at: value.location,
                remedy: "give a DNS name or an address, and :port if it is not 6443; no https:// and no path"))
        return nil
    }

    private mutating func network() -> NetworkSpec {
        var spec = NetworkSpec()
        guard let network = root["network"] else { return spec }
        if network["pods"] != nil { spec.pods = ranges("pods", network) }
        if network["services"] != nil { spec.services = ranges("services", network) }
        spec.nodes = ranges("nodes", network)
        spec.dns = network.text("dns").flatMap { IPAddress($0) }
        spec.domain = network.text("domain")
        return spec
    }

    private mutating func ranges(_ key: String, _ network: Located) -> [CIDR] {
        let items = network[key]?.items ?? []
        let ranges = items.compactMap { $0.text.flatMap { CIDR($0) } }
        if ranges.count < items.count { sources.unreadableRanges.insert(key) }
        return ranges
    }

    private mutating func repository() -> RepositorySpec {
        var spec = RepositorySpec()
        guard let repository = root["repository"] else { return spec }
        spec.url = repository.text("url")
        if let url = spec.url, let problem = RepositorySpec.problem(url) {
            diagnostics.append(
                Diagnostic(.error, "\"repository.url\": \(problem.what)", at: repository["url"]?.location, remedy: problem.remedy))
        }
        spec.branch = repository.text("branch") ?? spec.branch
        spec.path = repository.text("path")
        spec.unit = UnitName(repository["unit"])
        spec.username = repository.text("username")
        spec.token = secret(repository["token"])
        spec.ca = secret(repository["ca"])
        spec.hostKeys = repository.texts("hostKeys").compactMap { HostKey($0) }
        spec.signers = repository.text("signers").map { .file($0) }
        return spec
    }

    private func policy() -> PolicySpec {
        var spec = PolicySpec()
        guard let policy = root["policy"] else { return spec }
        spec.concurrency = policy.int("concurrency") ?? spec.concurrency
        spec.servers = policy.text("servers").flatMap(PolicySpec.Approval.init) ?? spec.servers
        spec.upgrades = policy.text("upgrades").flatMap(PolicySpec.Approval.init) ?? spec.upgrades
        spec.removals = policy.int("removals") ?? spec.removals
        spec.approved = policy.texts("approve")
        guard let drain = policy["drain"] else { return spec }
        spec.drain.enabled = drain.bool("enabled") ?? spec.drain.enabled
        spec.drain.timeout = drain.seconds("timeout") ?? spec.drain.timeout
        spec.drain.gracePeriod = drain.seconds("gracePeriod")
        spec.drain.deleteEmptyDirData = drain.bool("deleteEmptyDirData") ?? spec.drain.deleteEmptyDirData
        spec.drain.force = drain.bool("force") ?? spec.drain.force
        return spec
    }

    private func window(_ value: Located) -> MaintenanceWindow? {
        guard let start = value.text("start").flatMap(MaintenanceWindow.minutes),
            let end = value.text("end").flatMap(MaintenanceWindow.minutes)
        else { return nil }
        let days = value.texts("days").compactMap { MaintenanceWindow.Day(rawValue: $0) }
        return MaintenanceWindow(
            days: days.isEmpty ? MaintenanceWindow.Day.allCases : days, start: start, end: end, timeZone: value.text("timeZone") ?? "UTC")
    }

    private func trimmed(_ url: String) -> String {
        var url = url
        while url.hasSuffix("/") { url.removeLast() }
        return url
    }
}

extension InventoryDecoder {
    /// nil when name, role or host are missing or malformed.
    private mutating func nodeSpec(_ entry: Located, defaults: Located?) -> NodeSpec? {
        guard let name = entry.text("name"), let role = entry.text("role").flatMap(NodeRole.init), let host = entry.text("host") else {
            return nil
        }
        let setting = { (key: String) in entry[key] ?? defaults?[key] }
        var spec = NodeSpec(name: name, role: role, host: host, location: entry.location)
        spec.state = entry.text("state").flatMap(NodeState.init) ?? .present
        spec.writtenPort = setting("port")?.node.int.map(Int.init)
        spec.writtenUser = setting("user")?.text
        spec.login = login(setting)
        spec.sudoPassword = secret(setting("sudoPassword"))
        for item in setting("jump")?.items ?? [] {
            if let jump = jump(item) { spec.jumps.append(jump) }
        }
        spec.hostKeys = entry.texts("hostKeys").compactMap { HostKey($0) }
        spec.nodeIPs = entry.texts("nodeIP").compactMap { IPAddress($0) }
        for (key, _, value) in entry["labels"]?.entries ?? [] { spec.labels[key] = value.text ?? "" }
        spec.taints = entry.texts("taints").compactMap { Taint($0) }
        spec.config = object(entry["config"], "config")
        spec.mac = entry.text("mac")?.lowercased()
        return spec
    }

    private func login(_ setting: (String) -> Located?) -> Login {
        var login = Login()
        login.identityFiles = setting("identityFile")?.items.compactMap(\.text) ?? []
        login.passphrase = secret(setting("passphrase"))
        login.agent = setting("agent")?.node.bool ?? true
        login.password = secret(setting("password"))
        return login
    }

    private mutating func jump(_ value: Located) -> JumpHost? {
        guard let text = value.text else {
            guard let host = value.text("host") else { return nil }
            var jump = JumpHost(host: host, port: value.int("port"), user: value.text("user"), location: value.location)
            jump.login = login { value[$0] }
            jump.hostKeys = value.texts("hostKeys").compactMap { HostKey($0) }
            return jump
        }
        guard let jump = JumpHost(text, location: value.location) else {
            diagnostics.append(
                Diagnostic(.error, "\"jump\" is \"\(text)\"", at: value.location, remedy: "write user@host:port, or a mapping with host:"))
            return nil
        }
        return jump
    }

    private func secret(_ value: Located?) -> SecretReference? {
        guard let value else { return nil }
        if let file = value.text("file") { return .file(file) }
        if let name = value.text("env") { return .environment(name) }
        return value.text == "prompt" ? .prompt : nil
    }
}

extension Endpoint {
    /// `host`, `host:port`, `[v6]:port` or a bare IPv6 address.
    package init?(_ text: String, defaultPort: Int = 6443) {
        if let address = IPAddress(text), !address.isV4 {
            self.init(host: text, port: defaultPort)
            return
        }
        var host = text
        var port = defaultPort
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = String(text[text.index(after: text.startIndex)..<end])
            guard IPAddress(host) != nil else { return nil }
            let rest = text[text.index(after: end)...]
            if !rest.isEmpty {
                guard rest.hasPrefix(":"), let number = Int(rest.dropFirst()) else { return nil }
                port = number
            }
        } else if let colon = text.lastIndex(of: ":") {
            guard let number = Int(text[text.index(after: colon)...]) else { return nil }
            host = String(text[..<colon])
            port = number
        }
        let plain = host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-._:".contains($0)) }
        guard !host.isEmpty, plain, (1...65535).contains(port) else { return nil }
        self.init(host: host, port: port)
    }
}

extension RepositorySpec {
    /// `scheme://user:password@host`
    static func holdsPassword(_ url: String) -> Bool {
        guard let scheme = url.range(of: "://") else { return false }
        let authority = url[scheme.upperBound...].prefix { $0 != "/" }
        return authority.lastIndex(of: "@").map { authority[..<$0].contains(":") } ?? false
    }

    /// What is wrong with a repository's URL; nil when homelab can fetch from it.
    static func problem(_ url: String) -> (what: String, remedy: String)? {
        guard let scheme = url.range(of: "://") else {
            return ("\"\(url)\" has no scheme", "write ssh://user@host/path or https://host/path")
        }
        let name = url[..<scheme.lowerBound]
        guard ["ssh", "https", "http"].contains(name) else {
            return ("homelab cannot fetch from \(name)://", "give an ssh:// or https:// URL")
        }
        let authority = url[scheme.upperBound...].prefix { $0 != "/" }
        if holdsPassword(url) {
            return ("it holds a password in clear text", "take it out of the URL and give token: {file: PATH} or {env: NAME}")
        }
        return authority.isEmpty ? ("\"\(url)\" names no host", "write ssh://user@host/path or https://host/path") : nil
    }
}

extension String {
    /// The first place of `other`, without Foundation.
    func range(of other: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(other) { return start..<index(start, offsetBy: other.count) }
            start = index(after: start)
        }
        return nil
    }
}
