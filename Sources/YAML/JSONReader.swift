import Glibc

/// Why bytes are no JSON, and where.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    package var problem: String
    /// Counted from 0.
    package var offset: Int
    package var line: Int
    package var column: Int

    package var description: String { "\(line):\(column): \(problem)" }
}

/// Reads JSON (RFC 8259) strictly and fast. Integers within 64 bits are exact, other numbers doubles (whole ones integers again,
/// as JSON has one number type); of a key set twice the last counts, as in Go's reader.
package enum JSONReader {
    /// `depth` bounds collections within collections.
    package static func value(_ bytes: [UInt8], depth: Int = 512) throws(JSONError) -> Value {
        let result = bytes.withUnsafeBufferPointer { buffer -> Result<Value, JSONError> in
            var parser = JSONParser(bytes: buffer, maximumDepth: depth)
            do throws(JSONParser.Failure) {
                return .success(try parser.document())
            } catch {
                return .failure(parser.error(error))
            }
        }
        return try result.get()
    }

    package static func value(_ text: String, depth: Int = 512) throws(JSONError) -> Value { try value(Array(text.utf8), depth: depth) }
}

/// The parser's place in the bytes.
private struct JSONParser {
    struct Failure: Error {
        var problem: String
    }

    let bytes: UnsafeBufferPointer<UInt8>
    let maximumDepth: Int
    var at = 0

    init(bytes: UnsafeBufferPointer<UInt8>, maximumDepth: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
    }

    func error(_ failure: Failure) -> JSONError {
        let before = bytes.prefix(at)
        let line = before.reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
        let column = at - (before.lastIndex(of: UInt8(ascii: "\n")) ?? -1)
        return JSONError(problem: failure.problem, offset: at, line: line, column: column)
    }

    mutating func document() throws(Failure) -> Value {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        let value = try value(depth: 0)
        skipBlanks()
        guard at == bytes.count else { throw Failure(problem: "text after the end of the value") }
        return value
    }

    private mutating func skipBlanks() {
        while at < bytes.count {
            switch bytes[at] {
            case 0x20, 0x0A, 0x0D, 0x09: at += 1
            default: return
            }
        }
    }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func value(depth: Int) throws(Failure) -> Value {
        skipBlanks()
        guard let first = next else { throw Failure(problem: "the text ends where a value is due") }
        switch first {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw Failure(problem: "a value cannot start with this character")
        }
    }

    private mutating func word(_ word: StaticString, _ value: Value) throws(Failure) -> Value {
        let count = word.utf8CodeUnitCount
        guard at + count <= bytes.count, let base = bytes.baseAddress, memcmp(base + at, word.utf8Start, count) == 0 else {
            throw Failure(problem: "unknown word; \(word) was expected")
        }
        at += count
        return value
    }

    private mutating func object(depth: Int) throws(Failure) -> Value {
        guard depth < maximumDepth else { throw Failure(problem: "nested deeper than \(maximumDepth) levels") }
        at += 1
        var members: [Object.Member] = []
        var table: [String: Int] = [:]
        skipBlanks()
        if next == UInt8(ascii: "}") {
            at += 1
            return .object(Object())
        }
        while true {
            skipBlanks()
            guard next == UInt8(ascii: "\"") else { throw Failure(problem: "a key in quotes is due here") }
            let key = try string()
            skipBlanks()
            guard next == UInt8(ascii: ":") else { throw Failure(problem: "a colon is due after a key") }
            at += 1
            let member = Object.Member(key: key, value: try value(depth: depth + 1))
            if let earlier = position(of: key, in: members, &table) { members[earlier] = member } else { members.append(member) }
            skipBlanks()
            switch next {
            case UInt8(ascii: ","): at += 1
            case UInt8(ascii: "}"):
                at += 1
                return .object(Object(members))
            default: throw Failure(problem: "a comma or a closing brace is due here")
            }
        }
    }

    /// The member that already has `key`: a linear search while there are few, a table from 24 on.
    private func position(of key: String, in members: [Object.Member], _ table: inout [String: Int]) -> Int? {
        if members.count < 24 { return members.firstIndex { $0.key == key } }
        if table.isEmpty { for (index, member) in members.enumerated() { table[member.key] = index } }
        if let earlier = table[key] { return earlier }
        table[key] = members.count
        return nil
    }

