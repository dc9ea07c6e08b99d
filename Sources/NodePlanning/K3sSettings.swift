internal import NodeInventory
package import YAML

/// What the k3s of a machine is given, by the places it is given in.
package struct K3sSettings: Sendable {
    /// config.yaml, where there is one, and its drop-ins, secrets blanked, in k3s' order.
    package var configurations: [Value] = []
    /// The file that the unit starts; nil where its command line names none by its whole path.
    package var program: String?
    /// The words after `server` or `agent` on the unit's command line.
    package var arguments: [String] = []
    /// `K3S_…` variables of the unit and its environment files, secrets blanked: a flag that is given nowhere else.
    package var environment: [String: String] = [:]

    package init() {}

    /// All of it as keys of config.yaml: the environment, config.yaml and its drop-ins, the command line. A later one wins, in a file `key+`
    /// appends (docs.k3s.io/installation/configuration).
    package var merged: Object {
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
}
