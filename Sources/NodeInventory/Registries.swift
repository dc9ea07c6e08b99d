import Diagnostics
package import YAML

/// registries.yaml as k3s reads it (docs.k3s.io, "Private Registry Configuration"), with references where it would hold secrets.
package enum Registries {
    /// The keys below `configs.<registry>.auth` that hold secrets.
    private static let secretKeys: Set<String> = ["password", "token", "auth", "identitytoken"]

    /// Reports unknown keys on the levels k3s reads, and secrets in clear text.
    static func check(_ value: Located) -> Diagnostics {
        var found = Diagnostics()
        level(value, ["mirrors", "configs"], "k3s.registries", &found)
        for (name, _, mirror) in value["mirrors"]?.entries ?? [] {
            level(mirror, ["endpoint", "rewrite"], "k3s.registries.mirrors.\(name)", &found)
        }
        for (name, _, config) in value["configs"]?.entries ?? [] {
            let path = "k3s.registries.configs.\(name)"
            level(config, ["auth", "tls"], path, &found)
            if let tls = config["tls"] {
                level(tls, ["ca_file", "cert_file", "key_file", "insecure_skip_verify"], path + ".tls", &found)
            }
            guard let auth = config["auth"] else { continue }
            level(auth, ["username"] + secretKeys.sorted(), path + ".auth", &found)
            for (key, _, secret) in auth.entries where secretKeys.contains(key) && reference(secret.node.value) == nil {
                found.append(
                    Diagnostic(
                        .error, "\"\(path).auth.\(key)\" holds a secret in clear text", at: secret.location,
                        remedy: "give {file: PATH} or {env: NAME}; homelab puts the secret into the file on the node, which is 0600"))
            }
        }
        return found
    }

    private static func level(_ value: Located, _ known: [String], _ path: String, _ found: inout Diagnostics) {
        guard value.node.mapping != nil else {
            if !value.node.isNull {
                found.append(
                    Diagnostic(
                        .error, "\"\(path)\" is \(value.node.kindName), not a mapping", at: value.location,
                        remedy: "known here: " + known.joined(separator: ", ")))
            }
            return
        }
        for (key, at, _) in value.entries where !known.contains(key) {
            let nearest = Suggestion.nearest(to: key, in: known)
            found.append(
                Diagnostic(
                    .error, "unknown field \"\(path).\(key)\"", at: at,
                    remedy: nearest.map { "did you mean \"\($0)\"?" } ?? "known here: " + known.joined(separator: ", ")))
        }
    }

    /// `{file: …}` and `{env: …}` in a passed-through value.
    package static func reference(_ value: Value) -> SecretReference? {
        guard let object = value.object, object.count == 1 else { return nil }
        if let path = object["file"]?.string { return .file(path) }
        if let name = object["env"]?.string { return .environment(name) }
        return nil
    }

    /// The same value with each reference replaced by `placeholder(reference)`.
    package static func replacing(_ value: Value, with placeholder: (SecretReference) -> String) -> Value {
        if let reference = reference(value) { return .string(placeholder(reference)) }
        switch value {
        case .array(let items): return .array(items.map { replacing($0, with: placeholder) })
        case .object(let object):
            return .object(Object(object.map { Object.Member(key: $0.key, value: replacing($0.value, with: placeholder)) }))
        default: return value
        }
    }
}
