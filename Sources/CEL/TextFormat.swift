import Glibc
import YAML

/// `"%s: %d".format([…])` of cel-go's strings library.
struct TextFormat {
    private let arguments: [CELValue]
    private var next = 0

    private init(_ arguments: [CELValue]) { self.arguments = arguments }

    static func text(of pattern: String, with arguments: [CELValue], _ budget: inout Budget) throws(Fault) -> String {
        var format = TextFormat(arguments)
        return try format.text(of: pattern, &budget)
    }

    private mutating func text(of pattern: String, _ budget: inout Budget) throws(Fault) -> String {
        var result = ""
        var rest = Substring(pattern).unicodeScalars
        while let character = rest.popFirst() {
            guard character == "%" else {
                result.unicodeScalars.append(character)
                continue
            }
            if rest.first == "%" {
                rest.removeFirst()
                result += "%"
                continue
            }
            let precision = try precision(&rest)
            guard let verb = rest.popFirst() else { throw Fault("the format ends behind a %") }
            guard "sdfexXob".unicodeScalars.contains(verb) else { throw Fault("unrecognized formatting clause \"\(verb)\"") }
            guard next < arguments.count else { throw Fault("index \(next) out of range: the format names more values than there are") }
            let part = try Self.text(arguments[next], verb, precision, &budget)
            try budget.spend(forText: part.utf8.count)
            result += part
            next += 1
        }
        return result
    }

    /// What is between `%` and its letter: `.3`.
    private func precision(_ rest: inout Substring.UnicodeScalarView) throws(Fault) -> Int32 {
        guard rest.first == "." else { return 6 }
        rest.removeFirst()
        let digits = rest.prefix { ("0"..."9").contains($0) }
        rest = rest.dropFirst(digits.count)
        guard let precision = Int32(String(digits)), precision <= 100 else {
            throw Fault("the precision of a format is a number up to 100")
        }
        return precision
    }

    private static func text(
        _ value: CELValue, _ verb: Unicode.Scalar, _ precision: Int32, _ budget: inout Budget
    ) throws(Fault) -> String {
        switch verb {
        case "s": return try plain(value, &budget)
        case "d":
            switch value {
            case .int, .uint, .double: return try plain(value, &budget)
            default: throw unfit("decimal clause can only be used on numbers", value)
            }
        case "f", "e":
            guard let number = value.number else { throw unfit("fixed-point and scientific clauses can only be used on numbers", value) }
            return number.isFinite ? digits(number, verb == "f" ? "%.*f" : "%.*e", precision) : try plain(.double(number), &budget)
        case "b":
            if case .bool(let flag) = value { return flag ? "1" : "0" }
            return try whole(value, radix: 2, "only integers and bools can be formatted as binary")
        case "o": return try whole(value, radix: 8, "octal clause can only be used on integers")
        default: return try hexadecimal(value, uppercase: verb == "X")
        }
    }

    private static func unfit(_ rule: String, _ value: CELValue) -> Fault { Fault("\(rule), was given \(value.type.rawValue)") }

    private static func whole(_ value: CELValue, radix: Int, uppercase: Bool = false, _ rule: String) throws(Fault) -> String {
        switch value {
        case .int(let number): return String(number, radix: radix, uppercase: uppercase)
        case .uint(let number): return String(number, radix: radix, uppercase: uppercase)
        default: throw unfit(rule, value)
        }
    }

    private static func hexadecimal(_ value: CELValue, uppercase: Bool) throws(Fault) -> String {
        func digits(_ bytes: some Sequence<UInt8>) -> String {
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: uppercase) }.joined()
        }
        switch value {
        case .string(let text): return digits(text.utf8)
        case .bytes(let bytes): return digits(bytes)
        default:
            return try whole(
                value, radix: 16, uppercase: uppercase, "only integers, byte buffers, and strings can be formatted as hex")
        }
    }

    /// C's formatting of doubles, which rounds as Go's does.
    private static func digits(_ number: Double, _ format: String, _ precision: Int32) -> String {
        withVaList([precision, number]) { arguments in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
                let count = vsnprintf(buffer.baseAddress, buffer.count, format, arguments)
                return String(decoding: buffer[..<Int(count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }
        }
    }

    /// A value as `%s` shows it; entries of maps in the order of their keys.
    private static func plain(_ value: CELValue, _ budget: inout Budget) throws(Fault) -> String {
        try budget.spend(1)
        switch value {
        case .null: return "null"
        case .type(let type): return type.rawValue
        case .double(let number):
            return number.isFinite ? FloatText.positional(number) : number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity"
        case .list(let items):
            var texts: [String] = []
            for item in items { texts.append(try plain(item, &budget)) }
            return "[" + texts.joined(separator: ", ") + "]"
        case .map(let map):
            var entries: [(key: String, value: String)] = []
            for entry in map.entries { entries.append((try plain(entry.key, &budget), try plain(entry.value, &budget))) }
            entries.sort { Order(texts: $0.key.utf8, $1.key.utf8) == .before }
            return "{" + entries.map { "\($0.key): \($0.value)" }.joined(separator: ", ") + "}"
        default:
            guard let text = try value.text else { throw unfit("string clause cannot be used here", value) }
            try budget.spend(forText: text.utf8.count)
            return text
        }
    }
}

extension CELValue {
    /// Of any of the three types of numbers.
    fileprivate var number: Double? {
        switch self {
        case .int(let number): Double(number)
        case .uint(let number): Double(number)
        case .double(let number): number
        default: nil
        }
    }

    /// What `string(value)` makes of it; nil for types that it does not take.
    var text: String? {
        get throws(Fault) {
            switch self {
            case .string(let text): return text
            case .bool(let flag): return String(flag)
            case .int(let number): return String(number)
            case .uint(let number): return String(number)
            case .double(let number): return FloatText.general(number)
            case .timestamp(let moment): return moment.text
            case .duration(let duration): return duration.text
            case .bytes(let bytes):
                guard let text = String(validating: bytes, as: UTF8.self) else { throw Fault("invalid UTF-8 in bytes") }
                return text
            case .null, .list, .map, .type, .optional: return nil
            }
        }
    }
}
