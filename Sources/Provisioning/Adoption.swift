package import Diagnostics
internal import NodeInventory
internal import NodePlanning
internal import YAML

/// Looks at the machines of an existing k3s cluster for `homelab adopt`.
package struct Adoption: Sendable {
    private let machines: Machines

    /// - Parameter machines: an inventory made up of the hosts that were named, roles yet unknown.
    package init(_ machines: Machines) { self.machines = machines }

    /// The cluster's inventory as text, and what was left out of it.
    package func inventory(name: String) async throws -> (text: String, findings: Diagnostics) {
        try await machines.with(machines.spec.nodes) { hosts, _ in
            var found: [AdoptedMachine] = []
            var nodes = Value.null
            // Why a server's API did not answer, by host.
            var silent: [String: String] = [:]
            let script = FactsScript.text(for: machines.spec)
            for node in machines.spec.nodes {
                guard let host = hosts[node.name] else { continue }
                let facts = try await FactGatherer.facts(of: host, script: script)
                var machine = AdoptedMachine(
                    host: node.host, port: node.port, user: node.writtenUser ?? facts.access.user, identityFiles: node.login.identityFiles,
                    facts: facts)
                (machine.given, machine.hasRegistries, machine.proxies) = try await Self.given(on: host)
                found.append(machine)
                guard facts.installedRole == .server, nodes == .null else { continue }
                let answer = try await host.run(
                    RemoteCommand([NodeLayout.k3s, "kubectl", "--request-timeout=10s", "get", "nodes", "-o", "json"]))
                if answer.succeeded { nodes = try JSONReader.value(answer.standardOutput) } else { silent[node.host] = answer.complaint }
            }
            try Self.requireServer(found, silent: silent, hasNodes: nodes != .null)
            var cluster = AdoptedCluster(name: name, machines: found, nodes: nodes)
            let text = try cluster.inventory()
            return (text, cluster.findings)
        }
    }

    /// - Throws: `Diagnostics` with what each machine is instead of a server of a cluster that answers.
    static func requireServer(_ machines: [AdoptedMachine], silent: [String: String], hasNodes: Bool) throws(Diagnostics) {
        var problems = Diagnostics()
        for (index, machine) in machines.enumerated() {
            let id = machine.facts.system.machineID
            guard !id.isEmpty, let first = machines[..<index].first(where: { $0.facts.system.machineID == id }) else { continue }
            problems.append(
                Diagnostic(
                    .error, "it is the same machine as \(first.host), or a copy of it", subject: "host \(machine.host)",
                    cause: "both have the machine-id \(id)", remedy: "name each machine once; a copy needs a machine-id of its own"))
        }
        if !hasNodes {
            for machine in machines {
                let subject = "host \(machine.host)"
                switch machine.facts.installedRole {
                case nil:
                    problems.append(
                        Diagnostic(.error, "no k3s runs on it", subject: subject, remedy: "name only machines of the cluster"))
                case .server:
                    problems.append(
                        Diagnostic(
                            .error, "its API does not answer", subject: subject, cause: silent[machine.host],
                            remedy: "wait until k3s is ready on it; \(machine.facts.system.words.log("k3s")) there "
                                + "shows what it says"))
                case .agent:
                    let server = machine.settings["server"]?.string
                    problems.append(
                        Diagnostic(
                            .error, "it is an agent" + (server.map { " of \($0)" } ?? ""), subject: subject,
                            remedy: "name at least one server of the cluster too"))
                }
            }
        }
        try problems.throwIfErrors()
    }

    /// What the machine's k3s is given, whether it has registries, and the proxies that its unit itself sets.
    static func given(on host: any Host) async throws -> (settings: K3sSettings, hasRegistries: Bool, proxies: [String]) {
        let result = try await host.run(RemoteCommand(["sh", "-c", script]))
        var (settings, hasRegistries, proxies) = (K3sSettings(), false, [String]())
        var documents: [String] = []
        var section = ""
        for line in result.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line == "-- config" {
                documents.append("")
                section = line
            } else if ["-- unit", "-- registries", "-- environment", "-- proxies"].contains(line) {
                section = line
                if line == "-- registries" { hasRegistries = true }
            } else if section == "-- config" {
                documents[documents.count - 1] += line + "\n"
            } else if section == "-- unit", settings.arguments.isEmpty {
                settings.arguments = arguments(line)
            } else if section == "-- environment", let (name, value) = assignment(line) {
                settings.environment[name] = value
            } else if section == "-- proxies", let (name, _) = assignment(line), !proxies.contains(name) {
                proxies.append(name)
            }
        }
        for text in documents { settings.configurations += try YAMLReader.values(text, file: "\(host.name): config.yaml") }
        return (settings, hasRegistries, proxies)
    }

    /// `NAME=VALUE`, the value perhaps in quotes.
    static func assignment(_ line: String) -> (name: String, value: String)? {
        let halves = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard halves.count == 2, !halves[0].isEmpty else { return nil }
        var value = halves[1]
        for quote in ["\"", "'"] where value.count > 1 && value.hasPrefix(quote) && value.hasSuffix(quote) {
            value = String(value.dropFirst().dropLast())
        }
        return (halves[0], value)
    }

    /// `{ path=/usr/local/bin/k3s ; argv[]=/usr/local/bin/k3s server --disable traefik ; ignore_errors=no ; … }` as `systemctl show` has it.
    static func arguments(_ line: String) -> [String] {
        guard let start = line.range(ofSubstring: "argv[]=") else { return [] }
        let rest = line[start.upperBound...]
        let text = rest.range(ofSubstring: " ; ").map { rest[..<$0.lowerBound] } ?? rest
        return text.split(separator: " ").map(String.init).drop { $0 != "server" && $0 != "agent" }.dropFirst().map { $0 }
    }

    /// The flags whose values are secrets, as sed's alternatives.
    private static let secretKeys =
        "token\\|agent-token\\|cluster-secret\\|datastore-endpoint\\|etcd-s3-access-key\\|etcd-s3-secret-key\\|etcd-s3-session-token\\|vpn-auth"

    /// Values of keys that hold secrets, and proxies' URLs, never leave the machine.
    static let script = """
        arguments() { sed -e 's/\\(--*\\(t\\|\(secretKeys)\\)[= ]\\)[^ ;]*/\\1***/g'; }
        variables() {
          sed -n -e 's/^ *//' -e 's/^export //' -e 's/^\\(K3S_[A-Z_]*\\(TOKEN\\|SECRET\\|VPN_AUTH\\|ENDPOINT\\)\\)=.*/\\1=***/' -e '/^K3S_[A-Z_]*=/p'
        }
        proxies() { sed -n -e 's/^ *//' -e 's/^export //' -e 's/^"//' -e 's/^\\([A-Za-z_]*_[Pp][Rr][Oo][Xx][Yy]\\)=.*/\\1=***/p'; }
        for f in /etc/rancher/k3s/config.yaml /etc/rancher/k3s/config.yaml.d/*.yaml /etc/rancher/k3s/config.yaml.d/*.yml; do
          [ -f "$f" ] || continue
          echo '-- config'
          sed -e 's/^\\( *"\\{0,1\\}\\(\(secretKeys)\\)"\\{0,1\\} *:\\).*/\\1 "***"/' \
            -e 's/\\([{,] *"\\{0,1\\}\\(\(secretKeys)\\)"\\{0,1\\} *: *\\)\\("[^"]*"\\|[^,}]*\\)/\\1"***"/g' "$f"
        done
        echo '-- unit'
        for u in k3s k3s-agent; do
          if ! [ -d /run/systemd/system ]; then
            # k3s' installer writes the arguments of OpenRC's service into the file itself.
            [ -f "/etc/init.d/$u" ] || continue
            words=$(. "/etc/init.d/$u" >/dev/null 2>&1; printf '%s' "$command_args" | sed -e 's/>>.*//' | arguments)
            printf 'argv[]=k3s %s ; \\n' "$(printf '%s' "$words" | tr -s ' \\n' ' ')"
            echo '-- environment'
            cat "/etc/rancher/k3s/$u.env" 2>/dev/null | variables
            echo '-- proxies'
            cat "/etc/rancher/k3s/$u.env" 2>/dev/null | proxies
            continue
          fi
          [ "$(systemctl show -p LoadState --value $u.service 2>/dev/null)" = loaded ] || continue
          systemctl show -p ExecStart --value $u.service | arguments
          files=$(systemctl show -p EnvironmentFiles --value $u.service | sed 's/ (ignore_errors=.*//')
          echo '-- environment'
          { systemctl show -p Environment --value $u.service | tr ' ' '\\n'; cat $files 2>/dev/null; } | variables
          echo '-- proxies'
          { sed -n 's/^Environment=//p' "$(systemctl show -p FragmentPath --value $u.service)" | tr ' ' '\\n'; cat $files 2>/dev/null; } | proxies
        done
        [ ! -s /etc/rancher/k3s/registries.yaml ] || echo '-- registries'
        """
}
