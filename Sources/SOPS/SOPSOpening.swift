internal import Cryptography
internal import YAML

/// Decrypts the values of a tree in its order, and collects what the file's code is made of.
struct SOPSOpening {
    let key: [UInt8]
    /// Whether the code covers only the encrypted values.
    let onlyEncrypted: Bool
    private var covered: [UInt8]
    /// Paths of the values that do not open.
    private(set) var unreadable: [String] = []

    init(key: [UInt8], onlyEncrypted: Bool) {
        self.key = key
        self.onlyEncrypted = onlyEncrypted
        // So that a code over the encrypted values alone cannot pass for one over all.
        covered = onlyEncrypted ? SHA256.digest(of: Array("sops".utf8)) : []
    }

    var digest: [UInt8] { SHA512.digest(of: covered) }

    mutating func opened(_ value: Value, at path: [String]) -> Value {
        switch value {
        case .null: return value
        case .object(let object):
            var result = Object()
            for member in object { result.append(member.key, opened(member.value, at: path + [member.key])) }
            return .object(result)
        // The place in a list is no part of a value's path.
        case .array(let items):
            var result: [Value] = []
            for item in items { result.append(opened(item, at: path)) }
            return .array(result)
        case .string(let text):
            guard let encrypted = EncryptedValue(text) else {
                if !onlyEncrypted { covered += Array(text.utf8) }
                return value
            }
            guard let clear = encrypted.opened(with: key, at: path.map { $0 + ":" }.joined()), let result = encrypted.value(of: clear)
            else {
                unreadable.append(path.joined(separator: "."))
                return .null
            }
            covered += clear
            return result
        default:
            if !onlyEncrypted { covered += Array(Self.text(of: value).utf8) }
            return value
        }
    }

    /// Numbers and truths as Go writes them.
    private static func text(of value: Value) -> String {
        switch value {
        case .bool(let flag): flag ? "True" : "False"
        case .int(let number): String(number)
        case .uint(let number): String(number)
        case .double(let number): plain(number)
        default: ""
        }
    }

    /// Without an exponent.
    private static func plain(_ number: Double) -> String {
        if number == number.rounded(), abs(number) < 1e15 { return String(Int64(number)) }
        let text = "\(number)"
        guard let mark = text.firstIndex(where: { $0 == "e" || $0 == "E" }), let exponent = Int(text[text.index(after: mark)...]) else {
            return text
        }
        let isNegative = text.hasPrefix("-")
        let parts = text[..<mark].drop { $0 == "-" }.split(separator: ".")
        let digits = parts.joined()
        let point = (parts.first?.count ?? 0) + exponent
        let padded =
            point <= 0
            ? "0." + String(repeating: "0", count: -point) + digits
            : point >= digits.count
                ? digits + String(repeating: "0", count: point - digits.count) : digits.prefix(point) + "." + digits.dropFirst(point)
        return (isNegative ? "-" : "") + padded
    }
}
