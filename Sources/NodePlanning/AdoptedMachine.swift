internal import Diagnostics
internal import NodeInventory
package import YAML

/// A machine of a k3s cluster that homelab did not make, as it was found.
package struct AdoptedMachine: Sendable {
    /// What the operator gave: where and how it was reached.
    package var host: String
    package var port: Int
    package var user: String
    package var identityFiles: [String]
    package var facts: NodeFacts
    /// The merged text of config.yaml and its drop-ins, secrets blanked, in k3s' order.
    package var configurations: [Value]
    /// The words after `server` or `agent` on the unit's command line.
    package var arguments: [String]
    package var hasRegistries: Bool
    /// `K3S_…` variables of the unit and its environment files, secrets blanked: a flag that is given nowhere else.
    package var environment: [String: String]
    /// Names of variables for proxies that the unit itself or its environment files set, and not a drop-in.
    package var proxies: [String]

    package init(host: String, port: Int, user: String, identityFiles: [String], facts: NodeFacts) {
        self.host = host
        self.port = port
        self.user = user
        self.identityFiles = identityFiles
        self.facts = facts
        configurations = []
        arguments = []
        hasRegistries = false
        environment = [:]
        proxies = []
    }
}

extension AdoptedMachine {
    /// What k3s was given, as keys of config.yaml: the environment, config.yaml and its drop-ins, the command line. A later one wins, in a file
    /// `key+` appends (docs.k3s.io/installation/configuration).
    package var settings: Object {
        var result = Object()
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            guard let key = K3sFlags.environment[name] else { continue }
            result[key] = K3sFlags.all[key]?.kind == .boolean ? .bool(!["false", "0"].contains(value)) : .string(value)
        }
        for configuration in configurations {
            for member in configuration.object ?? Object() {
                if member.key.hasSuffix("+") {
                    let key = String(member.key.dropLast())
                    let before = result[key].map { $0.array ?? [$0] } ?? []
                    result[key] = .array(before + (member.value.array ?? [member.value]))
                } else {
                    result[member.key] = member.value
                }
            }
        }
        for (key, value) in Self.flags(arguments) { result[key] = value }
        return result
    }

    /// `--disable traefik --disable=servicelb --debug` as keys of config.yaml.
    static func flags(_ arguments: [String]) -> [(String, Value)] {
        var given: [(key: String, value: Value)] = []
        var rest = arguments[...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("-") else { continue }
            let text = word.drop { $0 == "-" }
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let key = short[parts[0]] ?? parts[0]
            let kind = K3sFlags.all[key]?.kind
            let value: Value
            if parts.count == 2 {
                value = kind == .boolean ? .bool(parts[1] != "false") : .string(parts[1])
            } else if kind == .boolean {
                value = true
            } else {
                value = .string(rest.popFirst() ?? "")
            }
            if kind == .list {
                let before = given.first { $0.key == key }?.value.array ?? []
                given.removeAll { $0.key == key }
                given.append((key, .array(before + [value])))
            } else {
                given.append((key, value))
            }
        }
        return given
    }

    private static let short = [
        "c": "config", "d": "data-dir", "i": "node-ip", "l": "log", "o": "write-kubeconfig", "s": "server", "t": "token",
    ]

    /// Settings with which homelab's own k3s would not be this one any more: it would begin with no data, or not be found.
    var obstacles: Diagnostics {
        let usual = [
            "data-dir": "/var/lib/rancher/k3s", "config": "/etc/rancher/k3s/config.yaml", "https-listen-port": "6443",
            "supervisor-port": "6443", "apiserver-port": "6443", "datastore-endpoint": "", "disable-agent": "false",
            "disable-apiserver": "false", "disable-etcd": "false", "rootless": "false",
        ]
        var found = Diagnostics()
        for (key, value) in settings.map({ ($0.key, $0.value) }) {
            guard let expected = usual[key], let text = value.scalarText, text != expected else { continue }
            found.append(
                Diagnostic(
                    .error, "k3s has \(key) \(text), with which homelab cannot keep it", subject: "host \(host)",
                    remedy: K3sFlags.managed[key] ?? K3sFlags.secrets[key]))
        }
        return found
    }
}
