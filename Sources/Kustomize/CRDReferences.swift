import YAML

/// Reads from OpenAPI definitions of custom resources which of their fields hold names, labels or annotations: the
/// `x-kubernetes-object-ref-*` and related extensions that `crds` files carry.
struct CRDReferences {
    private(set) var config = TransformerConfig.empty
    private let definitions: Object
    private static let maximumDepth = 32

    init(_ value: Value) {
        definitions = value.object ?? Object()
        config.isBuiltIn = false
        for definition in definitions {
            let properties = definition.value["Schema"]?["properties"] ?? definition.value["schema"]?["properties"]
            guard let properties = properties?.object, ["kind", "apiVersion", "metadata"].allSatisfy({ properties[$0] != nil }) else {
                continue
            }
            let kind = definition.key.split(separator: ".").last.map(String.init) ?? definition.key
            add(definition.key, kind: kind, path: [])
        }
    }

    private mutating func add(_ name: String, kind: String, path: [String]) {
        guard path.count < Self.maximumDepth, let definition = definitions[name] else { return }
        let schema = definition["Schema"] ?? definition["schema"]
        for property in schema?["properties"]?.object ?? Object() {
            let here = path + [property.key]
            let spec = FieldSpec(here.joined(separator: "/"), kind: kind)
            func has(_ key: String) -> Bool { property.value[key]?.string != nil }
            // Two definitions of one path cannot conflict: none of them creates.
            if has("x-kubernetes-annotation") { try? config.commonAnnotations.merge(spec) }
            if has("x-kubernetes-label-selector") { try? config.commonLabels.merge(spec) }
            if has("x-kubernetes-identity") { try? config.namePrefix.merge(spec) }
            if let version = property.value["x-kubernetes-object-ref-api-version"]?.string,
                let target = property.value["x-kubernetes-object-ref-kind"]?.string
            {
                let key = property.value["x-kubernetes-object-ref-name-key"]?.string ?? "name"
                let referrer = FieldSpec((here + [key]).joined(separator: "/"), kind: kind)
                try? config.merge(NameReference(target: TypeSelector(version: version, kind: target), referrers: [referrer]))
            }
            if let reference = property.value["$ref"]?.string { add(reference, kind: kind, path: here) }
        }
    }
}
