import Foundation
import Testing
import YAML

/// JSON Schema (draft 2020-12) as far as homelab's own schema uses it; a keyword it does not know fails the test.
struct SchemaValidator {
    /// Why a value does not fit; nil when it does.
    static func problem(_ value: Value, _ schema: Value, at path: String = "") throws -> String? {
        let rules = try #require(schema.object, "\(path): a schema is an object")
        for (keyword, rule) in rules.map({ ($0.key, $0.value) }) {
            if let problem = try problem(value, keyword, rule, rules, path) { return problem }
        }
        return nil
    }

    private static func problem(_ value: Value, _ keyword: String, _ rule: Value, _ rules: Object, _ path: String) throws -> String? {
        switch keyword {
        case "$schema", "title", "description": return nil
        case "type":
            let names = (rule.array ?? [rule]).compactMap(\.string)
            #expect(Set(names).isSubset(of: ["object", "array", "string", "integer", "number", "boolean"]), "\(names)")
            return names.contains { fits(value, $0) } ? nil : "\(path) is no \(names.joined(separator: " or "))"
        case "const": return value == rule ? nil : "\(path) is not \(rule)"
        case "enum": return try #require(rule.array).contains(value) ? nil : "\(path) is none of \(rule)"
        case "minimum": return value.int.map { $0 < rule.int ?? 0 } == true ? "\(path) is too small" : nil
        case "maximum": return value.int.map { $0 > rule.int ?? 0 } == true ? "\(path) is too large" : nil
        case "pattern":
            guard let text = value.string else { return nil }
            let pattern = try NSRegularExpression(pattern: #require(rule.string))
            let range = NSRange(text.startIndex..., in: text)
            return pattern.firstMatch(in: text, range: range) == nil ? "\(path) does not match \(pattern.pattern)" : nil
        case "required":
            guard let object = value.object else { return nil }
            return try #require(rule.array).compactMap(\.string).first { object[$0] == nil }.map { "\(path) has no \($0)" }
        case "properties":
            for (key, member) in (value.object ?? Object()).map({ ($0.key, $0.value) }) {
                guard let schema = rule[key] else { continue }
                if let problem = try problem(member, schema, at: "\(path).\(key)") { return problem }
            }
            return nil
        case "additionalProperties":
            let known = rules["properties"]?.object
            for (key, member) in (value.object ?? Object()).map({ ($0.key, $0.value) }) where known?[key] == nil {
                if rule == false { return "\(path).\(key) is not known" }
                if let problem = try problem(member, rule, at: "\(path).\(key)") { return problem }
            }
            return nil
        case "items":
            for (index, item) in (value.array ?? []).enumerated() {
                if let problem = try problem(item, rule, at: "\(path)[\(index)]") { return problem }
            }
            return nil
        case "oneOf":
            let problems = try #require(rule.array).map { try problem(value, $0, at: path) }
            let fitting = problems.count { $0 == nil }
            return fitting == 1 ? nil : "\(path) fits \(fitting) of: \(problems.compactMap { $0 }.joined(separator: "; "))"
        default:
            Issue.record("the schema uses \(keyword), which no editor has been asked about")
            return nil
        }
    }

    private static func fits(_ value: Value, _ type: String) -> Bool {
        switch (type, value) {
        case ("object", .object), ("array", .array), ("string", .string), ("boolean", .bool), ("integer", .int), ("number", .int),
            ("number", .double):
            true
        default: false
        }
    }
}
