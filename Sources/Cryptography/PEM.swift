/// The text armour of RFC 7468: base64 between a BEGIN and an END line.
package enum PEM {
    package static func encode(_ bytes: [UInt8], label: String, width: Int = 64) -> String {
        let text = Array(Base64.encode(bytes).utf8)
        var result = "-----BEGIN \(label)-----\n"
        for start in stride(from: 0, to: text.count, by: width) {
            result += String(decoding: text[start..<min(start + width, text.count)], as: UTF8.self) + "\n"
        }
        return result + "-----END \(label)-----\n"
    }

    /// The bytes of the first block of this label; nil when there is none or it is damaged.
    package static func decode(_ text: String, label: String) -> [UInt8]? {
        blocks(text).first { $0.label == label }?.bytes
    }

    /// All undamaged blocks in their order (a certificate chain, for instance).
    package static func blocks(_ text: String) -> [(label: String, bytes: [UInt8])] {
        var blocks: [(label: String, bytes: [UInt8])] = []
        var label: String?
        var body = ""
        for line in text.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("-----BEGIN "), line.hasSuffix("-----") {
                label = String(line.dropFirst(11).dropLast(5))
                body = ""
            } else if line.hasPrefix("-----END "), let current = label {
                if let bytes = Base64.decode(body) { blocks.append((current, bytes)) }
                label = nil
            } else if label != nil {
                body += line
            }
        }
        return blocks
    }
}
