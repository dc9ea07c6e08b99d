extension FunctionTable {
    /// cel-go's strings library; places count characters (code points) from 0.
    ///
    /// Source: github.com/google/cel-go `ext/README.md`, section "Strings".
    static func textFunctions() -> Part {
        var part = Part()
        part.method("charAt", 2, .string) { arguments, budget throws(Fault) in
            guard let characters = try characters(arguments[0], &budget), case .int(let place) = arguments[1] else { return nil }
            let index = try index(place, upTo: characters.count)
            return .string(index < characters.count ? String(characters[index]) : "")
        }
        part.method("lowerAscii", 1, .string, changing { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 })
        part.method("upperAscii", 1, .string, changing { $0 >= 97 && $0 <= 122 ? $0 - 32 : $0 })
        part.method("reverse", 1, .string, onCharacters { $0.reversed() })
        part.method(
            "trim", 1, .string,
            onCharacters { text in
                let start = text.drop(while: \.properties.isWhitespace)
                return start.prefix((start.lastIndex { !$0.properties.isWhitespace } ?? start.startIndex - 1) - start.startIndex + 1)
            })
        part.global("strings.quote", 1, .string) { arguments, budget throws(Fault) in
            guard let characters = try characters(arguments[0], &budget) else { return nil }
            return .string("\"" + characters.map { quoted[$0] ?? String($0) }.joined() + "\"")
        }
        for count in [2, 3] {
            part.method("substring", count, .string, substring)
            part.method("indexOf", count, .int, search(isLast: false))
            part.method("lastIndexOf", count, .int, search(isLast: true))
            part.method("split", count, .list, split)
        }
        for count in [3, 4] { part.method("replace", count, .string, replace) }
        for count in [1, 2] { part.method("join", count, .string, join) }
        part.method("format", 2, .string) { arguments, budget throws(Fault) in
            guard case .string(let pattern) = arguments[0], case .list(let items) = arguments[1] else { return nil }
            return .string(try TextFormat.text(of: pattern, with: items, &budget))
        }
        return part
    }

    private static let quoted: [Unicode.Scalar: String] = [
        "\u{07}": "\\a", "\u{08}": "\\b", "\u{0C}": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\u{0B}": "\\v", "\\": "\\\\",
        "\"": "\\\"",
    ]

    /// nil for what is no text.
    private static func characters(_ value: CELValue, _ budget: inout Budget) throws(Fault) -> [Unicode.Scalar]? {
        guard case .string(let text) = value else { return nil }
        try budget.spend(forText: text.utf8.count)
        return Array(text.unicodeScalars)
    }

    private static func string(_ characters: some Sequence<Unicode.Scalar>) -> CELValue {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: characters)
        return .string(String(view))
    }

    private static func index(_ place: Int64, upTo end: Int) throws(Fault) -> Int {
        guard place >= 0, place <= end else { throw Fault("index out of range: \(place)") }
        return Int(place)
    }

    private static func onCharacters<S: Sequence<Unicode.Scalar>>(
        _ change: @escaping @Sendable ([Unicode.Scalar]) -> S
    ) -> Function.Body {
        { arguments, budget throws(Fault) in try characters(arguments[0], &budget).map { string(change($0)) } }
    }

    /// By bytes: those of ASCII letters stand for nothing else in UTF-8.
    private static func changing(_ change: @escaping @Sendable (UInt8) -> UInt8) -> Function.Body {
        { arguments, budget throws(Fault) in
            guard case .string(let text) = arguments[0] else { return nil }
            try budget.spend(forText: text.utf8.count)
            return .string(String(decoding: text.utf8.map(change), as: UTF8.self))
        }
    }

    private static let substring: Function.Body = { arguments, budget throws(Fault) in
        guard let characters = try characters(arguments[0], &budget), case .int(let first) = arguments[1] else { return nil }
        var end = characters.count
        if arguments.count == 3 {
            guard case .int(let last) = arguments[2] else { return nil }
            end = try index(last, upTo: characters.count)
        }
        let start = try index(first, upTo: characters.count)
        guard start <= end else { throw Fault("invalid substring range: it starts at \(start) and ends at \(end)") }
        return string(characters[start..<end])
    }

    private static func search(isLast: Bool) -> Function.Body {
        { arguments, budget throws(Fault) in
            guard let text = try characters(arguments[0], &budget), let part = try characters(arguments[1], &budget) else { return nil }
            try budget.spend(forText: text.count * min(part.count, 10))
            var place = isLast ? text.count : 0
            if arguments.count == 3 {
                guard case .int(let given) = arguments[2] else { return nil }
                place = try index(given, upTo: text.count)
            }
            let found = isLast ? Text.lastIndex(of: part, in: text, upTo: place) : Text.index(of: part, in: text, from: place)
            return .int(Int64(found ?? -1))
        }
    }

    /// The parts between separators, at most `limit` many; each character where the separator is empty.
    private static func parts(
        _ text: [Unicode.Scalar], _ separator: [Unicode.Scalar], limit: Int
    ) -> [ArraySlice<Unicode.Scalar>] {
        var parts: [ArraySlice<Unicode.Scalar>] = []
        var start = 0
        while parts.count + 1 < limit {
            let end = separator.isEmpty ? start + 1 : Text.index(of: separator, in: text, from: start)
            guard let end, !separator.isEmpty || end < text.count else { break }
            parts.append(text[start..<end])
            start = end + separator.count
        }
        return parts + [text[start...]]
    }

    /// The optional limit: none when it is negative.
    private static func limit(_ arguments: [CELValue], at place: Int) -> Int? {
        guard arguments.count > place else { return .max }
        guard case .int(let limit) = arguments[place] else { return nil }
        return limit < 0 ? .max : Int(limit)
    }

    private static let split: Function.Body = { arguments, budget throws(Fault) in
        guard let text = try characters(arguments[0], &budget), let separator = try characters(arguments[1], &budget),
            let limit = limit(arguments, at: 2)
        else { return nil }
        guard limit > 0, !text.isEmpty || !separator.isEmpty else { return .list([]) }
        let found = parts(text, separator, limit: limit)
        try budget.spend(found.count)
        return .list(found.map { string($0) })
    }

    private static let replace: Function.Body = { arguments, budget throws(Fault) in
        guard let text = try characters(arguments[0], &budget), let old = try characters(arguments[1], &budget),
            let new = try characters(arguments[2], &budget), let limit = limit(arguments, at: 3)
        else { return nil }
        let found: [ArraySlice<Unicode.Scalar>]
        if old.isEmpty {
            // It is found before and behind every character.
            let count = min(limit, text.count + 1)
            found = count == 0 ? [text[...]] : [[]] + (0..<count - 1).map { text[$0...$0] } + [text[(count - 1)...]]
        } else {
            found = parts(text, old, limit: limit == .max ? limit : limit + 1)
        }
        try budget.spend(forText: text.count + found.count * new.count)
        return string(found.joined(separator: new))
    }

    private static let join: Function.Body = { arguments, budget throws(Fault) in
        guard case .list(let items) = arguments[0] else { return nil }
        var separator = ""
        if arguments.count == 2 {
            guard case .string(let text) = arguments[1] else { return nil }
            separator = text
        }
        var texts: [String] = []
        for item in items {
            guard case .string(let text) = item else { return nil }
            try budget.spend(forText: text.utf8.count + separator.utf8.count)
            texts.append(text)
        }
        return .string(texts.joined(separator: separator))
    }
}
