import RegularExpressions
import YAML

/// A path as replacements and variables write it: `spec.containers.[name=app].image`, `metadata.annotations.a\.b`, `list.0`, `*`.
struct FieldPath {
    enum Part {
        case field(String)
        case index(Int)
        case last
        case every
        /// The elements whose field (the element itself when empty) matches an expression.
        case matching(field: String, expression: String)
    }

    let text: String
    let parts: [Part]

    /// The key of the last field on the way.
    var key: String {
        for case .field(let name) in parts.reversed() { return name }
        return ""
    }

    /// What to make of a missing last part.
    enum Creation { case never, scalar, collection(Value) }

    init(_ text: String) {
        self.text = text
        parts = Self.split(text).map { Self.part($0) }
    }

    /// For variables: `spec.ports[0].port` as well.
    init(variable text: String) {
        self.text = text
        parts = Self.split(text).flatMap { part -> [Part] in
            guard part.hasSuffix("]"), let open = part.lastIndex(of: "["), let index = Int(part[part.index(after: open)...].dropLast())
            else {
                return [Self.part(part)]
            }
            let name = String(part[..<open])
            return name.isEmpty ? [.index(index)] : [.field(name), .index(index)]
        }
    }

    private static func part(_ text: String) -> Part {
        if let index = Int(text) { return .index(index) }
        if text == "-" { return .last }
        if text == "*" { return .every }
        if text.hasPrefix("["), text.hasSuffix("]") {
            let inner = text.dropFirst().dropLast()
            guard let equals = inner.firstIndex(of: "=") else { return .matching(field: "", expression: String(inner)) }
            return .matching(field: String(inner[..<equals]), expression: String(inner[inner.index(after: equals)...]))
        }
        return .field(text)
    }

