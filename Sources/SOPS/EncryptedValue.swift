internal import Cryptography
internal import YAML

/// A value as SOPS encrypts it: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:str]`.
struct EncryptedValue {
    private let data, nonce, tag: [UInt8]
    private let type: Substring

    /// nil when the text is none.
    init?(_ text: String) {
        guard text.hasPrefix("ENC[AES256_GCM,"), text.hasSuffix("]") else { return nil }
        var fields: [Substring: Substring] = [:]
        for field in text.dropFirst("ENC[AES256_GCM,".count).dropLast().split(separator: ",") {
            let sides = field.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2 else { return nil }
            fields[sides[0]] = sides[1]
        }
        guard let data = fields["data"].flatMap({ Base64.decode($0) }), let nonce = fields["iv"].flatMap({ Base64.decode($0) }),
            let tag = fields["tag"].flatMap({ Base64.decode($0) }), let type = fields["type"]
        else { return nil }
        (self.data, self.nonce, self.tag, self.type) = (data, nonce, tag, type)
    }

    /// The text; nil when the key is wrong, the value was changed, or it was put where it does not belong.
    /// - Parameter place: what the value is bound to: its keys, each followed by a colon.
    func opened(with key: [UInt8], at place: String) -> [UInt8]? {
        (try? AuthenticatedCipher.aes256GCM.open(data, tag: tag, key: key, nonce: nonce, bound: Array(place.utf8))) ?? nil
    }

    /// The text as the kind of value that it was.
    func value(of string: String) -> Value? {
        switch type {
        // A time is written as RFC 3339 has it.
        case "str", "bytes", "time": return .string(string)
        case "int": return Int64(string).map { .int($0) } ?? UInt64(string).map { .uint($0) }
        case "float": return Double(string).map { .double($0) }
        case "bool": return string.lowercased() == "true" ? true : string.lowercased() == "false" ? false : nil
        default: return nil
        }
    }
}
