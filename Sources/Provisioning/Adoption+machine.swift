internal import Diagnostics
internal import NodeInventory
internal import NodePlanning
internal import YAML

/// What is read of a machine beside its facts: what its k3s is given, and what homelab left there.
struct MachineReading: Sendable {
    var settings = K3sSettings()
    /// Names of variables for proxies that the unit itself or its environment files set.
    var proxies: [String] = []
    /// It has a registries.yaml that homelab did not write.
    var hasRegistries = false
    var record = HomelabRecord()

    /// - Parameters:
    ///   - printed: by the script.
    ///   - host: whose files are named where they cannot be read.
    /// - Throws: `YAMLError` for a config.yaml that is none.
    init(_ printed: String, host: String) throws {
        let names: Set = ["config", "unit", "environment", "proxies", "registries", "agent", "known-hosts"]
        var sections: [(words: [String], lines: [String])] = []
        for line in printed.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            let words = line.split(separator: " ").map(String.init)
            if line.hasPrefix("-- "), words.count > 1, names.contains(words[1]) {
                sections.append((Array(words.dropFirst()), []))
            } else if !sections.isEmpty {
                sections[sections.count - 1].lines.append(line)
            }
        }
        for (words, lines) in sections { try add(words[0], words.dropFirst().first, lines, host) }
    }

    private mutating func add(_ section: String, _ detail: String?, _ lines: [String], _ host: String) throws {
        let text = lines.joined(separator: "\n")
        switch section {
        case "config":
            let values = try YAMLReader.values(text, file: "\(host): \(detail ?? "config.yaml")")
            settings.configurations += values
            if detail == NodeLayout.k3sRegistration { record.registration = values.first?.object ?? Object() }
        case "unit":
            for line in lines {
                if settings.program == nil { settings.program = Adoption.program(line) }
                if settings.arguments.isEmpty { settings.arguments = Adoption.arguments(line) }
            }
        case "environment":
            for (name, value) in lines.compactMap(Adoption.assignment) { settings.environment[name] = value }
        case "proxies":
            for (name, _) in lines.compactMap(Adoption.assignment) where !proxies.contains(name) { proxies.append(name) }
        case "registries":
            if detail == "homelab" {
                record.registries = (try? YAMLReader.values(text, file: NodeLayout.registries))?.first?.object
                if let read = record.registries, !Self.hasBlanksInLoginsOnly(text, read) { record.registries = nil }
            }
            hasRegistries = record.registries == nil
        case "agent":
            do throws(Diagnostics) {
                record.agent = try AgentConfiguration.decode(text, file: NodeLayout.agentConfiguration)
            } catch {
                record.agentProblem = error.all.first
            }
        default: record.knownHosts = lines.compactMap(KnownHost.init)
        }
    }

    /// Whether what was blanked can be named again. A person may have written a secret elsewhere in the file.
    private static func hasBlanksInLoginsOnly(_ text: String, _ registries: Object) -> Bool {
        let logins = (registries["configs"]?.object ?? Object()).compactMap { $0.value["auth"]?.object }
        let known = logins.flatMap { $0 }.count { $0.value.string == HomelabRecord.blank }
        return text.split(separator: HomelabRecord.blank, omittingEmptySubsequences: false).count == known + 1
    }
}

extension Adoption {
    static func reading(of host: any Host) async throws -> MachineReading {
        try MachineReading(await host.run(RemoteCommand(["sh", "-c", script]).asLook).output, host: host.name)
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
        commandLine(line).drop { !roles.contains($0) }.dropFirst().map { $0 }
    }

    /// What stands before the role in the same, when it is a whole path.
    static func program(_ line: String) -> String? {
        let words = commandLine(line)
        guard let role = words.firstIndex(where: roles.contains), role > 0, words[role - 1].hasPrefix("/") else { return nil }
        return words[role - 1]
    }

    private static let roles: Set<String> = ["server", "agent"]

    private static func commandLine(_ line: String) -> [String] {
        guard let start = line.range(ofSubstring: "argv[]=") else { return [] }
        let rest = line[start.upperBound...]
        let text = rest.range(ofSubstring: " ; ").map { rest[..<$0.lowerBound] } ?? rest
        return text.split(separator: " ").map(String.init)
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
          echo "-- config $f"
          sed -e 's/^\\( *"\\{0,1\\}\\(\(secretKeys)\\)"\\{0,1\\} *:\\).*/\\1 "***"/' \
            -e 's/\\([{,] *"\\{0,1\\}\\(\(secretKeys)\\)"\\{0,1\\} *: *\\)\\("[^"]*"\\|[^,}]*\\)/\\1"***"/g' "$f"
        done
        echo '-- unit'
        for u in k3s k3s-agent; do
          if ! [ -d /run/systemd/system ]; then
            # k3s' installer writes the arguments of OpenRC's service into the file itself.
            [ -f "/etc/init.d/$u" ] || continue
            env=/etc/rancher/k3s/$u.env
            grep -qF "$env" "/etc/init.d/$u" || env=/dev/null
            words=$(. "/etc/init.d/$u" >/dev/null 2>&1; printf '%s %s' "${command:-k3s}" "$command_args" | sed -e 's/>>.*//' | arguments)
            printf 'argv[]=%s ; \\n' "$(printf '%s' "$words" | tr -s ' \\n' ' ')"
            echo '-- environment'
            cat "$env" 2>/dev/null | variables
            echo '-- proxies'
            cat "$env" 2>/dev/null | proxies
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
        """ + "\n" + recordScript

    /// What homelab wrote there. A secret of registries.yaml does not leave the machine, on how many lines it may be.
    private static let recordScript = #"""
        written() { case $(head -n 1 "$1" 2>/dev/null) in '# Written by homelab'*) return 0 ;; esac; return 1; }
        registries() {
          awk '
            { match($0, /^ */); indent = RLENGTH }
            hidden && (NF == 0 || indent > depth) { next }
            { hidden = 0; key = $0; sub(/^[ -]*/, "", key) }
            key ~ /^["\047]?(password|token|auth|identitytoken)["\047]?[ ]*:[ ]*[^ ]/ && key !~ /: *[{][}]$/ {
              print substr($0, 1, index($0, ":")) " \"***\""
              hidden = 1; depth = indent; next
            }
            { print }' |
            sed -e 's#://[^/@: ]*:[^/@ ]*@#://***@#g' \
              -e "s/\([{,] *[\"']\{0,1\}\(password\|token\|auth\|identitytoken\)[\"']\{0,1\} *: *\)\(\"[^\"]*\"\|'[^']*'\|[^,}]*\)/\1\"***\"/g"
        }
        f=/etc/rancher/k3s/registries.yaml
        if written $f; then
          echo '-- registries homelab'
          registries <$f
        elif [ -s $f ] && [ "$(cat $f)" != '{}' ]; then
          echo '-- registries'
        fi
        if [ -s /etc/homelab/agent.yaml ]; then
          echo '-- agent'
          cat /etc/homelab/agent.yaml
        fi
        if written /etc/homelab/known_hosts; then
          echo '-- known-hosts'
          cat /etc/homelab/known_hosts
        fi
        """#
}
