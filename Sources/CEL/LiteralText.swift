/// Reads a text or bytes in quotes, from the opening quote on.
struct LiteralText {
    private let source: [Unicode.Scalar]
    private(set) var at: Int
    private let isRaw: Bool
    private let isBytes: Bool
    private var text = String.UnicodeScalarView()
    private var bytes: [UInt8] = []

    init(source: [Unicode.Scalar], at: Int, isRaw: Bool, isBytes: Bool) {
        self.source = source
        self.at = at
        self.isRaw = isRaw
        self.isBytes = isBytes
    }

    mutating func read() throws(Fault) -> Token.Kind {
        let start = at
        let quote = source[at]
        let isLong = at + 2 < source.count && source[at + 1] == quote && source[at + 2] == quote
        at += isLong ? 3 : 1
        while at < source.count {
            let character = source[at]
            if character == quote, !isLong || endsHere(quote) {
                at += isLong ? 3 : 1
                return isBytes ? .bytes(bytes) : .string(String(text))
            }
            if character == "\n" || character == "\r", !isLong { break }
            at += 1
            if character == "\\", !isRaw { try escape() } else { append(character) }
            // A quote behind a backslash does not end a raw text.
            if character == "\\", isRaw, at < source.count, source[at] == quote || source[at] == "\\" {
                append(source[at])
                at += 1
            }
        }
        throw Fault("a quote that is never closed", at: start)
    }

    private func endsHere(_ quote: Unicode.Scalar) -> Bool {
        at + 2 < source.count && source[at + 1] == quote && source[at + 2] == quote
    }

    private mutating func append(_ character: Unicode.Scalar) {
        if isBytes { bytes += Array(String(character).utf8) } else { text.append(character) }
    }

    private static let simple: [Unicode.Scalar: Unicode.Scalar] = [
        "a": "\u{07}", "b": "\u{08}", "f": "\u{0C}", "n": "\n", "r": "\r", "t": "\t", "v": "\u{0B}", "\\": "\\", "?": "?", "\"": "\"",
        "'": "'", "`": "`",
    ]

    private mutating func escape() throws(Fault) {
        let start = at - 1
        guard at < source.count else { throw Fault("a quote that is never closed", at: start) }
        let character = source[at]
        at += 1
        if let simple = Self.simple[character] { return append(simple) }
        let code: UInt32
        switch character {
        case "x", "X": code = try digits(2, radix: 16, start)
        case "u" where !isBytes: code = try digits(4, radix: 16, start)
        case "U" where !isBytes: code = try digits(8, radix: 16, start)
        case "0"..."3":
            at -= 1
            code = try digits(3, radix: 8, start)
        default: throw Fault("unknown escape \\\(character)", at: start)
        }
        if isBytes { return bytes.append(UInt8(code)) }
        guard let scalar = Unicode.Scalar(code) else { throw Fault("an escape of a code point that does not exist", at: start) }
        text.append(scalar)
    }

    private mutating func digits(_ count: Int, radix: Int, _ start: Int) throws(Fault) -> UInt32 {
        guard at + count <= source.count else { throw Fault("an escape that lacks digits", at: start) }
        var digits = String.UnicodeScalarView()
        digits.append(contentsOf: source[at..<at + count])
        guard digits.allSatisfy(\.properties.isASCIIHexDigit), let code = UInt32(String(digits), radix: radix) else {
            throw Fault("an escape that lacks digits", at: start)
        }
        at += count
        return code
    }
}
