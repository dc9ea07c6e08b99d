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
    /// Paths of the values that are no text.
    private(set) var notText: [String] = []
    /// Whether `data` is a file's whole content.
    var keepsContent = false
    private(set) var content: [UInt8]?
    /// What was encrypted.
    private(set) var secrets: Set<String> = []

    init(key: [UInt8], onlyEncrypted: Bool) {
        self.key = key
        self.onlyEncrypted = onlyEncrypted
        // So that a code over the encrypted values alone cannot pass for one over all.
        covered = onlyEncrypted ? SHA256.digest(of: Array("sops".utf8)) : []
    }

    var digest: [UInt8] { SHA512.digest(of: covered) }

    /// - Parameter kept: the same value as it is to be where it is not encrypted; nil where that is no other.
    mutating func opened(_ value: Value, kept: Value?, at path: [String]) -> Value {
        switch value {
        case .null: return kept ?? value
        case .object(let object):
            var result = Object()
            for member in object {
                result.append(member.key, opened(member.value, kept: kept?[member.key], at: path + [member.key]))
            }
            return .object(result)
        // The place in a list is no part of a value's path.
        case .array(let items):
            let others = kept?.array.flatMap { $0.count == items.count ? $0 : nil }
            var result: [Value] = []
            for (index, item) in items.enumerated() { result.append(opened(item, kept: others?[index], at: path)) }
            return .array(result)
        case .string(let text):
            guard let encrypted = EncryptedValue(text) else {
                if !onlyEncrypted { covered += Array(text.utf8) }
                return kept ?? value
            }
            return opened(encrypted, at: path)
        default:
            if !onlyEncrypted { covered += Array(Self.text(of: value).utf8) }
            return kept ?? value
        }
    }

    private mutating func opened(_ encrypted: EncryptedValue, at path: [String]) -> Value {
        guard let clear = encrypted.opened(with: key, at: path.map { $0 + ":" }.joined()) else {
            unreadable.append(path.joined(separator: "."))
            return .null
        }
        covered += clear
        if keepsContent, path == ["data"] {
            content = clear
            return .null
        }
        guard let text = clear.withUnsafeBufferPointer({ String(validating: $0, as: UTF8.self) }) else {
            notText.append(path.joined(separator: "."))
            return .null
        }
        guard let result = encrypted.value(of: text) else {
            unreadable.append(path.joined(separator: "."))
            return .null
        }
        secrets.insert(text)
        return result
    }

    /// Numbers and truths as Go writes them, without an exponent.
    private static func text(of value: Value) -> String {
        switch value {
        case .bool(let flag): flag ? "True" : "False"
        case .int(let number): String(number)
        case .uint(let number): String(number)
        case .double(let number): FloatText.positional(number)
        default: ""
        }
    }
}
