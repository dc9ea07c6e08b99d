package import YAML

/// A kubeconfig as a value: what k3s writes on a server made usable elsewhere, and merged into a file the operator already has.
package struct Kubeconfig: Hashable, Sendable {
    package private(set) var value: Value

    package init(_ value: Value) { self.value = value }

    /// Reads a kubeconfig file's bytes.
    /// - Parameter file: how errors name the file.
    package init(bytes: [UInt8], file: String) throws(YAMLError) {
        value = try YAMLReader.values(bytes: bytes, file: file).first ?? .null
    }

    package var text: String { YAMLWriter.text(value, sortedKeys: false) }

    /// k3s names cluster, user and context all `default` and points them at 127.0.0.1; this names them after the cluster and points them
    /// at `server` (`https://host:6443`). Works on the parsed file, never on its text, so a certificate that happens to hold the word
    /// `default` stays what it is.
    package func renamed(to name: String, server: String) -> Kubeconfig {
        var result = value
        result["clusters"] = mapEntries("clusters") { entry in
            entry["name"] = .string(name)
            var cluster = entry["cluster"] ?? .object(Object())
            cluster["server"] = .string(server)
            entry["cluster"] = cluster
        }
        result["users"] = mapEntries("users") { $0["name"] = .string(name) }
        result["contexts"] = mapEntries("contexts") { entry in
            entry["name"] = .string(name)
            var context = entry["context"] ?? .object(Object())
            context["cluster"] = .string(name)
            context["user"] = .string(name)
            entry["context"] = context
        }
        result["current-context"] = .string(name)
        return Kubeconfig(result)
    }

    /// This file with the entries of `other` put in: entries of the same name are replaced, all others and the chosen context stay.
    package func merging(_ other: Kubeconfig) -> Kubeconfig {
        var result = value.object == nil ? Value.object(Object()) : value
        if result["apiVersion"] == nil { result["apiVersion"] = "v1" }
        if result["kind"] == nil { result["kind"] = "Config" }
        for list in ["clusters", "users", "contexts"] {
            var entries = result[list]?.array ?? []
            for entry in other.value[list]?.array ?? [] {
                if let at = entries.firstIndex(where: { $0["name"] == entry["name"] }) {
                    entries[at] = entry
                } else {
                    entries.append(entry)
                }
            }
            result[list] = .array(entries)
        }
        if (result["current-context"]?.string ?? "").isEmpty { result["current-context"] = other.value["current-context"] }
        return Kubeconfig(result)
    }

    /// The address of the current context's API server; nil in a file without one.
    package var server: String? {
        let context = value["contexts"]?.array?.first { $0["name"] == value["current-context"] } ?? value["contexts"]?.array?.first
        let cluster = context?[path: "context", "cluster"]
        return value["clusters"]?.array?.first { $0["name"] == cluster }?[path: "cluster", "server"]?.string
    }

    /// Whether there is a cluster of this name with an address, a context for it and, when it is known, this CA (base64 as in the file).
    package func holds(cluster: String, certificateAuthority: String?) -> Bool {
        let entry = value["clusters"]?.array?.first { $0["name"]?.string == cluster }
        let context = value["contexts"]?.array?.first { $0[path: "context", "cluster"]?.string == cluster }
        guard entry?[path: "cluster", "server"]?.string != nil, context != nil else { return false }
        return certificateAuthority.map { entry?[path: "cluster", "certificate-authority-data"]?.string == $0 } ?? true
    }

    /// Whether entries of the names that `other` has are of another cluster: one with another address and another CA.
    func leadsElsewhere(than other: Kubeconfig) -> Bool {
        for entry in other.value["clusters"]?.array ?? [] {
            let own = value["clusters"]?.array?.first { $0["name"] == entry["name"] }
            for field in ["server", "certificate-authority-data"] {
                if let text = own?[path: "cluster", field]?.string, text == entry[path: "cluster", field]?.string { return false }
            }
        }
        return ["clusters", "users", "contexts"].contains { list in
            let names = (other.value[list]?.array ?? []).map { $0["name"] }
            return value[list]?.array?.contains { names.contains($0["name"]) } ?? false
        }
    }

    private func mapEntries(_ list: String, _ change: (inout Value) -> Void) -> Value {
        .array(
            (value[list]?.array ?? []).map { entry in
                var changed = entry
                change(&changed)
                return changed
            })
    }
}
