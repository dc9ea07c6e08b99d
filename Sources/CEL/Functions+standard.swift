import RegularExpressions

extension FunctionTable {
    /// The functions on texts, lists and maps that every implementation has.
    ///
    /// Source: the language definition, section "List of Standard Definitions".
    static func standardFunctions() -> Part {
        var part = Part()
        let size: Function.Body = { arguments, budget throws(Fault) in
            switch arguments[0] {
            case .string(let text):
                try budget.spend(forText: text.utf8.count)
                return .int(Int64(text.unicodeScalars.count))
            case .bytes(let bytes): return .int(Int64(bytes.count))
            case .list(let items): return .int(Int64(items.count))
            case .map(let map): return .int(Int64(map.entries.count))
            default: return nil
            }
        }
        part.global("size", 1, .int, size)
        part.method("size", 1, .int, size)
        part.global("type", 1, .type) { arguments, _ in .type(arguments[0].type) }
        part.global("dyn", 1) { arguments, _ in arguments[0] }
        part.method("contains", 2, .bool, onTexts { .bool(Text.index(of: Array($1.utf8), in: Array($0.utf8)) != nil) })
        part.method("startsWith", 2, .bool, onTexts { .bool($0.utf8.starts(with: $1.utf8)) })
        part.method("endsWith", 2, .bool, onTexts { .bool($0.utf8.reversed().starts(with: $1.utf8.reversed())) })
        part.method("matches", 2, .bool, matches)
        part.global("matches", 2, .bool, matches)
        return part
    }

    /// A function of two texts.
    static func onTexts(_ body: @escaping @Sendable (String, String) -> CELValue) -> Function.Body {
        { arguments, budget throws(Fault) in
            guard case .string(let text) = arguments[0], case .string(let other) = arguments[1] else { return nil }
            try budget.spend(forText: text.utf8.count + other.utf8.count)
            return body(text, other)
        }
    }

    /// With a pattern that only the evaluation knows.
    private static let matches: Function.Body = { arguments, budget throws(Fault) in
        guard case .string(let text) = arguments[0], case .string(let pattern) = arguments[1] else { return nil }
        try budget.spend(pattern.utf8.count)
        let expression: RegularExpression
        do throws(RegularExpression.Failure) {
            expression = try RegularExpression(pattern)
        } catch {
            throw Fault("the regular expression is wrong: \(error.reason)")
        }
        try budget.spend(expression.size)
        try budget.spend(forMatching: text, expression)
        return .bool(expression.matches(text))
    }
}

/// Searches that go by bytes: UTF-8 keeps characters apart.
enum Text {
    /// The first place of a part, from a place on.
    static func index<T: Equatable>(of part: [T], in text: [T], from start: Int = 0) -> Int? {
        guard part.count <= text.count, start <= text.count - part.count else { return nil }
        return (start...text.count - part.count).first { text[$0..<$0 + part.count].elementsEqual(part) }
    }

    /// The last place of a part that is not behind a place.
    static func lastIndex<T: Equatable>(of part: [T], in text: [T], upTo end: Int) -> Int? {
        guard part.count <= text.count else { return nil }
        return (0...min(end, text.count - part.count)).last { text[$0..<$0 + part.count].elementsEqual(part) }
    }
}
