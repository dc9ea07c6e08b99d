package import Diagnostics
package import YAML

extension Manifest {
    /// The object as it is best sent to a server-side apply, meaning the same: without what only the server writes, and free of what
    /// trips it up.
    ///
    /// - Quantities written as numbers (`cpu: 1`) become texts: older servers' schemas know only those.
    /// - A port's protocol is spelled out, being part of the key its list is merged by.
    /// - A Secret's `stringData` becomes `data`, or a key that is later dropped would stay in `data` for ever.
    /// - The rules of a ClusterRole with an `aggregationRule` are left to the controller that gathers them.
    /// - A `caBundle` that is no certificate is left out: it stands for what somebody injects, which would be overwritten (as in Flux).
    package var preparedForApply: Manifest {
        var result = withoutGatheredRules
        result.value["status"] = nil
        if var metadata = value["metadata"] {
            for field in ["managedFields", "uid", "creationTimestamp", "generation", "selfLink"] { metadata[field] = nil }
            result.value["metadata"] = metadata
        }
        let kind = groupVersionKind
        if kind.kind == "CustomResourceDefinition" || kind.group == "admissionregistration.k8s.io" {
            result.value = result.value.withoutBundlePlaceholders
        }
        // A definition has schemas, whose defaults and limits only look like quantities.
        guard ListKeys.isBuiltIn(kind.group), kind.kind != "CustomResourceDefinition" else { return result }
        if kind.group.isEmpty, kind.kind == "Secret" { return Manifest(result.value.withEncodedStringData, origin: origin) }
        if let spec = result.value["spec"] { result.value["spec"] = spec.spelledOut(at: FieldPath().key("spec"), ListKeys(for: kind)) }
        return result
    }
}

extension Manifest {
    /// Kubernetes fills the rules of a ClusterRole with an `aggregationRule` from other roles, whatever a manifest says of them: only two
    /// controllers that undo each other's work would come of it.
    var withoutGatheredRules: Manifest {
        guard kind == "ClusterRole", groupVersionKind.group == "rbac.authorization.k8s.io", value["aggregationRule"]?.object != nil else {
            return self
        }
        var result = self
        result.value["rules"] = nil
        return result
    }

    /// What a Secret says in `stringData` that is no text: the server takes nothing else there.
    package var stringDataProblems: [Diagnostic] {
        let kind = groupVersionKind
        guard kind.group.isEmpty, kind.kind == "Secret", let texts = value["stringData"]?.object else { return [] }
        return texts.filter { $0.value.string == nil && !$0.value.isNull }.map {
            Diagnostic(
                .error, "stringData.\($0.key) is \($0.value.kindName), and only texts can be there", subject: key.description, at: origin,
                remedy: "put it in quotes; where SOPS encrypted it, before it is encrypted anew")
        }
    }

    /// A merge patch that takes away the fields in which a server-side apply has left nothing but null, and which are not in this manifest;
    /// nil when that is not what the server complains of.
    package func withdrawal(after error: ClusterError) -> Value? {
        var patch: Value = [:]
        for cause in error.causes where cause.message.contains("\"null\"") {
            let path = cause.field.split(separator: ".").map(String.init)
            guard !cause.field.contains("["), let depth = path.indices.first(where: { value.member(at: path[...$0]) == nil }) else {
                continue
            }
            patch.setNull(at: path[...depth])
        }
        return patch == [:] ? Value?.none : patch
    }
}

extension Value {
    fileprivate func member(at path: ArraySlice<String>) -> Value? { path.reduce(Optional(self)) { $0?[$1] } }

    fileprivate mutating func setNull(at path: ArraySlice<String>) {
        guard let first = path.first else { return }
        var inner = path.count == 1 ? Value.null : self[first] ?? [:]
        inner.setNull(at: path.dropFirst())
        self[first] = inner
    }

    fileprivate func spelledOut(at path: FieldPath, _ listKeys: ListKeys) -> Value {
        switch self {
        case .object(let object):
            var result = object
            for member in object {
                let inner = path.key(member.key)
                let spelledOut = member.value.spelledOut(at: inner, listKeys)
                if spelledOut != member.value { result[member.key] = spelledOut }
            }
            return .object(result)
        case .array(let items):
            let needsProtocol = listKeys.keys(at: path.keys)?.contains("protocol") == true
            return .array(
                items.map { item in
                    var item = item.spelledOut(at: path, listKeys)
                    if needsProtocol, item.object != nil, item["protocol"] == nil { item["protocol"] = "TCP" }
                    return item
                })
        case .int(let number): return path.isQuantity ? .string(String(number)) : self
        case .uint, .double: return path.isQuantity ? Quantity(self).map { .string($0.text) } ?? self : self
        default: return self
        }
    }

    fileprivate var withoutBundlePlaceholders: Value {
        switch self {
        case .array(let items): return .array(items.map(\.withoutBundlePlaceholders))
        case .object(let object):
            var result = self
            for member in object where member.value.object != nil || member.value.array != nil {
                // The schemas of a definition have no such field, and are large.
                if member.key == "schema" { continue }
                result[member.key] = member.value.withoutBundlePlaceholders
            }
            if let bundle = self[path: "clientConfig", "caBundle"]?.string, !Self.isBundle(bundle) {
                result["clientConfig"]?["caBundle"] = nil
            }
            return result
        default: return self
        }
    }

    /// Whether a text in base64 has the beginning of a PEM block in it, at whichever of the three places that four digits begin.
    private static func isBundle(_ text: String) -> Bool {
        ["LS0tLS1CRUdJTi", "0tLS0tQkVHSU", "tLS0tLUJFR0lO"].contains { text.contains($0) }
    }

    /// A Secret with its `stringData` moved into `data`, as the server does before it stores it. What is no text stays for the server to
    /// refuse.
    var withEncodedStringData: Value {
        guard let texts = self["stringData"]?.object else { return self }
        var result = self
        var data = self["data"] ?? .null
        var rest = Object()
        for member in texts {
            if let text = member.value.string {
                data[member.key] = .string(base64(Array(text.utf8)))
            } else if !member.value.isNull {
                rest.append(member.key, member.value)
            }
        }
        result["data"] = data
        result["stringData"] = rest.isEmpty ? nil : .object(rest)
        return result
    }
}

extension FieldPath {
    /// Whether a built-in kind has a quantity here.
    var isQuantity: Bool {
        guard let field = keys.last else { return false }
        return Self.quantityFields.contains(field) || Self.quantityMaps.contains(keys.dropLast().last ?? "")
    }

    private static let quantityFields: Set<String> = ["sizeLimit", "divisor", "averageValue"]
    private static let quantityMaps: Set<String> = [
        "limits", "requests", "capacity", "allocatable", "hard", "default", "defaultRequest", "max", "min", "maxLimitRequestRatio",
        "overhead", "podFixed",
    ]
}

/// RFC 4648, the standard alphabet with padding; small enough not to cost this pure module a C library.
private func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        var bits = 0
        for byte in group { bits = bits << 8 | Int(byte) }
        bits <<= 8 * (3 - group.count)
        for place in 0..<4 { text.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : 0x3D) }
    }
    return String(decoding: text, as: UTF8.self)
}
