import RegularExpressions
package import YAML

/// What a CustomResourceDefinition says of one version of its kind, for objects that no API server has looked at yet.
///
/// Of OpenAPI it knows what the definitions of Flux' kinds use. Null is as good as nothing, and a text that variables are still to be put
/// into may become anything.
package struct StructuralSchema: Sendable {
    /// A field that does not fit.
    package struct Misfit: Sendable {
        /// The field; of one that is missing, where it would be.
        package var path: [PathStep]
        /// One sentence, with the field.
        package var summary: String
        package var remedy: String?
        /// A server takes the object, and leaves the field out.
        package var isUnknownField = false
        /// What was written, where only `candidates` may be.
        package var word = ""
        package var candidates: [String] = []
    }

    /// By kind and version, those of the kinds that the agent serves.
    package static let served: [GroupVersionKind: StructuralSchema] = {
        var schemas: [GroupVersionKind: StructuralSchema] = [:]
        for definition in (try? FluxKinds.definitions) ?? [] {
            let spec = definition.value["spec"]
            for version in spec?["versions"]?.array ?? [] {
                let kind = GroupVersionKind(
                    group: spec?["group"]?.string ?? "", version: version["name"]?.string ?? "",
                    kind: spec?[path: "names", "kind"]?.string ?? "")
                schemas[kind] = version[path: "schema", "openAPIV3Schema"].map { StructuralSchema(rule: $0) }
            }
        }
        return schemas
    }()

    private let rule: Value

    /// - Parameter rule: an `openAPIV3Schema`.
    package init(rule: Value) { self.rule = rule }

    /// All that does not fit, besides `metadata`, which is the same for all kinds, and `status`, which no author writes.
    package func misfits(in object: Value) -> [Misfit] {
        var (own, found) = (object, [Misfit]())
        for field in ["metadata", "status"] { own[field] = nil }
        check(own, rule, [], &found)
        return found
    }

    private func check(_ value: Value, _ rule: Value, _ path: [PathStep], _ found: inout [Misfit]) {
        if value.isNull || value.string?.contains("${") == true { return }
        let type = rule["type"]?.string ?? ""
        guard Self.fits(value, type) else { return found.append(Self.wrongType(value, type, path)) }
        switch value {
        case .string(let text): check(text, rule, path, &found)
        case .int(let number):
            if let least = rule["minimum"]?.int, number < least {
                found.append(Misfit(path: path, summary: "\(path.text) is \(number)", remedy: "give \(least) or more"))
            }
        case .array(let items):
            if let least = rule["minItems"]?.int, items.count < least {
                found.append(Misfit(path: path, summary: "\(path.text) has \(items.count) items", remedy: "give \(least) or more"))
            }
            for (index, item) in items.enumerated() { check(item, rule["items"] ?? [:], path + [.index(index)], &found) }
        case .object(let members): check(members, rule, path, &found)
        default: break
        }
    }

    private func check(_ members: Object, _ rule: Value, _ path: [PathStep], _ found: inout [Misfit]) {
        for name in (rule["required"]?.array ?? []).compactMap(\.string) where members[name]?.isNull ?? true {
            let field = path + [.key(name)]
            found.append(Misfit(path: field, summary: "\(field.text) is missing", remedy: "add it; it has no default"))
        }
        let known = rule["properties"]?.object ?? Object()
        for member in members {
            let field = path + [.key(member.key)]
            if let inner = known[member.key] ?? rule["additionalProperties"] {
                check(member.value, inner, field, &found)
            } else if !known.isEmpty {
                found.append(
                    Misfit(
                        path: field, summary: "unknown field \"\(field.text)\"", isUnknownField: true, word: member.key,
                        candidates: known.keys))
            }
        }
    }

    private func check(_ text: String, _ rule: Value, _ path: [PathStep], _ found: inout [Misfit]) {
        func add(_ remedy: String? = nil, candidates: [String] = []) {
            found.append(
                Misfit(path: path, summary: "\(path.text) is \"\(text)\"", remedy: remedy, word: text, candidates: candidates))
        }
        if let choices = rule["enum"]?.array?.compactMap(\.string), !choices.contains(text) { return add(candidates: choices) }
        let length = Int64(text.unicodeScalars.count)
        if let least = rule["minLength"]?.int, length < least {
            return add(text.isEmpty ? "give it a value, or leave it out" : "give \(least) characters or more")
        }
        if let most = rule["maxLength"]?.int, length > most { return add("give at most \(most) characters") }
        guard let pattern = rule["pattern"]?.string, let expression = try? RegularExpression(pattern), !expression.matches(text) else {
            return
        }
        add(pattern == Self.duration ? "give a length of time such as 10m or 1h30m" : "it has to match \(pattern)")
    }

    private static let duration = #"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"#

    private static func fits(_ value: Value, _ type: String) -> Bool {
        switch (type, value) {
        case ("", _), ("object", .object), ("array", .array), ("string", .string), ("boolean", .bool), ("integer", .int),
            ("integer", .uint), ("number", .int), ("number", .uint), ("number", .double):
            true
        default: false
        }
    }

    private static func wrongType(_ value: Value, _ type: String, _ path: [PathStep]) -> Misfit {
        let names = [
            "object": "a mapping", "array": "a list", "string": "a string", "boolean": "true or false", "integer": "a whole number",
        ]
        let remedy: String? =
            switch (type, value) {
            case ("string", .bool), ("string", .int), ("string", .uint), ("string", .double): "put it in quotes"
            case ("boolean", .string("true")), ("boolean", .string("false")): "take the quotes away"
            default: nil
            }
        return Misfit(path: path, summary: "\(path.text) must be \(names[type] ?? type), not \(value.kindName)", remedy: remedy)
    }
}

extension [PathStep] {
    /// As messages write it, `spec.patches[0].target`.
    package var text: String {
        reduce(into: "") { text, step in
            switch step {
            case .key(let name): text += text.isEmpty ? name : "." + name
            case .index(let index): text += "[\(index)]"
            }
        }
    }

    /// The field that a message begins with: what comes before the first blank, comma or colon.
    package init(prefixOf message: String) {
        self.init()
        for part in message.prefix(while: { !" ,:".contains($0) }).split(separator: ".") {
            let words = part.split(separator: "[")
            if let name = words.first { append(.key(String(name))) }
            for word in words.dropFirst() {
                if let index = Int(word.dropLast()) { append(.index(index)) }
            }
        }
    }
}
