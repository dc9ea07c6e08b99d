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
            let script = FactsScript.text(for: machines.spec)
            for node in machines.spec.nodes {
                guard let host = hosts[node.name] else { continue }
                let facts = try await FactGatherer.facts(of: host, script: script)
                var machine = AdoptedMachine(
                    host: node.host, port: node.port, user: node.user, identityFiles: node.login.identityFiles, facts: facts)
                try await read(host, into: &machine)
                found.append(machine)
                guard facts.installedRole == .server, nodes == .null else { continue }
                let answer = try await host.run(
                    RemoteCommand([NodeLayout.k3s, "kubectl", "--request-timeout=10s", "get", "nodes", "-o", "json"]))
                if answer.succeeded { nodes = try JSONReader.value(answer.standardOutput) }
            }
            guard nodes != .null else {
                throw Diagnostic(
                    .error, "none of these machines is a server whose API answers", remedy: "name at least one server of the cluster")
            }
            var cluster = AdoptedCluster(name: name, machines: found, nodes: nodes)
            let text = try cluster.inventory()
            return (text, cluster.findings)
        }
    }

    private func read(_ host: any Host, into machine: inout AdoptedMachine) async throws {
        let result = try await host.run(RemoteCommand(["sh", "-c", Self.script]))
        var documents: [String] = []
        var section = ""
        for line in result.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line == "-- config" {
                documents.append("")
                section = line
            } else if line == "-- unit" || line == "-- registries" {
                section = line
                if line == "-- registries" { machine.hasRegistries = true }
            } else if section == "-- config" {
                documents[documents.count - 1] += line + "\n"
            } else if section == "-- unit", machine.arguments.isEmpty {
                machine.arguments = Self.arguments(line)
            }
        }
        for text in documents { machine.configurations += try YAMLReader.values(text, file: "\(host.name): config.yaml") }
    }

    /// `{ path=/usr/local/bin/k3s ; argv[]=/usr/local/bin/k3s server --disable traefik ; ignore_errors=no ; … }` as `systemctl show` has it.
    static func arguments(_ line: String) -> [String] {
        guard let start = line.range(ofSubstring: "argv[]=") else { return [] }
        let rest = line[start.upperBound...]
        let text = rest.range(ofSubstring: " ; ").map { rest[..<$0.lowerBound] } ?? rest
        return text.split(separator: " ").map(String.init).drop { $0 != "server" && $0 != "agent" }.dropFirst().map { $0 }
    }

    /// Values of keys that hold secrets never leave the machine.
    private static let script = """
        for f in /etc/rancher/k3s/config.yaml /etc/rancher/k3s/config.yaml.d/*.yaml /etc/rancher/k3s/config.yaml.d/*.yml; do
          [ -f "$f" ] || continue
          echo '-- config'
          sed -e '/-file:/b' \
            -e 's/^\\( *[a-z0-9-]*\\(token\\|secret\\|access-key\\|password\\|vpn-auth\\|endpoint\\)[a-z0-9-]*:\\).*/\\1 "***"/' "$f"
        done
        echo '-- unit'
        for u in k3s k3s-agent; do
          if ! [ -d /run/systemd/system ]; then
            # k3s' installer writes the arguments of OpenRC's service into the file itself.
            [ -f "/etc/init.d/$u" ] && rc-service "$u" status >/dev/null 2>&1 || continue
            words=$(. "/etc/init.d/$u" >/dev/null 2>&1; printf '%s' "$command_args" | sed -e 's/>>.*//' -e 's/\\(--[a-z-]*token[= ]\\)[^ ;]*/\\1***/g')
            printf 'argv[]=k3s %s ;\\n' "$(printf '%s' "$words" | tr -s ' \\n' ' ')"
            continue
          fi
          [ "$(systemctl is-active $u.service 2>/dev/null)" = active ] || continue
          systemctl show -p ExecStart --value $u.service | sed -e 's/\\(--[a-z-]*token[= ]\\)[^ ;]*/\\1***/g'
        done
        [ ! -s /etc/rancher/k3s/registries.yaml ] || echo '-- registries'
        """
}
