/// In which styles go-yaml's emitter may write a scalar.
struct CommentedScalarForm {
    private(set) var hasBreaks = false
    private(set) var isFlowPlainAllowed = true
    private(set) var isBlockPlainAllowed = true
    private(set) var isSingleQuotedAllowed = true
    private(set) var isBlockAllowed = true

    init(_ text: UnsafeBufferPointer<UInt8>) {
        guard !text.isEmpty else {
            isFlowPlainAllowed = false
            isBlockAllowed = false
            return
        }
        if text.count >= 3, text[0] == UInt8(ascii: "-") || text[0] == UInt8(ascii: "."), text[1] == text[0], text[2] == text[0] {
            forbidPlain()
        }
        var at = 0
        while at < text.count {
            look(at: at, of: text)
            at += text.width(at: at)
        }
    }

    private mutating func forbidPlain() {
        isFlowPlainAllowed = false
        isBlockPlainAllowed = false
    }

    private mutating func look(at index: Int, of text: UnsafeBufferPointer<UInt8>) {
        let isFirst = index == 0
        let isLast = index + text.width(at: index) >= text.count
        let isBeforeBlank = isLast || text[index + 1] == 0x20 || text[index + 1] == 0x09
        switch text[index] {
        case UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "{"), UInt8(ascii: "}"):
            isFlowPlainAllowed = false
            if isFirst { isBlockPlainAllowed = false }
        case UInt8(ascii: "#"):
            if isFirst || text.isBlankOrEnd(at: index - 1) { forbidPlain() }
        case UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "!"), UInt8(ascii: "|"), UInt8(ascii: ">"), UInt8(ascii: "'"),
            UInt8(ascii: "\""), UInt8(ascii: "%"), UInt8(ascii: "@"), UInt8(ascii: "`"):
            if isFirst { forbidPlain() }
        case UInt8(ascii: "?"):
            isFlowPlainAllowed = false
            if isFirst, isBeforeBlank { isBlockPlainAllowed = false }
        case UInt8(ascii: ":"):
            isFlowPlainAllowed = false
            if isBeforeBlank { isBlockPlainAllowed = false }
        case UInt8(ascii: "-"):
            if isFirst, isBeforeBlank { forbidPlain() }
        case UInt8(ascii: " "): lookAtBlank(isFirst: isFirst, isLast: isLast, isAfterBreak: index > 0 && text.endsBreak(at: index - 1))
        default: lookAtCharacter(at: index, of: text)
        }
    }

    private mutating func lookAtBlank(isFirst: Bool, isLast: Bool, isAfterBreak: Bool) {
        if isFirst || isLast || isAfterBreak { forbidPlain() }
        if isLast { isBlockAllowed = false }
        if isAfterBreak { isSingleQuotedAllowed = false }
    }

    private mutating func lookAtCharacter(at index: Int, of text: UnsafeBufferPointer<UInt8>) {
        let isTab = text[index] == 0x09
        let isBreak = text.isBreak(at: index)
        if isBreak {
            hasBreaks = true
            forbidPlain()
        }
        let isAfterSpace = isBreak && index > 0 && text[index - 1] == UInt8(ascii: " ")
        let isSpecial = !isTab && !text.isPrintable(at: index)
        if isTab || isSpecial || isAfterSpace {
            forbidPlain()
            isSingleQuotedAllowed = false
        }
        if isSpecial || isAfterSpace { isBlockAllowed = false }
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Whether a line break's last byte stands here.
    fileprivate func endsBreak(at index: Int) -> Bool {
        var start = index
        while start > 0, self[start] & 0xC0 == 0x80 { start -= 1 }
        return isBreak(at: start)
    }
}
