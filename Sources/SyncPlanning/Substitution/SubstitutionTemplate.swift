/// A text with `${…}` in it, in the grammar that Flux' postBuild substitution has (a dialect of the shell's, measured on its library).
///
/// | written                                      | gives                                                             |
/// |----------------------------------------------|-------------------------------------------------------------------|
/// | `${v}`                                       | the value                                                         |
/// | `${v:-d}` `${v:=d}` `${v=d}` `${v:?d}` `${v:+d}` | `d` where the value is missing or empty, else the value       |
/// | `${#v}`                                      | its length in bytes                                               |
/// | `${v^}` `${v^^}` `${v,}` `${v,,}`            | its first letter, or all, in upper or lower case                  |
/// | `${v:1}` `${v:1:2}`                          | a part of it, in bytes                                            |
/// | `${v/a/b}` `${v//a/b}` `${v/#a/b}` `${v/%a/b}` | `b` for the first `a`, all, one at the start, one at the end    |
/// | `${v#p}` `${v##p}` `${v%p}` `${v%%p}`        | without the shortest or longest match of a pattern, front or back |
/// | `$$`                                         | `$`; any other `$` stays                                          |
struct SubstitutionTemplate {
    enum Problem: Error, Hashable {
        case missingVariable(String)
        case missingBrace(String)
        case noName(String)

        var isMissingVariable: Bool {
            if case .missingVariable = self { true } else { false }
        }

        /// Whether it is this one, met in a text that ends earlier.
        func isSame(as other: Problem) -> Bool {
            switch (self, other) {
            case (.missingBrace(let place), .missingBrace(let part)), (.noName(let place), .noName(let part)): place.hasPrefix(part)
            default: self == other
            }
        }

        /// - Parameter quotes: whether it may say what stands there.
        func text(quotes: Bool = true) -> String {
            switch self {
            case .missingBrace where !quotes: "an expression has no closing brace"
            case .noName where !quotes: "an expression begins with no variable's name"
            case .missingVariable(let name): "the variable \(name) is not set"
            case .missingBrace(let place): "\(place): missing closing brace"
            case .noName(let place): "\(place): unable to parse variable name"
            }
        }
    }

    private let bytes: [UInt8]
    private var index = 0
    private let variables: [String: String]
    private(set) var problems: [Problem] = []

    init(_ text: String, variables: [String: String]) {
        bytes = Array(text.utf8)
        self.variables = variables
    }

    /// The text with everything put in; what cannot be is noted in `problems` and left out.
    mutating func result() -> String {
        index = 0
        return String(decoding: text(until: []), as: UTF8.self)
    }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private func follows(_ text: String) -> Bool { bytes[index...].starts(with: text.utf8) }

    private mutating func skip(_ text: String) -> Bool {
        guard follows(text) else { return false }
        index += text.utf8.count
        return true
    }

    /// Text with expressions in it, up to one of the bytes, which is not consumed.
    private mutating func text(until ends: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        while let byte = next, !ends.contains(byte) {
            if skip("$$") {
                result.append(0x24)
            } else if follows("${") {
                result += expression()
            } else {
                result.append(byte)
                index += 1
            }
        }
        return result
    }

    private mutating func expression() -> [UInt8] {
        let start = index
        index += 2
        let countsBytes = follows("#") && isNameStart(at: index + 1)
        if countsBytes { index += 1 }
        let name = name()
        guard !name.isEmpty else { return fail(.noName(excerpt(from: start)), from: start) }
        if countsBytes {
            guard skip("}") else { return fail(.missingBrace(excerpt(from: start)), from: start) }
            return Array(String(value(of: name).utf8.count).utf8)
        }
        guard let result = operation(on: name), skip("}") else { return fail(.missingBrace(excerpt(from: start)), from: start) }
        return Array(result.utf8)
    }

    /// What comes between the name and the brace; nil when it is none of the operations.
    private mutating func operation(on name: String) -> String? {
        if follows("}") { return value(of: name) }
        for mark in [":-", ":=", ":?", ":+", "="] where skip(mark) {
            let fallback = argument("}")
            let known = variables[name] ?? ""
            return known.isEmpty ? fallback : clean(known)
        }
        if skip(":") { return part(of: name) }
        if skip("^^") { return value(of: name).uppercased() }
        if skip(",,") { return value(of: name).lowercased() }
        if skip("^") { return value(of: name).first.map { $0.uppercased() + value(of: name).dropFirst() } ?? "" }
        if skip(",") { return value(of: name).first.map { $0.lowercased() + value(of: name).dropFirst() } ?? "" }
        for mark in ["##", "#", "%%", "%"] where skip(mark) {
            let pattern = GlobPattern(argument("}"))
            return pattern.stripped(from: value(of: name), atEnd: mark.hasPrefix("%"), longest: mark.count == 2)
        }
        for mark in ["//", "/#", "/%", "/"] where skip(mark) {
            let old = argument("/}")
            guard skip("/") else { return nil }
            let new = argument("}")
            return Self.replaced(old, by: new, in: value(of: name), mark)
        }
        return nil
    }

    private mutating func argument(_ ends: String) -> String { String(decoding: text(until: Array(ends.utf8)), as: UTF8.self) }

    private mutating func part(of name: String) -> String {
        let first = argument(":}")
        let length = skip(":") ? argument("}") : nil
        let value = Array(value(of: name).utf8)
        guard var start = Int(first) else { return String(decoding: value, as: UTF8.self) }
        if start < 0 { start = max(0, value.count + start) }
        guard start < value.count else { return "" }
        guard let length else { return String(decoding: value[start...], as: UTF8.self) }
        guard let count = Int(length) else { return String(decoding: value, as: UTF8.self) }
        return String(decoding: value[start...].prefix(max(0, count)), as: UTF8.self)
    }

    private static func replaced(_ old: String, by new: String, in text: String, _ mark: String) -> String {
        guard !old.isEmpty else { return text }
        switch mark {
        case "/#": return text.hasPrefix(old) ? new + text.dropFirst(old.count) : text
        case "/%": return text.hasSuffix(old) ? text.dropLast(old.count) + new : text
        default:
            var result = ""
            var rest = text[...]
            while !rest.isEmpty {
                if rest.hasPrefix(old) {
                    result += new
                    rest = rest.dropFirst(old.count)
                    if mark == "/" { return result + rest }
                } else {
                    result.append(rest.removeFirst())
                }
            }
            return result
        }
    }

    private mutating func name() -> String {
        let start = index
        guard isNameStart(at: index) else { return "" }
        while let byte = next, Self.isLetter(byte) || (0x30...0x39).contains(byte) { index += 1 }
        return String(decoding: bytes[start..<index], as: UTF8.self)
    }

    private func isNameStart(at index: Int) -> Bool { index < bytes.count && Self.isLetter(bytes[index]) }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
    }

    private mutating func value(of name: String) -> String {
        guard let value = variables[name] else {
            if !problems.contains(.missingVariable(name)) { problems.append(.missingVariable(name)) }
            return ""
        }
        return clean(value)
    }

    /// A line break in a value would break the lines of the manifest it is put into.
    private func clean(_ value: String) -> String { String(value.filter { !$0.isNewline }) }

    /// Notes what is wrong and goes on behind the expression's beginning.
    private mutating func fail(_ problem: Problem, from start: Int) -> [UInt8] {
        problems.append(problem)
        index = max(index, start + 2)
        return []
    }

    private func excerpt(from start: Int) -> String {
        let line = bytes[start...].prefix { $0 != 0x0A }.prefix(40)
        return String(decoding: line, as: UTF8.self)
    }
}