    /// Split at dots, `\.` being a dot within a key, and brackets holding together what they enclose.
    private static func split(_ text: String) -> [String] {
        var pieces: [String] = []
        var raw = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)[...]
        if raw.count > 1, raw.first == "" { raw = raw.dropFirst() }
        for piece in raw {
            if let last = pieces.last, last.hasSuffix("\\") {
                pieces[pieces.count - 1] = last.dropLast() + "." + piece
            } else {
                pieces.append(piece)
            }
        }
        var parts: [String] = []
        var bracketed: String?
        for piece in pieces {
            if let open = bracketed {
                bracketed = open + "." + piece
            } else if piece.hasPrefix("["), !piece.hasSuffix("]") {
                bracketed = piece
                continue
            } else {
                parts.append(piece)
                continue
            }
            if let closed = bracketed, piece.hasSuffix("]") {
                parts.append(unbracketed(closed))
                bracketed = nil
            }
        }
        if let bracketed { parts.append(unbracketed(bracketed)) }
        return parts
    }

    private static func unbracketed(_ text: String) -> String {
        text.contains("=") ? text : String(text.drop { $0 == "[" || $0 == "]" }.reversed().drop { $0 == "[" || $0 == "]" }.reversed())
    }

    /// The value at the path, nil when there is none.
    func value(in root: Value) throws(MergeFailure) -> Value? { try find(in: root)?.value }

    /// The value at the path and the keys and indices that lead to it, nil when there is none.
    func find(in root: Value) throws(MergeFailure) -> (value: Value, way: [PathStep])? {
        var here = root
        var way: [PathStep] = []
        for part in parts {
            switch part {
            case .field(let name):
                guard here.object != nil || here.isNull else {
                    throw MergeFailure(problem: "\(text): \(here.kindName) has no field \"\(name)\"")
                }
                guard let inner = here[name] else { return nil }
                here = inner
                way.append(.key(name))
                continue
            case .every: throw MergeFailure(problem: "\(text): `*` is not for sources")
            case .last: if here.array == nil { return nil }
            case .index, .matching: break
            }
            guard let items = here.array else { throw MergeFailure(problem: "\(text): \(here.kindName) has no elements") }
            let found: Int? =
                switch part {
                case .index(let index): items.indices.contains(index) ? index : nil
                case .matching(let field, let expression):
                    items.firstIndex { ((field.isEmpty ? $0 : $0[field]) ?? .null).scalarText == expression }
                default: items.indices.last
                }
            guard let found else { return nil }
            here = items[found]
            way.append(.index(found))
        }
        return (here, way)
    }

    /// What a path may lead to besides values of the object.
    struct Find {
        /// Whether the value was made just now, as a null that has no type yet.
        var isNew = false
        /// Whether it is in JSON or YAML that a text holds.
        var isInText = false
        /// Whether it is in YAML that a text holds, where values are texts whatever they are.
        var isInYAML = false
    }

    /// Changes a value. What it returns is written where it put a list or mapping into YAML in a text.
    typealias Change = (inout Value, Find) throws(MergeFailure) -> CommentedNode?

    /// What a walk along a path goes by.
    private struct Walk {
        enum Place { case object(WrittenForms), json, yaml }

        let creating: Creation
        var place: Place

        /// Whether a null has nothing written where its value would be; nil for what is no null.
        func isBlank(_ value: Value, key: String) -> Bool? {
            switch place {
            case .object(let forms): value.isNull ? forms.isBlankNull(of: key) : nil
            case .json: value.isNull ? false : nil
            case .yaml: value == CommentedNode.blank ? true : value.isNull ? false : nil
            }
        }
    }

    /// Changes every value the path leads to and returns how many there were.
    /// - Parameter forms: how the object's file writes its nulls.
    func change(
        in root: inout Value, creating: Creation, forms: WrittenForms, _ body: Change
    ) throws(MergeFailure) -> Int {
        let walk = Walk(creating: creating, place: .object(forms))
        return try Self.change(&root, parts[...], walk, key: "", isNew: false, body)
    }

    /// - Parameter key: what the value is the value of; nothing for elements of lists.
    private static func change(
        _ value: inout Value, _ parts: ArraySlice<Part>, _ walk: Walk, key: String, isNew: Bool, _ body: Change
    ) throws(MergeFailure) -> Int {
        guard let part = parts.first else {
            _ = try body(&value, Find(isNew: isNew))
            return 1
        }
        if case .string(let text) = value, var structured = StructuredText(text) {
            guard case .object = walk.place else {
                // kustomize finds its way in a text within a text, but what it does there is lost.
                return try change(within: &structured, parts, walk) { _, _ in nil }
            }
            let count = try change(within: &structured, parts, walk, body)
            if count > 0 { value = .string(try structured.text()) }
            return count
        }
        if let isBlank = walk.isBlank(value, key: key) {
            guard isBlank else {
                // kustomize takes it for what it was to make.
                if case .never = walk.creating { return 0 }
                return 1
            }
            throw MergeFailure(
                problem: "nothing can be found or made below \(key.isEmpty ? "an element" : "\"\(key)\"") with nothing behind it; "
                    + "leave it out, or write {} or [] there")
        }
        let rest = parts.dropFirst()
        switch part {
        case .field(let name): return try changeField(name, of: &value, rest, walk, body)
        case .index(let index): return try changeElement(index, of: &value, rest, walk, body)
        case .last: return try changeField("-", of: &value, rest, walk, body)
        case .every:
            let count = try value.changeArray { (items) throws(MergeFailure) in
                var count = 0
                for index in items.indices { count += try change(&items[index], rest, walk, key: "", isNew: false, body) }
                return count
            }
            guard let count else { throw MergeFailure(problem: "a list is expected for `*`, not \(value.kindName)") }
            return count
        case .matching(let field, let expression): return try changeMatching(field, expression, of: &value, rest, walk, body)
        }
    }

    private static func change(
        within structured: inout StructuredText, _ parts: ArraySlice<Part>, _ walk: Walk, _ body: Change
    ) throws(MergeFailure) -> Int {
        let isYAML = structured.isYAML
        var isPlain = true
        var copied: (node: CommentedNode, count: Int)?
        var walk = walk
        walk.place = isYAML ? .yaml : .json
        let count = try change(&structured.value, parts, walk, key: "", isNew: false) { (value, find) throws(MergeFailure) in
            let node = try body(&value, Find(isNew: find.isNew, isInText: true, isInYAML: isYAML))
            isPlain = isPlain && value.object == nil && value.array == nil
            if let node {
                copied = (node, (copied?.count ?? 0) + 1)
                value = CommentedNode.copy
            }
            return nil
        }
        structured.holdsNewPlainValues = isPlain
        structured.copied = copied
        return count
    }

    private static func changeField(
        _ name: String, of value: inout Value, _ rest: ArraySlice<Part>, _ walk: Walk,
        _ body: Change
    ) throws(MergeFailure) -> Int {
        var isNew = false
        let count = try value.changeObject { (object) throws(MergeFailure) -> Int in
            if object.index(of: name) == nil {
                guard let filler = filler(for: rest, walk.creating) else { return 0 }
                object.append(name, filler)
                isNew = true
            }
            guard let index = object.index(of: name) else { return 0 }
            return try object.change(at: index) { (inner) throws(MergeFailure) in
                try change(&inner, rest, walk, key: name, isNew: isNew, body)
            }
        }
        guard let count else { throw MergeFailure(problem: "\(value.kindName) has no field \"\(name)\"") }
        return count
    }

    private static func changeElement(
        _ index: Int, of value: inout Value, _ rest: ArraySlice<Part>, _ walk: Walk,
        _ body: Change
    ) throws(MergeFailure) -> Int {
        let count = try value.changeArray { (items) throws(MergeFailure) -> Int in
            let isNew = index == items.count
            if isNew, let filler = filler(for: rest, walk.creating) { items.append(filler) }
            guard items.indices.contains(index) else {
                throw MergeFailure(problem: "index \(index) is given but there are only \(items.count) elements")
            }
            return try change(&items[index], rest, walk, key: "", isNew: isNew, body)
        }
        guard let count else { throw MergeFailure(problem: "a list is expected for index \(index), not \(value.kindName)") }
        return count
    }

    private static func changeMatching(
        _ field: String, _ pattern: String, of value: inout Value, _ rest: ArraySlice<Part>, _ walk: Walk,
        _ body: Change
    ) throws(MergeFailure) -> Int {
        let expression: RegularExpression
        do throws(RegularExpression.Failure) { expression = try RegularExpression(pattern) } catch {
            throw MergeFailure(problem: "\"\(pattern)\" is no regular expression")
        }
        let count = try value.changeArray { (items) throws(MergeFailure) -> Int in
            func matches(_ item: Value) -> Bool {
                guard let value = field.isEmpty ? item : item[field] else { return false }
                guard let text = (walk.isBlank(value, key: field) == nil ? value : .null).scalarText else { return false }
                return expression.matches(text)
            }
            let isNew = !items.contains(where: matches)
            if isNew {
                if case .never = walk.creating { return 0 }
                let new = Value(plain: pattern, schema: .resource)
                items.append(field.isEmpty ? new : .object(Object([Object.Member(key: field, value: new)])))
            }
            var count = 0
            for index in items.indices where matches(items[index]) {
                if field.isEmpty {
                    _ = try body(&items[index], Find(isNew: isNew))
                    count += 1
                } else {
                    count += try change(&items[index], rest, walk, key: "", isNew: false, body)
                }
            }
            return count
        }
        guard let count else { throw MergeFailure(problem: "a list is expected for [\(field)=\(pattern)], not \(value.kindName)") }
        return count
    }

    /// What to make where a part is missing: a list or mapping as the next part needs, at the end what the value is.
    private static func filler(for rest: ArraySlice<Part>, _ creating: Creation) -> Value? {
        switch (creating, rest.first) {
        case (.never, _): nil
        case (_, .field?): .object(Object())
        case (_, .index?), (_, .last?), (_, .every?), (_, .matching?): .array([])
        case (.scalar, nil): .null
        case (.collection(let value), nil): value
        }
    }
}
