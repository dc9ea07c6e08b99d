/// The smallest parts of an expression.
struct Token {
    enum Kind: Equatable {
        case name(String)
        /// `true`, `in`, `+`, `(`: words and signs of the grammar itself.
        case symbol(String)
        /// The magnitude; the grammar joins it with a sign.
        case int(UInt64)
        case uint(UInt64)
        case double(Double)
        case string(String)
        case bytes([UInt8])
        case end
    }

    let kind: Kind
    let position: Int
}

/// Divides an expression into tokens.
struct Lexer {
    private let source: [Unicode.Scalar]
    private var at = 0

    private static let keywords: Set<String> = ["true", "false", "null", "in"]
    private static let pairs: Set<String> = ["||", "&&", "==", "!=", "<=", ">="]
    private static let singles: Set<Unicode.Scalar> = [
        "+", "-", "*", "/", "%", "!", "<", ">", "(", ")", "[", "]", "{", "}", ",", ".", "?", ":",
    ]

    static func tokens(_ source: [Unicode.Scalar]) throws(Fault) -> [Token] {
        var lexer = Lexer(source: source)
        var tokens: [Token] = []
        while true {
            let token = try lexer.next()
            tokens.append(token)
            if token.kind == .end { return tokens }
        }
    }

    private init(source: [Unicode.Scalar]) { self.source = source }

    private func peek(_ distance: Int = 0) -> Unicode.Scalar? { at + distance < source.count ? source[at + distance] : nil }

    private mutating func next() throws(Fault) -> Token {
        skipBlanks()
        let start = at
        guard let first = peek() else { return Token(kind: .end, position: start) }
        if let prefix = stringPrefix {
            at += prefix.length
            var literal = LiteralText(source: source, at: at, isRaw: prefix.isRaw, isBytes: prefix.isBytes)
            let kind = try literal.read()
            at = literal.at
            return Token(kind: kind, position: start)
        }
        if Self.isLetter(first) { return Token(kind: word(), position: start) }
        if Self.isDigit(first) || (first == "." && peek(1).map(Self.isDigit) == true) {
            return Token(kind: try number(), position: start)
        }
        if let second = peek(1) {
            let pair = String(String.UnicodeScalarView([first, second]))
            if Self.pairs.contains(pair) {
                at += 2
                return Token(kind: .symbol(pair), position: start)
            }
        }
        guard Self.singles.contains(first) else {
            throw Fault("the character \(first.escaped(asASCII: false)) has no meaning here", at: at)
        }
        at += 1
        return Token(kind: .symbol(String(first)), position: start)
    }

    private mutating func skipBlanks() {
        while let character = peek() {
            if character == " " || character == "\t" || character == "\n" || character == "\r" || character == "\u{0C}" {
                at += 1
            } else if character == "/", peek(1) == "/" {
                while let character = peek(), character != "\n" { at += 1 }
            } else {
                return
            }
        }
    }

    /// `r"`, `b'`, `Rb"`: a text or bytes begin here.
    private var stringPrefix: (length: Int, isRaw: Bool, isBytes: Bool)? {
        var result = (length: 0, isRaw: false, isBytes: false)
        while let character = peek(result.length) {
            switch character {
            case "\"", "'": return result
            case "r", "R":
                guard !result.isRaw else { return nil }
                result.isRaw = true
            case "b", "B":
                guard !result.isBytes else { return nil }
                result.isBytes = true
            default: return nil
            }
            result.length += 1
        }
        return nil
    }

    private mutating func word() -> Token.Kind {
        var text = String.UnicodeScalarView()
        while let character = peek(), Self.isLetter(character) || Self.isDigit(character) {
            text.append(character)
            at += 1
        }
        let word = String(text)
        return Self.keywords.contains(word) ? .symbol(word) : .name(word)
    }

    private mutating func digits(_ isDigit: (Unicode.Scalar) -> Bool = Lexer.isDigit) -> String {
        var text = String.UnicodeScalarView()
        while let character = peek(), isDigit(character) {
            text.append(character)
            at += 1
        }
        return String(text)
    }

    private mutating func number() throws(Fault) -> Token.Kind {
        let start = at
        if peek() == "0", peek(1) == "x" || peek(1) == "X" {
            at += 2
            return try whole(digits { $0.properties.isASCIIHexDigit }, radix: 16, start)
        }
        var text = digits()
        var isDouble = false
        if peek() == ".", peek(1).map(Self.isDigit) == true {
            at += 1
            text += "." + digits()
            isDouble = true
        }
        if peek() == "e" || peek() == "E" {
            let signed = peek(1) == "+" || peek(1) == "-"
            if let digit = peek(signed ? 2 : 1), Self.isDigit(digit) {
                text += "e" + (peek(1) == "-" ? "-" : "")
                at += signed ? 2 : 1
                text += digits()
                isDouble = true
            }
        }
        guard isDouble else { return try whole(text, radix: 10, start) }
        guard let number = Double(text.first == "." ? "0" + text : text), number.isFinite else {
            throw Fault("the number \(text) is out of range", at: start)
        }
        return .double(number)
    }

    private mutating func whole(_ digits: String, radix: Int, _ start: Int) throws(Fault) -> Token.Kind {
        guard let number = UInt64(digits, radix: radix) else {
            throw Fault(digits.isEmpty ? "digits are missing behind 0x" : "the number \(digits) is out of range", at: start)
        }
        guard peek() == "u" || peek() == "U" else { return .int(number) }
        at += 1
        return .uint(number)
    }

    private static func isDigit(_ character: Unicode.Scalar) -> Bool { ("0"..."9").contains(character) }

    private static func isLetter(_ character: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(character) || ("A"..."Z").contains(character) || character == "_"
    }
}
