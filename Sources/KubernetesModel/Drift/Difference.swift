import YAML

/// What a manifest says and the live object does not: fields it leaves out are not compared, because a server-side apply does not own them;
/// see `additions` for those that a person has set.
///
/// The two are compared as the API server understands them: `1024Mi` is `1Gi`, a port's protocol defaults to TCP, `stringData` is `data`,
/// and what Kubernetes does not store (nulls, empty fields of its own kinds) is not missed. An empty result means that applying would
/// change nothing; the other way round a difference may be one that the server would normalise, so it is confirmed by applying.
/// - Parameter ignoring: JSON pointers into the manifest that are left out, with everything below them.
package func difference(
    desired: Manifest, live: Manifest, listKeys: ListKeys? = nil, ignoring: Set<String> = []
) -> [FieldDifference] {
    let kind = desired.groupVersionKind
    var comparison = Comparison(
        listKeys: listKeys ?? ListKeys(for: kind), isBuiltIn: ListKeys.isBuiltIn(kind.group), ignoring: ignoring)
    for member in desired.storedValue.object ?? Object() where !["apiVersion", "kind", "status"].contains(member.key) {
        if member.key == "metadata" {
            comparison.compareMetadata(member.value, live.value["metadata"])
        } else {
            comparison.compare(member.value, live.value[member.key], at: FieldPath().key(member.key))
        }
    }
    let secret = ["/data", "/stringData"]
    return desired.isSecret
        ? comparison.found.map { found in secret.contains(where: found.pointer.hasPrefix) ? found.masked : found } : comparison.found
}

extension Manifest {
    fileprivate var isSecret: Bool { groupVersionKind.group.isEmpty && kind == "Secret" }

    /// With what the server keeps of it only, and as it keeps it.
    var storedValue: Value { isSecret ? value.withEncodedStringData : withoutGatheredRules.value }
}

/// The walk over both values.
private struct Comparison {
    let listKeys: ListKeys
    let isBuiltIn: Bool
    let ignoring: Set<String>
    private(set) var found: [FieldDifference] = []

    init(listKeys: ListKeys, isBuiltIn: Bool, ignoring: Set<String>) {
        self.listKeys = listKeys
        self.isBuiltIn = isBuiltIn
        self.ignoring = ignoring
    }

    /// Of the metadata only what a person may set; the namespace and name are the identity.
    mutating func compareMetadata(_ desired: Value, _ live: Value?) {
        for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
            guard var wanted = desired[field] else { continue }
            if field == "annotations" { wanted["kubectl.kubernetes.io/last-applied-configuration"] = nil }
            compare(wanted, live?[field], at: FieldPath().key("metadata").key(field))
        }
    }

    mutating func compare(_ desired: Value, _ live: Value?, at path: FieldPath) {
        if desired.isNull || ignoring.contains(path.pointer) { return }
        guard let live, !live.isNull else {
            if !isOmitted(desired, at: path) { report(desired, nil, at: path) }
            return
        }
        switch (desired, live) {
        case (.object(let wanted), .object(let actual)):
            for member in wanted { compare(member.value, actual[member.key], at: path.key(member.key)) }
        case (.array(let wanted), .array(let actual)):
            compareLists(wanted, actual, at: path)
        default:
            if !isSame(desired, live, at: path) { report(desired, live, at: path) }
        }
    }

    private mutating func compareLists(_ desired: [Value], _ live: [Value], at path: FieldPath) {
        if let keys = listKeys.keys(at: path.keys) {
            if keys.isEmpty {
                let missing = desired.filter { !live.contains($0) }
                if !missing.isEmpty { report(.array(desired), .array(live), at: path) }
                return
            }
            if let byKey = keyed(live, by: keys), keyed(desired, by: keys) != nil {
                for (index, item) in desired.enumerated() {
                    let identity = identity(of: item, by: keys)
                    let label = keys.prefix(1).map { "\($0)=\(text(of: identity[0]))" }.joined()
                    compare(item, byKey[identity], at: path.item(index, label: label))
                }
                return
            }
        }
        guard desired.count == live.count else { return report(.array(desired), .array(live), at: path) }
        for (index, pair) in zip(desired, live).enumerated() { compare(pair.0, pair.1, at: path.item(index)) }
    }

    /// nil when two items have one key: then there is no telling which is which.
    private func keyed(_ items: [Value], by keys: [String]) -> [[Value]: Value]? {
        var result: [[Value]: Value] = [:]
        for item in items where result.updateValue(item, forKey: identity(of: item, by: keys)) != nil { return nil }
        return result
    }

    private func identity(of item: Value, by keys: [String]) -> [Value] {
        keys.map { item[$0] ?? ($0 == "protocol" ? "TCP" : .null) }
    }

    private func text(of value: Value) -> String { value.isNull ? "" : value.scalarText ?? "" }

    private mutating func report(_ desired: Value, _ live: Value?, at path: FieldPath) {
        found.append(FieldDifference(path: path.path, pointer: path.pointer, desired: desired, live: live))
    }
}

extension Comparison {
    /// Whether the server does not store such a value, so that its absence is no difference.
    private func isOmitted(_ desired: Value, at path: FieldPath) -> Bool {
        switch desired {
        case .null: true
        case .object(let object):
            object.isEmpty
                ? isMetadata(path) || (isBuiltIn && Self.textMaps.contains(path.keys.last ?? ""))
                : object.allSatisfy { isOmitted($0.value, at: path.key($0.key)) }
        case .array(let items): items.isEmpty && (isBuiltIn || isMetadata(path))
        // An explicit empty text in a map of texts (labels, data) is stored.
        case .string(let text): isBuiltIn && text.isEmpty && !isMap(path)
        case .bool(let flag): isBuiltIn && !flag
        case .int(let number): isBuiltIn && number == 0
        case .uint: false
        case .double(let number): isBuiltIn && number == 0
        }
    }

    private func isMetadata(_ path: FieldPath) -> Bool { path.keys.first == "metadata" }

    private func isMap(_ path: FieldPath) -> Bool { Self.textMaps.contains(path.keys.dropLast().last ?? "") }

    /// Maps of texts: empty they are not stored, but an empty text in one is. Any other empty object (`emptyDir: {}`) is stored and means something.
    private static let textMaps: Set<String> = [
        "labels", "annotations", "data", "binaryData", "matchLabels", "nodeSelector", "selector", "parameters", "limits", "requests",
        "hard",
    ]

    private func isSame(_ desired: Value, _ live: Value, at path: FieldPath) -> Bool {
        if desired == live { return true }
        // A fraction may come back with other digits, an integer not.
        if desired.isFraction || live.isFraction, let a = desired.double, let b = live.double { return a == b }
        guard isBuiltIn else { return false }
        if path.isQuantity, let a = Quantity(desired), let b = Quantity(live) { return a == b }
        switch path.keys.last {
        // Filled in by the server, or by whoever injects the bundle.
        case "clusterIP": return desired.string == ""
        case "caBundle": return desired.string == "" || desired.string == "Cg=="
        default: return false
        }
    }
}
