package import YAML

/// The record of what one unit has applied: written before an object is applied, forgetting an object only when it is seen to be gone or
/// another's, or left the repository and is not to be deleted.
package struct ResourceInventory: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        /// The API version it was applied in.
        package var version: String
        /// Digest of the manifest as it was applied; empty when recorded but not yet (or by Flux, which keeps none).
        package var digest: String

        package init(version: String, digest: String = "") {
            self.version = version
            self.digest = digest
        }
    }

    package private(set) var entries: [ObjectKey: Entry]

    package init(_ entries: [ObjectKey: Entry] = [:]) { self.entries = entries }

    package var isEmpty: Bool { entries.isEmpty }
    package var count: Int { entries.count }
    package var keys: [ObjectKey] { entries.keys.sorted() }
    package func contains(_ key: ObjectKey) -> Bool { entries[key] != nil }

    package subscript(key: ObjectKey) -> Entry? {
        get { entries[key] }
        set { entries[key] = newValue }
    }

    /// Everything in either. An entry of `other` wins, but does not wipe out a known digest with an unknown one of the same version.
    package func merged(with other: ResourceInventory) -> ResourceInventory {
        // Shares the memory, which counts with a thousand units.
        if entries.isEmpty { return other }
        return ResourceInventory(
            entries.merging(other.entries) { mine, theirs in
                theirs.digest.isEmpty && theirs.version == mine.version ? mine : theirs
            })
    }

    /// What is here and not in `other`: with `other` the new desired set, what is to be pruned.
    package func subtracting(_ other: ResourceInventory) -> ResourceInventory {
        ResourceInventory(entries.filter { other.entries[$0.key] == nil })
    }

    package mutating func remove(_ keys: some Sequence<ObjectKey>) {
        for key in keys { entries[key] = nil }
    }

    package func groupVersionKind(of key: ObjectKey) -> GroupVersionKind? {
        entries[key].map { GroupVersionKind(group: key.group, version: $0.version, kind: key.kind) }
    }
}

extension ResourceInventory {
    /// `{entries: [{id, v}]}`, sorted: the field `status.inventory` of Flux's Kustomization.
    package var fluxValue: Value {
        let items = identified.map { id, entry -> Value in ["id": .string(id), "v": .string(entry.version)] }
        return ["entries": .array(items)]
    }

    /// Reads `status.inventory` of Flux's Kustomization; entries that are no identifiers are left out.
    package init(fluxValue: Value) {
        self.init()
        for item in fluxValue["entries"]?.array ?? [] {
            guard let id = item["id"]?.string, let key = ObjectKey(inventoryID: id) else { continue }
            entries[key] = Entry(version: item["v"]?.string ?? "v1")
        }
    }

    /// One line per object, sorted: `<namespace>_<name>_<group>_<kind> <version> <digest>`; the same inventory gives the same bytes.
    package var text: String {
        identified.map { id, entry in entry.digest.isEmpty ? "\(id) \(entry.version)\n" : "\(id) \(entry.version) \(entry.digest)\n" }
            .joined()
    }

    /// Reads `text`; nil when a line is none of ours, because a record that cannot be read whole must not be used for pruning.
    package init?(text: String) {
        self.init()
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard (2...3).contains(words.count), let key = ObjectKey(inventoryID: String(words[0])) else { return nil }
            entries[key] = Entry(version: String(words[1]), digest: words.count == 3 ? String(words[2]) : "")
        }
    }

    private var identified: [(String, Entry)] {
        entries.map { ($0.key.inventoryID, $0.value) }.sorted { $0.0 < $1.0 }
    }
}

extension ObjectKey {
    /// `<namespace>_<name>_<group>_<kind>` as Flux and cli-utils write it; the colons of RBAC names become two underscores.
    package var inventoryID: String {
        "\(namespace)_\(name.split(separator: ":", omittingEmptySubsequences: false).joined(separator: "__"))_\(group)_\(kind)"
    }

    package init?(inventoryID: String) {
        let parts = inventoryID.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count >= 4, let kind = parts.last, !kind.isEmpty else { return nil }
        let nameParts = parts[1..<(parts.count - 2)]
        let name = nameParts.joined(separator: "_").replacingPairs()
        guard !name.isEmpty else { return nil }
        self.init(group: String(parts[parts.count - 2]), kind: String(kind), namespace: String(parts[0]), name: name)
    }
}

extension String {
    /// `__` back to `:`.
    fileprivate func replacingPairs() -> String {
        var result = ""
        var rest = self[...]
        while let next = rest.first {
            if rest.hasPrefix("__") {
                result.append(":")
                rest = rest.dropFirst(2)
            } else {
                result.append(next)
                rest = rest.dropFirst()
            }
        }
        return result
    }
}
