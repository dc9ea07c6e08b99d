import Diagnostics
package import YAML

/// registries.yaml as k3s reads it (docs.k3s.io, "Private Registry Configuration"), with references where it would hold secrets.
package enum Registries {
    /// The keys below `configs.<registry>.auth` that hold secrets.
    private static let secretKeys: Set<String> = ["password", "token", "auth", "identitytoken"]

    private static let mirror = ObjectSchema(
        name: "Mirror",
        fields: [
            Field("endpoint", .list(.text()), "URLs that are asked in the registry's place, the first one first."),
            Field("rewrite", .map(.text()), "Regular expressions of image names, and what they become there."),
        ])

    private static let registry = ObjectSchema(
        name: "Registry",
        fields: [
            Field(
                "auth",
                .object(
                    ObjectSchema(
                        name: "RegistryLogin",
                        fields: [Field("username", .text(), "User name.")]
                            + secretKeys.sorted().map { Field($0, .anything, "A reference to the secret.") })), "The login."),
            Field(
                "tls",
                .object(
                    ObjectSchema(
                        name: "RegistryTLS",
                        fields: [
                            Field("ca_file", .text(), "Path of its certificate authority on the node."),
                            Field("cert_file", .text(), "Path of the client's certificate on the node."),
                            Field("key_file", .text(), "Path of the client's key on the node."),
                            Field("insecure_skip_verify", .boolean, "Believe any certificate."),
                        ])), "How its certificate is checked."),
        ])

    /// Reports what k3s would not understand, and would not start with; and secrets in clear text.
    static func check(_ value: Located) -> Diagnostics {
        let schemas = [("mirrors", mirror), ("configs", registry)]
        var check = SchemaCheck()
        // Each registry is looked at by itself: one without a value is one without settings.
        let fields = schemas.map { Field($0.0, .map(.anything), "The registries, each with its settings.") }
        check.check(value, ObjectSchema(name: "Registries", fields: fields), path: "k3s.registries")
        for (key, schema) in schemas {
            for (name, _, entry) in value[key]?.entries ?? [] where !entry.node.isNull {
                check.check(entry, schema, path: "k3s.registries.\(key).\(name)")
            }
        }
        var found = check.diagnostics
        for (name, _, mirror) in value["mirrors"]?.entries ?? [] {
            for endpoint in mirror["endpoint"]?.items ?? [] where endpoint.text.map(RepositorySpec.holdsPassword) == true {
                found.append(
                    Diagnostic(
                        .error, "\"k3s.registries.mirrors.\(name).endpoint\" holds a password in clear text", at: endpoint.location,
                        remedy: "take it out of the URL and write it under configs.<host>.auth, password: {file: PATH} or {env: NAME}"))
            }
        }
        for (name, _, config) in value["configs"]?.entries ?? [] {
            for (key, _, secret) in config["auth"]?.entries ?? [] where secretKeys.contains(key) && reference(secret.node.value) == nil {
                found.append(
                    Diagnostic(
                        .error, "\"k3s.registries.configs.\(name).auth.\(key)\" holds a secret in clear text", at: secret.location,
                        remedy: "give {file: PATH} or {env: NAME}; homelab puts the secret into the file on the node, which is 0600"))
            }
        }
        return found
    }

    /// `{file: …}` and `{env: …}` in a passed-through value.
    package static func reference(_ value: Value) -> SecretReference? {
        guard let object = value.object, object.count == 1 else { return nil }
        if let path = object["file"]?.string { return .file(path) }
        if let name = object["env"]?.string { return .environment(name) }
        return nil
    }

    /// What stands in a registries.yaml at the places of an inventory's references, with which it was written. A reference is left out for
    /// which nothing stands there, or several things.
    package static func secrets(of value: Value, in written: Value) -> [SecretReference: String] {
        var found: [SecretReference: Set<String?>] = [:]
        collect(value, written, &found)
        return found.compactMapValues { $0.count == 1 ? $0.first ?? nil : nil }
    }

    private static func collect(_ value: Value, _ written: Value, _ found: inout [SecretReference: Set<String?>]) {
        if let reference = reference(value) {
            found[reference, default: []].insert(written.string)
            return
        }
        for member in value.object ?? Object() {
            if let part = written[member.key] { collect(member.value, part, &found) }
        }
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
