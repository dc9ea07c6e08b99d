import Cryptography
import YAML

/// kustomize's hash of a ConfigMap's or Secret's content, which it puts behind the names of generated ones.
enum HashSuffix {
    /// nil for other kinds, whose hash would be over kustomize's own memory.
    static func suffix(of object: Object) -> String? {
        let content: Value
        switch object["kind"]?.string {
        case "ConfigMap":
            var parts = Object([
                member(object, "data"), Object.Member(key: "kind", value: "ConfigMap"), Object.Member(key: "name", value: ""),
            ])
            if let binary = object["binaryData"] { parts.append("binaryData", binary) }
            content = .object(parts)
        case "Secret":
            var parts = Object([
                member(object, "data"), Object.Member(key: "kind", value: "Secret"), Object.Member(key: "name", value: ""),
                member(object, "type"),
            ])
            if let text = object["stringData"] { parts.append("stringData", text) }
            content = .object(parts)
        default: return nil
        }
        let digest = SHA256.digest(of: JSONWriter.bytes(content, sortedKeys: true, escapesHTML: true))
        let hex = Hex.encode(digest).prefix(10)
        return String(
            hex.map { digit in
                switch digit {
                case "0": "g"
                case "1": "h"
                case "3": "k"
                case "a": "m"
                case "e": "t"
                default: digit
                }
            })
    }

    /// An absent field counts as the empty text.
    private static func member(_ object: Object, _ key: String) -> Object.Member {
        Object.Member(key: key, value: object[key] ?? "")
    }
}

/// Puts hashes behind the names of generated resources.
struct HashTransformer: Transformer {
    let kind = "HashTransformer"

    func transform(_ set: ResourceSet, _ report: Report) {
        for resource in set.all where resource.needsHash {
            guard let suffix = HashSuffix.suffix(of: resource.object) else { continue }
            resource.rememberName()
            resource.setName(resource.name + "-" + suffix)
        }
        set.invalidate()
    }
}