    private mutating func array(depth: Int) throws(Failure) -> Value {
        guard depth < maximumDepth else { throw Failure(problem: "nested deeper than \(maximumDepth) levels") }
        at += 1
        var items: [Value] = []
        skipBlanks()
        if next == UInt8(ascii: "]") {
            at += 1
            return .array([])
        }
        while true {
            items.append(try value(depth: depth + 1))
            skipBlanks()
            switch next {
            case UInt8(ascii: ","): at += 1
            case UInt8(ascii: "]"):
                at += 1
                return .array(items)
            default: throw Failure(problem: "a comma or a closing bracket is due here")
            }
        }
    }

    private mutating func string() throws(Failure) -> String {
        at += 1
        let start = at
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                let text = String(decoding: bytes[start..<at], as: UTF8.self)
                at += 1
                return text
            case UInt8(ascii: "\\"): return try escapedString(from: start)
            case 0..<0x20: throw Failure(problem: "a control character in a string must be escaped")
            default: at += 1
            }
        }
        throw Failure(problem: "the text ends within a string")
    }

    private mutating func escapedString(from start: Int) throws(Failure) -> String {
        var text = Array(bytes[start..<at])
        while let byte = next {
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw Failure(problem: "a control character in a string must be escaped")
            default: text.append(byte)
            }
        }
        throw Failure(problem: "the text ends within a string")
    }

    private mutating func escape(into text: inout [UInt8]) throws(Failure) {
        guard let byte = next else { throw Failure(problem: "the text ends within a string") }
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): try unicode(into: &text)
        default: throw Failure(problem: "unknown escape in a string")
        }
    }

    /// `\uXXXX`, two of them for characters beyond the basic plane; half a pair becomes U+FFFD.
    private mutating func unicode(into text: inout [UInt8]) throws(Failure) {
        var code = try fourHexDigits()
        if (0xD800..<0xDC00).contains(code), at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") {
            let back = at
            at += 2
            let low = try fourHexDigits()
            if (0xDC00..<0xE000).contains(low) { code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00) } else { at = back }
        }
        text.append(contentsOf: String(Unicode.Scalar(code) ?? "\u{FFFD}").utf8)
    }

    private mutating func fourHexDigits() throws(Failure) -> UInt32 {
        guard at + 4 <= bytes.count else { throw Failure(problem: "the text ends within an escape") }
        var code: UInt32 = 0
        for byte in bytes[at..<at + 4] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): code = code << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): code = code << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): code = code << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: throw Failure(problem: "an escape \\u takes four hexadecimal digits")
            }
        }
        at += 4
        return code
    }

    private mutating func number() throws(Failure) -> Value {
        let start = at
        if next == UInt8(ascii: "-") { at += 1 }
        let integer = digits()
        guard integer > 0, integer == 1 || bytes[at - integer] != UInt8(ascii: "0") else {
            throw Failure(problem: "a number has one digit or more, without leading zeros")
        }
        var isInteger = true
        if next == UInt8(ascii: ".") {
            at += 1
            isInteger = false
            guard digits() > 0 else { throw Failure(problem: "digits are due after a decimal point") }
        }
        if let byte = next, byte | 0x20 == UInt8(ascii: "e") {
            at += 1
            isInteger = false
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
            guard digits() > 0 else { throw Failure(problem: "digits are due in an exponent") }
        }
        let text = UnsafeBufferPointer(rebasing: bytes[start..<at])
        if isInteger, let value = ScalarResolver.integer(text) { return value }
        let number = withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { buffer -> Double in
            for (index, byte) in text.enumerated() { buffer[index] = CChar(bitPattern: byte) }
            buffer[text.count] = 0
            return buffer.baseAddress.map { strtod($0, nil) } ?? .nan
        }
        guard number.isFinite else { throw Failure(problem: "the number is too large") }
        return Value(number: number)
    }

    private mutating func digits() -> Int {
        let start = at
        while at < bytes.count, bytes[at] &- UInt8(ascii: "0") <= 9 { at += 1 }
        return at - start
    }
}
