import KubernetesModel
import YAML

/// The part of an OpenAPI (v2) document that a build needs: how the lists of its types merge, and which types are cluster-scoped.
struct OpenAPIDocument {
    private(set) var schemas: [GroupVersionKind: MergeSchema] = [:]
    private(set) var clusterScoped: [GroupVersionKind: Bool] = [:]
    private let definitions: Object
    /// Bounds types that contain themselves.
    private static let maximumDepth = 24

    /// Whether names that the document does not define may mean built-in types.
    private let keepsBuiltIn: Bool

    init(_ value: Value, keepsBuiltIn: Bool) {
        self.keepsBuiltIn = keepsBuiltIn
        definitions = value["definitions"]?.object ?? Object()
        for definition in definitions {
            for type in definition.value["x-kubernetes-group-version-kind"]?.array ?? [] {
                guard let type = Self.type(type) else { continue }
                schemas[type] = schema(definition.value, depth: 0) ?? MergeSchema()
            }
        }
        for path in value["paths"]?.object ?? Object() {
            for operation in path.value.object ?? Object() {
                guard let type = operation.value["x-kubernetes-group-version-kind"].flatMap(Self.type) else { continue }
                let isNamespaced = path.key.contains("namespaces/{namespace}")
                // A type also listed across all namespaces is still namespaced.
                clusterScoped[type] = (clusterScoped[type] ?? true) && !isNamespaced
            }
        }
    }

    /// The schema of one field, its references meaning built-in types.
    static func schema(ofField value: Value) -> MergeSchema? {
        OpenAPIDocument(.null, keepsBuiltIn: true).schema(value, depth: 0)
    }

    private static func type(_ value: Value) -> GroupVersionKind? {
        guard let kind = value["kind"]?.string else { return nil }
        return GroupVersionKind(group: value["group"]?.string ?? "", version: value["version"]?.string ?? "", kind: kind)
    }

    private func schema(_ value: Value, depth: Int) -> MergeSchema? {
        guard depth < Self.maximumDepth else { return nil }
        if let reference = value["$ref"]?.string, let name = reference.split(separator: "/").last {
            if let definition = definitions[String(name)] { return schema(definition, depth: depth + 1) }
            return keepsBuiltIn ? MergeSchema.builtIn(definition: String(name)) : nil
        }
        if value["items"] != nil || value["type"] == "array" {
            let element = value["items"].flatMap { schema($0, depth: depth + 1) }
            let strategies = value["x-kubernetes-patch-strategy"]?.string?.split(separator: ",") ?? []
            guard strategies.contains("merge") else { return element.map { MergeSchema(listMergedBy: nil, of: $0) } }
            return MergeSchema(listMergedBy: mergeKeys(value), of: element)
        }
        var fields: [String: MergeSchema] = [:]
        for property in value["properties"]?.object ?? Object() {
            if let schema = schema(property.value, depth: depth + 1) { fields[property.key] = schema }
        }
        return fields.isEmpty ? nil : MergeSchema(fields: fields)
    }

    /// The list's map keys where it names several, else its single merge key.
    private func mergeKeys(_ value: Value) -> [String] {
        let keys = value["x-kubernetes-list-map-keys"]?.array?.compactMap(\.string) ?? []
        if !keys.isEmpty { return keys }
        return value["x-kubernetes-patch-merge-key"]?.string.map { [$0] } ?? []
    }
}
