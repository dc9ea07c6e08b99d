import Foundation
package import KubernetesModel
import YAML

/// Checks objects against the structural schema of their CustomResourceDefinition as an API server does, and more: a field that the schema
/// does not have is a problem, where a server would drop it without a word.
package struct DefinitionValidator {
    /// Of one version.
    private let schema: Value

    /// nil where the definition does not have that version.
    package init?(_ definition: Manifest, version: String) {
        let versions = definition.value[path: "spec", "versions"]?.array ?? []
        guard let schema = versions.first(where: { $0["name"]?.string == version })?[path: "schema", "openAPIV3Schema"] else { return nil }
        self.schema = schema
    }

    /// Of `spec` and `status`, each with its place.
    package func problems(of object: Manifest) -> [String] {
        ["spec", "status"].flatMap { field -> [String] in
            guard let value = object.value[field], let rule = schema[path: "properties", field] else { return [] }
            return problems(value, rule, at: field)
        }
    }

    private func problems(_ value: Value, _ rule: Value, at path: String) -> [String] {
        var found: [String] = []
        let type = rule["type"]?.string ?? "any"
        guard Self.fits(value, type) else { return ["\(path) is no \(type)"] }
        if let choices = rule["enum"]?.array, !choices.contains(value) { found.append("\(path) is none of \(choices)") }
        if let text = value.string { found += problems(text, rule, at: path) }
        if let least = rule["minimum"]?.int, let number = value.int, number < least { found.append("\(path) is below \(least)") }
        for (index, item) in (value.array ?? []).enumerated() {
            found += problems(item, rule["items"] ?? [:], at: "\(path)[\(index)]")
        }
        if let least = rule["minItems"]?.int, let items = value.array, items.count < least { found.append("\(path) has too few items") }
        guard let members = value.object else { return found }
        for name in (rule["required"]?.array ?? []).compactMap(\.string) where members[name] == nil {
            found.append("\(path).\(name) is missing")
        }
        for member in members {
            if let inner = rule[path: "properties", member.key] ?? rule["additionalProperties"] {
                found += problems(member.value, inner, at: "\(path).\(member.key)")
            } else if rule["x-kubernetes-preserve-unknown-fields"]?.bool != true {
                found.append("\(path).\(member.key) is not known")
            }
        }
        return found
    }

    private func problems(_ text: String, _ rule: Value, at path: String) -> [String] {
        var found: [String] = []
        let length = Int64(text.unicodeScalars.count)
        if let least = rule["minLength"]?.int, length < least { found.append("\(path) is too short") }
        if let most = rule["maxLength"]?.int, length > most { found.append("\(path) is too long") }
        if let pattern = rule["pattern"]?.string, text.range(of: pattern, options: .regularExpression) == nil {
            found.append("\(path) does not match \(pattern): \(text)")
        }
        // RFC 3339, which is what the server wants of a date-time.
        let time = #"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$"#
        if rule["format"]?.string == "date-time", text.range(of: time, options: .regularExpression) == nil {
            found.append("\(path) is no time: \(text)")
        }
        return found
    }

    private static func fits(_ value: Value, _ type: String) -> Bool {
        switch (type, value) {
        case ("any", _), ("object", .object), ("array", .array), ("string", .string), ("boolean", .bool), ("integer", .int),
            ("number", .int), ("number", .double):
            true
        default: false
        }
    }
}
