/// An ssh_config(5) that leads OpenSSH to the nodes of a cluster exactly as homelab itself goes: same address, user, keys and jump hosts,
/// and no host key but the pinned ones.
package struct OpenSSHConfiguration: Hashable, Sendable {
    private let spec: ClusterSpec
    /// Where the pinned host keys are written to.
    private let knownHostsFile: String

    package init(_ spec: ClusterSpec, knownHostsFile: String) {
        self.spec = spec
        self.knownHostsFile = knownHostsFile
    }

    /// The configuration; `nodes` go by their names, and what is not said here comes from the operator's own file.
    package var text: String {
        var lines = ["# Written by homelab from the inventory, anew at each use."]
        for node in spec.nodes {
            var proxies: [String] = []
            for (index, jump) in node.jumps.enumerated() {
                let alias = Self.alias(node, jump: index)
                let own = block(jump.host, jump.writtenPort, jump.writtenUser, jump.login, jump.hostKeys, alias: alias)
                lines += ["Host \(alias)"] + own
                let word = isOnly(jump) ? jump.host : alias
                if word != alias { lines += ["Host \(word)"] + own.dropFirst() }
                proxies.append(word)
            }
            var own = block(node.host, node.writtenPort, node.writtenUser, node.login, node.hostKeys, alias: node.name)
            if !proxies.isEmpty { own.append("    ProxyJump \(proxies.joined(separator: ","))") }
            lines += ["Host \(node.name)"] + own
            let word = word(for: node)
            if word != node.name { lines += ["Host \(word)"] + own.dropFirst() }
        }
        return lines.joined(separator: "\n") + "\nHost *\n    Include ~/.ssh/config\nHost *\n    User root\n"
    }

    /// The known_hosts to go with it: the whole keys, by the names above; a pin that is only a fingerprint has no form there.
    package var knownHosts: String {
        var lines: [String] = []
        for node in spec.nodes {
            for key in node.hostKeys { if case .key = key { lines.append("\(node.name) \(key)") } }
            for (index, jump) in node.jumps.enumerated() {
                for key in jump.hostKeys { if case .key = key { lines.append("\(Self.alias(node, jump: index)) \(key)") } }
            }
        }
        return lines.map { $0 + "\n" }.joined()
    }

    /// What ssh is to be told for a node: its host, by which it may be in the operator's own file (a `HostName` or `ProxyJump` there is for the
    /// word on the command line only); its name where several nodes have that host, or the host is another one's name.
    package func word(for node: NodeSpec) -> String {
        let isOnly = spec.nodes.count { $0.host == node.host } == 1
        return isOnly && !names.contains(node.host) ? node.host : node.name
    }

    private var names: [String] { spec.nodes.flatMap { node in [node.name] + node.jumps.indices.map { Self.alias(node, jump: $0) } } }

    /// Whether its host means this one jump host, so that it can be told to ssh as it is: the operator's own file may know it by that.
    private func isOnly(_ jump: JumpHost) -> Bool {
        // An IPv6 address has another form as a jump host than in `Host`.
        if jump.host.contains(":") || names.contains(jump.host) || spec.nodes.contains(where: { $0.host == jump.host }) { return false }
        return spec.nodes.flatMap(\.jumps).filter { $0.host == jump.host }.allSatisfy { other in
            var other = other
            other.location = jump.location
            return other == jump
        }
    }

    private static func alias(_ node: NodeSpec, jump index: Int) -> String { "\(node.name)-jump-\(index + 1)" }

    private func block(
        _ host: String, _ port: Int?, _ user: String?, _ login: Login, _ keys: [HostKey], alias: String
    ) -> [String] {
        var lines = ["HostName \(host)"]
        // What the inventory does not say may be said in the operator's own file, as homelab takes it from there too.
        if let port { lines.append("Port \(port)") }
        if let user { lines.append("User \(user)") }
        lines += login.identityFiles.map { "IdentityFile \(Self.quoted($0))" }
        if !login.agent { lines.append("IdentityAgent none") }
        if !keys.isEmpty {
            lines += [
                "HostKeyAlias \(alias)", "UserKnownHostsFile \(Self.quoted(knownHostsFile))", "GlobalKnownHostsFile /dev/null",
                "StrictHostKeyChecking yes", "CheckHostIP no",
            ]
        }
        return lines.map { "    " + $0 }
    }

    /// A path as ssh_config(5) reads it: `%` begins a token, blanks end a word, `#` begins a comment.
    private static func quoted(_ path: String) -> String {
        let text = path.replacing("%", with: "%%")
        guard text.contains(where: { " \t\"'#\\=".contains($0) }) else { return text }
        return "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
    }
}
