/// How a text may be written in block style: libyaml's analysis of a scalar, so that the same texts get the same quotes.
struct ScalarForm {
    /// Without quotes, as far as its characters go.
    private(set) var isPlainAllowed = true
    private(set) var isSingleQuotedAllowed = true
    /// As a literal block.
    private(set) var isBlockAllowed = true
    private(set) var hasBreaks = false
    /// Whether it holds spaces, at which long lines are folded.
    private(set) var hasSpaces = false
    /// Whether every character is one byte.
    private(set) var isASCII = true

    init(_ text: UnsafeBufferPointer<UInt8>) {
        guard let first = text.first else {
            isBlockAllowed = false
            return
        }
        isPlainAllowed = !Self.isIndicator(first) || Self.mayLead(text)
        var previous = Previous.other
        var at = 0
        while at < text.count {
            let byte = text[at]
            // Letters, digits and most signs change nothing.
            if byte &- 0x21 < 0x5E, byte != UInt8(ascii: ":"), byte != UInt8(ascii: "#") {
                previous = .other
                at += 1
            } else {
                note(text, at, &previous)
                at += text.width(at: at)
            }
        }
        if hasBreaks { isPlainAllowed = false }
    }

    private enum Previous { case space, lineBreak, other }

    private mutating func note(_ text: UnsafeBufferPointer<UInt8>, _ at: Int, _ previous: inout Previous) {
        let byte = text[at]
        if byte >= 0x80 { isASCII = false }
        if !text.isPrintable(at: at) { allowOnlyDoubleQuotes() }
        if byte == UInt8(ascii: " ") {
            hasSpaces = true
            if at == 0 { isPlainAllowed = false }
            if at + 1 == text.count {
                isPlainAllowed = false
                isBlockAllowed = false
            }
            if previous == .lineBreak {
                isPlainAllowed = false
                isSingleQuotedAllowed = false
            }
            previous = .space
        } else if text.isBreak(at: at) {
            hasBreaks = true
            if previous == .space { allowOnlyDoubleQuotes() }
            previous = .lineBreak
        } else {
            if byte == UInt8(ascii: ":"), text.isBlankOrEnd(at: at + 1) { isPlainAllowed = false }
            if byte == UInt8(ascii: "#"), previous != .other { isPlainAllowed = false }
            previous = .other
        }
    }

    private mutating func allowOnlyDoubleQuotes() {
        isPlainAllowed = false
        isSingleQuotedAllowed = false
        isBlockAllowed = false
    }

    /// Whether it means something at the start of a text.
    private static func isIndicator(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "#"), UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "{"), UInt8(ascii: "}"),
            UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "!"), UInt8(ascii: "|"), UInt8(ascii: ">"), UInt8(ascii: "'"),
            UInt8(ascii: "\""), UInt8(ascii: "%"), UInt8(ascii: "@"), UInt8(ascii: "`"), UInt8(ascii: "?"), UInt8(ascii: ":"),
            UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// Whether a plain text may start as this one does, with an indicator.
    private static func mayLead(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let isSeparator = text.count > 2 && text[1] == text[0] && text[2] == text[0]
        switch text[0] {
        case UInt8(ascii: "-"): return !isSeparator && !text.isBlankOrEnd(at: 1)
        case UInt8(ascii: "."): return !isSeparator
        case UInt8(ascii: "?"), UInt8(ascii: ":"): return !text.isBlankOrEnd(at: 1)
        default: return false
        }
    }
}

/// UTF-8 as libyaml's emitter sees it.
extension UnsafeBufferPointer<UInt8> {
    /// Bytes of the character that starts here.
    func width(at index: Int) -> Int {
        let byte = self[index]
        return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
    }

    /// LF, CR, NEL, LS or PS.
    func isBreak(at index: Int) -> Bool {
        switch self[index] {
        case 0x0A, 0x0D: true
        case 0xC2: index + 1 < count && self[index + 1] == 0x85
        case 0xE2: index + 2 < count && self[index + 1] == 0x80 && self[index + 2] | 1 == 0xA9
        default: false
        }
    }

    /// Blank, break, NUL or the end of the text.
    func isBlankOrEnd(at index: Int) -> Bool {
        guard index < count else { return true }
        let byte = self[index]
        return byte == 0x20 || byte == 0x09 || byte == 0 || isBreak(at: index)
    }

    /// Whether a character may stand outside of double quotes: not those beyond the first plane, control characters, tabs.
    func isPrintable(at index: Int) -> Bool {
        switch self[index] {
        case 0x0A, 0x20...0x7E: true
        case 0xC2: self[index + 1] >= 0xA0
        case 0xC3...0xEC, 0xEE: true
        case 0xED: self[index + 1] < 0xA0
        case 0xEF: !isByteOrderMark(at: index) && !(self[index + 1] == 0xBF && self[index + 2] >= 0xBE)
        default: false
        }
    }

    func isByteOrderMark(at index: Int) -> Bool {
        index + 2 < count && self[index] == 0xEF && self[index + 1] == 0xBB && self[index + 2] == 0xBF
    }
}
