internal import Diagnostics
package import NodeInventory
internal import NodePlanning

/// The first contact with a machine that is to join by git: the operator's login is used once, to let the servers' agents in.
package struct Enrollment: Sendable {
    /// What the machine said of itself and what was done on it.
    package struct Outcome: Hashable, Sendable {
        /// The machine's own name, the part before the first dot.
        package var hostname = ""
        package var user = ""
        /// The servers whose agents may log in now.
        package var servers: [String] = []
        /// Those that could before, by the very same line.
        package var wereThere: Set<String> = []
        /// A rule for sudo was made, since the agents have no password to give.
        package var madeSudoRule = false
        /// The agents of these servers may come from any address, since theirs is not known.
        package var unlimited: [String] = []
    }

    /// The public key of one server's agent, and where it comes from.
    package struct AgentKey: Hashable, Sendable {
        package var server: String
        /// `ssh-ed25519 AAAA…`.
        package var publicKey: String
        package var from: [String]

        package init(server: String, publicKey: String, from: [String]) {
            self.server = server
            self.publicKey = publicKey
            self.from = from
        }
    }

    private let cluster: String
    private let connector: SSHConnector

    /// - Parameter inventoryDirectory: relative names of secrets in the inventory start here.
    /// - Throws: `Diagnostic` about `~/.ssh/config`.
    package init(cluster: String, inventoryDirectory: String, interaction: BootstrapInteraction) throws {
        self.cluster = cluster
        let secrets = SecretSource(base: inventoryDirectory, prompt: interaction.prompt)
        connector = try SSHConnector(trust: .person(confirm: nil), secrets: secrets)
    }

    package func offeredHostKey(of node: NodeSpec) async throws -> OfferedHostKey { try await connector.offeredHostKey(of: node) }

    /// Logs in and lets the agents in; what is there already is left as it is.
    /// - Parameters:
    ///   - node: with the host key that was confirmed.
    ///   - makesSudoRule: give a user whose sudo asks for a password the right to use it without one.
    /// - Throws: `HostError`, `Diagnostic`; then nothing was changed, or a further run goes on.
    package func letIn(_ keys: [AgentKey], on node: NodeSpec, makesSudoRule: Bool) async throws -> Outcome {
        let host = connector.host(for: node)
        do {
            try await host.connect()
            let outcome = try await letIn(keys, node, makesSudoRule, host)
            await host.close()
            return outcome
        } catch {
            await shielded { await host.close() }
            throw error
        }
    }

    private func letIn(_ keys: [AgentKey], _ node: NodeSpec, _ makesSudoRule: Bool, _ host: any Host) async throws -> Outcome {
        let look = try await run(RemoteCommand(["sh", "-c", Self.look], asRoot: false), "look at the machine", on: host)
        let lines = look.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count >= 5, let separator = lines.firstIndex(of: "--") else {
            throw Diagnostic(.error, "said something unexpected", subject: "node \"\(node.name)\"", cause: look.complaint)
        }
        var outcome = Outcome()
        (outcome.user, outcome.hostname) = (lines[0], String(lines[2].prefix { $0 != "." }))
        let needsRule = lines[3] != "root" && node.sudoPassword == nil
        if needsRule, !makesSudoRule { throw sudoProblem(outcome.user, node) }
        if needsRule {
            let rule = RemoteCommand(["sh", "-c", Self.sudoRule, "homelab", outcome.user])
            _ = try await run(rule, "let \(outcome.user) use sudo without a password", on: host)
            outcome.madeSudoRule = true
        }
        let present = Set(lines[(separator + 1)...])
        var inputs = StepInputs()
        var missing: [AuthorizedKey] = []
        for key in keys {
            let authorized = AuthorizedKey(
                node: key.server, purpose: .manage, from: key.from,
                comment: AuthorizedKey.comment("agent", cluster: cluster, node: key.server))
            outcome.servers.append(key.server)
            if key.from.isEmpty { outcome.unlimited.append(key.server) }
            inputs.publicKeys[key.server] = key.publicKey
            if let line = authorized.line(key.publicKey), present.contains(line) {
                outcome.wereThere.insert(key.server)
            } else {
                missing.append(authorized)
            }
        }
        if missing.isEmpty { return outcome }
        let step = Step.authorizeKeys(missing, user: outcome.user, home: lines[1])
        for command in try step.commands(inputs: inputs) { _ = try await run(command, "let the agents in", on: host) }
        return outcome
    }

    private func run(_ command: RemoteCommand, _ what: String, on host: any Host) async throws -> CommandResult {
        let result = try await host.run(command)
        guard result.succeeded else {
            throw Diagnostic(
                .error, "cannot \(what)", subject: "node \"\(host.name)\"", cause: result.complaint,
                remedy: "Put right what the machine says, then run again.")
        }
        return result
    }

    private func sudoProblem(_ user: String, _ node: NodeSpec) -> Diagnostic {
        Diagnostic(
            .error, "sudo asks \(user) for a password, which the agents do not have", subject: "node \"\(node.name)\"",
            remedy: "Give --sudo to make the rule /etc/sudoers.d/homelab for \(user), make one yourself, or enroll it with user: root.")
    }

    /// User, home, name, what a sudo without password is (`root`, or nothing), then what authorized_keys says.
    private static let look = """
        id -un
        printf '%s\\n' "$HOME"
        uname -n
        if [ "$(id -u)" = 0 ]; then echo root; else sudo -n id -un 2>/dev/null || echo; fi
        echo --
        cat "$HOME/.ssh/authorized_keys" 2>/dev/null || :
        """

    /// user. Checked by visudo before it counts: a wrong file in sudoers.d takes sudo away from everybody.
    private static let sudoRule = """
        set -eu
        umask 077
        new=$(mktemp /etc/homelab-sudoers.XXXXXX)
        trap 'rm -f "$new"' EXIT
        printf '# Made by homelab enroll: its agents log in as this user.\\n%s ALL=(ALL) NOPASSWD: ALL\\n' "$1" >"$new"
        visudo -c -q -f "$new"
        chmod 0440 "$new"
        mv -f "$new" /etc/sudoers.d/homelab
        """
}
