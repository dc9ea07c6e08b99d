package import ArgumentParser
import Cryptography
import Diagnostics
import FileSystem
import KubernetesClient
import KubernetesModel
import NodeInventory
import NodePlanning
import Provisioning
import Reconciliation

/// `homelab enroll`: the operator's login, used once, so that a machine can join by git.
package struct Enroll: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "enroll",
        abstract: "Pin a machine's host key in the inventory and let the servers' agents log in to it, by your own login, once.",
        discussion: """
            HOST is a node of the inventory, by name or address, or a new machine's [USER@]HOST[:PORT]. Shows the host key's fingerprint \
            and asks; compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the machine itself. Then commit the \
            inventory and push: the machine joins.
            """)

    @OptionGroup var inventory: InventoryOption
    @OptionGroup var cluster: ClusterOption

    @Argument(help: "The node, or the machine's address.")
    var host: String

    @Option(help: "The new node's name; the machine's own if not given.")
    var name: String?

    @Option(help: "The new node's role: agent or server.")
    var role = "agent"

    @Option(help: "The private key file to log in with; what ssh would take if not given.")
    var identityFile: String?

    @Option(help: "The fingerprint the host key must have (SHA256:…), instead of a question.")
    var fingerprint: String?

    @Flag(help: "Believe the host key that is shown, without a question.")
    var yes = false

    @Flag(help: "Where sudo asks for a password: make a rule that lets this user use it without one, as the agents need it.")
    var sudo = false

    @Option(help: "A file with what `homelab key` prints, instead of asking the cluster.")
    var keys: String?

    package init() {}

    package func run() async throws {
        let path = try inventory.path()
        let files = try InventoryOption.texts(around: path)
        let edit = try InventoryEdit(path, files: files)
        let spec = try ClusterSpec.load(path, files: files)
        var node = try node(in: spec)
        let isNew = !spec.nodes.contains { $0.name == node.name && $0.host == node.host }
        let agents = try await agentKeys(spec, for: node)
        let user = Operator(console: .standard)
        let enrollment = try Enrollment(
            cluster: spec.name, inventoryDirectory: Files.directoryName(path),
            interaction: BootstrapInteraction(events: user.waits, prompt: user.prompt, confirmHostKey: nil))
        var isPinned = true
        if node.hostKeys.isEmpty {
            node.hostKeys = [try await confirmedKey(of: node, enrollment)]
            isPinned = false
        }
        let outcome = try await enrollment.letIn(agents, on: node, makesSudoRule: sudo)
        tell(outcome, node)
        if isNew {
            node.name = name ?? outcome.hostname
            // The agents log in as whom the entry names, whatever `~/.ssh/config` says here.
            node.writtenUser = outcome.user
            try check(node.name, spec)
        }
        // The identity file is the operator's way in, not the agents'; an entry has one only where somebody wrote it.
        if isNew { node.login.identityFiles = [] }
        if isPinned, !isNew { return Console.standard.line("\(path): its host key is pinned already") }
        let change = isNew ? try edit.adding(node) : try edit.pinning(node.hostKeys[0], of: node.name)
        try Files.makeDirectory(Files.directoryName(change.file))
        try Files.write(change.text, to: change.file)
        let what = isNew ? "has the new \(node.role.rawValue) \(node.name), with its host key" : "pins the host key of \(node.name)"
        Console.standard.line("\(change.file): \(what)")
        Console.standard.line("Commit it and push: the machine joins. `homelab nodes --watch` shows how.")
    }

    // MARK: Which machine

    private func node(in spec: ClusterSpec) throws -> NodeSpec {
        if var known = spec.node(named: host) ?? spec.nodes.first(where: { $0.host == host }) {
            guard known.state != .absent else {
                throw Diagnostic(
                    .error, "is to be absent", subject: "node \"\(known.name)\"", remedy: "take state: absent out of its entry")
            }
            if let identityFile { known.login.identityFiles = [identityFile] }
            return known
        }
        let parts = host.split(separator: "@", maxSplits: 1).map(String.init)
        guard let role = NodeRole(rawValue: role), let address = Endpoint(parts.last ?? "", defaultPort: 22) else {
            throw Diagnostic(
                .error, "\(host) is no machine of the role \(role)", remedy: "write [USER@]HOST[:PORT], and --role agent or server")
        }
        if let name { try check(name, spec) }
        let user = parts.count == 2 ? parts[0] : spec.nodes.first?.writtenUser
        var node = NodeSpec(
            name: name ?? address.host, role: role, host: address.host, user: user,
            location: SourceLocation(file: "the command line", line: 1))
        if address.port != 22 { node.writtenPort = address.port }
        node.login.identityFiles = identityFile.map { [$0] } ?? spec.nodes.first { $0.writtenUser == user }?.login.identityFiles ?? []
        return node
    }

    private func check(_ name: String, _ spec: ClusterSpec) throws {
        if spec.node(named: name) != nil {
            throw Diagnostic(
                .error, "the inventory has another machine of the name \(name)",
                remedy: "give --name, or enroll that one: homelab enroll \(name)")
        }
        guard Init.isName(name) else {
            throw Diagnostic(.error, "\"\(name)\" cannot be a node's name", remedy: "give --name: lower-case letters, digits and dashes")
        }
    }

    // MARK: Its host key

    private func confirmedKey(of node: NodeSpec, _ enrollment: Enrollment) async throws -> HostKey {
        let console = Console.standard
        let offered = try await enrollment.offeredHostKey(of: node)
        console.line("\(node.host) shows the host key\n  \(offered.fingerprint)\n  \(offered.key)")
        if let fingerprint {
            guard offered.fingerprint == fingerprint || offered.fingerprint == "SHA256:" + fingerprint else {
                throw Diagnostic(
                    .error, "it shows another host key than the given one", subject: node.host,
                    cause: "\(offered.fingerprint), not \(fingerprint)",
                    remedy: "Compare it with the machine's own; somebody may be in between. Nothing was done.")
            }
            return offered.key
        }
        if offered.isKnown { console.line("It is the one in your known_hosts.") }
        if yes || console.confirms("Is it the machine's own?") { return offered.key }
        throw Diagnostic(
            .error, "nothing was done", subject: node.host,
            remedy: "answer y when the fingerprint is the machine's own, or give --fingerprint")
    }

    // MARK: Whom to let in

    /// The keys that the agents have published, each with the address its server comes from.
    private func agentKeys(_ spec: ClusterSpec, for node: NodeSpec) async throws -> [Enrollment.AgentKey] {
        var addresses: [String: String] = [:]
        let lines: [String]
        if let keys {
            lines = try Files.readText(Files.expandingHome(keys)).split(whereSeparator: \.isNewline).map(String.init)
        } else {
            let found = try await cluster.withCluster { api in
                let nodes = try await api.list(GroupVersionKind(group: "", version: "v1", kind: "Node"), namespace: "", labelSelector: nil)
                return (try await AgentKeys.published(in: api), nodes.items.map { ($0.name, $0.address) })
            }
            lines = found.0
            addresses = Dictionary(found.1) { first, _ in first }
        }
        for server in spec.servers {
            if let address = server.nodeIP ?? IPAddress(server.host) { addresses[server.name] = address.description }
            // SSH may go another way than k3s, from an address that only the server itself can tell.
            let isOneNetwork = { (node: NodeSpec) in node.nodeIP == nil || node.nodeIP == IPAddress(node.host) }
            if !isOneNetwork(server) || !isOneNetwork(node) { addresses[server.name] = nil }
        }
        let agents = lines.compactMap { line -> Enrollment.AgentKey? in
            guard let key = OpenSSHPublicKey(line: line), key.comment.hasPrefix("homelab-agent@\(spec.name)/") else { return nil }
            let server = String(key.comment.split(separator: "/").last ?? "")
            guard server != node.name else { return nil }
            // Behind a jump host the machine sees that one's address.
            let from = node.jumps.isEmpty ? addresses[server].flatMap { $0.isEmpty ? nil : [$0] } ?? [] : []
            return Enrollment.AgentKey(server: server, publicKey: line, from: from)
        }
        guard !agents.isEmpty else {
            throw Diagnostic(
                .error, "there is no key of an agent of cluster \"\(spec.name)\"", subject: keys,
                remedy: "homelab bootstrap installs the agents, which publish their keys; `homelab key` shows them")
        }
        return agents
    }

    private func tell(_ outcome: Enrollment.Outcome, _ node: NodeSpec) {
        let console = Console.standard
        let new = outcome.servers.filter { !outcome.wereThere.contains($0) }
        if outcome.madeSudoRule { console.line("\(node.host): /etc/sudoers.d/homelab lets \(outcome.user) use sudo without a password") }
        if !new.isEmpty {
            console.line("\(node.host): the agents of \(new.joined(separator: ", ")) may log in as \(outcome.user), restricted to commands")
        }
        if !outcome.wereThere.isEmpty {
            console.line("\(node.host): the agents of \(outcome.wereThere.sorted().joined(separator: ", ")) could log in already")
        }
        if !outcome.unlimited.isEmpty {
            console.line("\(node.host): from any address, since theirs is not known: \(outcome.unlimited.joined(separator: ", "))")
        }
    }
}
