package import YAML

/// The inventory's format as JSON Schema (draft 2020-12), for editors: made from the table that the checks use.
package enum JSONSchema {
    package static var inventory: Value {
        [
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "homelab inventory",
            "oneOf": [object(.cluster, about: "A cluster and its machines."), object(.node, about: "One machine.")],
        ]
    }

    package static var text: String { JSONWriter.text(inventory, pretty: true) }

    private static func object(_ schema: ObjectSchema, about: String?) -> Value {
        var properties = Object()
        for field in schema.fields { properties[field.name] = described(value(field.type), field.about) }
        var result: Value = ["type": "object"]
        if let about { result["description"] = .string(about) }
        result["properties"] = .object(properties)
        let required = schema.fields.filter(\.required).map { Value.string($0.name) }
        if !required.isEmpty { result["required"] = .array(required) }
        result["additionalProperties"] = false
        return result
    }

    private static func described(_ schema: Value, _ about: String) -> Value {
        var schema = schema
        schema["description"] = .string(about)
        return schema
    }

    private static func value(_ type: FieldType) -> Value {
        switch type {
        case .anything: return ["type": "object"]
        case .boolean: return ["type": "boolean"]
        case .integer(let range):
            return ["type": "integer", "minimum": .int(Int64(range.lowerBound)), "maximum": .int(Int64(range.upperBound))]
        case .choice(let words): return ["enum": .array(words.map { .string($0) })]
        case .list(let item): return ["type": "array", "items": value(item)]
        case .oneOrMore(let item): return ["oneOf": [value(item), ["type": "array", "items": value(item)]]]
        case .map(let item): return ["type": "object", "additionalProperties": value(item)]
        case .object(let schema): return object(schema, about: nil)
        case .textOr(let other): return ["oneOf": [["type": "string"], value(other)]]
        case .text(let form):
            guard let pattern = form.pattern else { return ["type": ["string", "number", "boolean"]] }
            return ["type": "string", "pattern": .string(pattern)]
        case .secret:
            return [
                "oneOf": [
                    ["const": "prompt"],
                    ["type": "object", "properties": ["file": ["type": "string"]], "required": ["file"], "additionalProperties": false],
                    ["type": "object", "properties": ["env": ["type": "string"]], "required": ["env"], "additionalProperties": false],
                ]
            ]
        }
    }
}
