/// Writes YAML in block style, byte for byte as libyaml's emitter does with a width of 80, two spaces of indentation and unicode
/// allowed: `EmitterTests` compares the two. Its own because it writes a resource in a fifth of libyaml's time, which makes
/// an event, a copy and a state change of every key and value.
struct BlockEmitter {
    private(set) var bytes: [UInt8] = []
    private let sortedKeys: Bool
    /// Characters on the line so far.
    private var column = 0
    /// Whether the last character was a blank, or nothing was written yet.
    private var isAfterBlank = true
    /// Whether the line holds nothing but indentation and the signs of list items.
    private var isIndenting = true

    private static let width = 80

    init(sortedKeys: Bool) { self.sortedKeys = sortedKeys }

    /// Empties the buffer and keeps its memory.
    mutating func removeBytes() { bytes.removeAll(keepingCapacity: true) }

    mutating func separator() { append("---\n") }

    /// A document, from the start of a line on to the end of one.
    mutating func document(_ value: Value) {
        column = 0
        isAfterBlank = true
        isIndenting = true
        emit(value, indent: -1, isMember: false)
        startLine(indent: 0)
    }

    // MARK: Collections

    /// - Parameters:
    ///   - indent: of the collection around it, -1 at the root.
    ///   - isMember: whether it stands behind a key.
    private mutating func emit(_ value: Value, indent: Int, isMember: Bool) {
        switch value {
        case .null: plain("null")
        case .bool(let flag): plain(flag ? "true" : "false")
        case .int(let number): plain(String(number))
        case .uint(let number): plain(String(number))
        case .double(let number): plain(FloatText.yaml(number))
        case .string(let text): string(text, indent: indent, isKey: false)
        case .array(let items):
            if items.isEmpty { return plain("[]") }
            // Items stand under their key without indentation.
            let inner = isMember && !isIndenting ? indent : indent < 0 ? 0 : indent + 2
            for item in items {
                startLine(indent: inner)
                indicator(UInt8(ascii: "-"), isIndentation: true)
                emit(item, indent: inner, isMember: false)
            }
        case .object(let object):
            if object.isEmpty { return plain("{}") }
            let inner = indent < 0 ? 0 : indent + 2
            for member in sortedKeys ? object.members.inNaturalOrder : object.members { emit(member, indent: inner) }
        }
    }

    private mutating func emit(_ member: Object.Member, indent: Int) {
        startLine(indent: indent)
        if string(member.key, indent: indent, isKey: true) {
            bytes.append(UInt8(ascii: ":"))
            column += 1
            isAfterBlank = false
            isIndenting = false
        } else {
            startLine(indent: indent)
            indicator(UInt8(ascii: ":"), isIndentation: true)
        }
        emit(member.value, indent: indent, isMember: true)
    }

    // MARK: Lines

    private mutating func endLine() {
        bytes.append(UInt8(ascii: "\n"))
        column = 0
    }

    /// Goes to a column, on a new line unless this one holds nothing yet.
    private mutating func startLine(indent: Int) {
        if !isIndenting || column > indent || column == indent && !isAfterBlank { endLine() }
        while column < indent {
            bytes.append(UInt8(ascii: " "))
            column += 1
        }
        isAfterBlank = true
        isIndenting = true
    }

    private mutating func blankIfNeeded() {
        if isAfterBlank { return }
        bytes.append(UInt8(ascii: " "))
        column += 1
    }

    private mutating func indicator(_ byte: UInt8, isIndentation: Bool) {
        blankIfNeeded()
        bytes.append(byte)
        column += 1
        isAfterBlank = false
        isIndenting = isIndenting && isIndentation
    }

    private mutating func append(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// The character at `index`, whatever it is but a break.
    private mutating func put(_ text: UnsafeBufferPointer<UInt8>, at index: inout Int) {
        for _ in 0..<text.width(at: index) {
            bytes.append(text[index])
            index += 1
        }
        column += 1
    }

    private mutating func putBreak(_ text: UnsafeBufferPointer<UInt8>, at index: inout Int) {
        put(text, at: &index)
        column = 0
    }

    // MARK: Scalars

    private mutating func plain(_ text: StaticString) {
        blankIfNeeded()
        append(text)
        column += text.utf8CodeUnitCount
        isAfterBlank = false
        isIndenting = false
    }

    /// A text of one line without blanks.
    private mutating func plain(_ text: String) {
        var text = text
        text.withUTF8 { word($0) }
    }

    private mutating func word(_ text: UnsafeBufferPointer<UInt8>) {
        blankIfNeeded()
        bytes.append(contentsOf: text)
        column += text.count
        isAfterBlank = false
        isIndenting = false
    }

    /// Writes a string in the first of plain, single-quoted and double-quoted that is possible, one of several lines as a block.
    /// False for a key that is too long, or of several lines, to have its value behind it: it got a `?`.
    @discardableResult
    private mutating func string(_ text: String, indent: Int, isKey: Bool) -> Bool {
        var text = text
        return text.withUTF8 { string($0, indent: indent, isKey: isKey) }
    }

    private mutating func string(_ text: UnsafeBufferPointer<UInt8>, indent: Int, isKey: Bool) -> Bool {
        let form = ScalarForm(text)
        // libyaml's longest key, in bytes.
        let isSimpleKey = isKey && !form.hasBreaks && text.count <= 128
        if isKey, !isSimpleKey { indicator(UInt8(ascii: "?"), isIndentation: true) }
        let indent = indent < 0 ? 2 : indent + 2
        if form.hasBreaks, text.contains(UInt8(ascii: "\n")) {
            if form.isBlockAllowed { literal(text, indent: indent) } else { doubleQuoted(text, indent: indent, folds: true) }
        } else if !PlainText.isSafe(text) || isKey && PlainText.isMergeKey(text) {
            doubleQuoted(text, indent: indent, folds: !isSimpleKey)
        } else if form.isPlainAllowed {
            let mayFold = form.hasSpaces && !isSimpleKey && column + text.count >= Self.width
            if form.isASCII, !mayFold { word(text) } else { plain(text, indent: indent, folds: !isSimpleKey) }
        } else if form.isSingleQuotedAllowed {
            singleQuoted(text, indent: indent, folds: !isSimpleKey)
        } else {
            doubleQuoted(text, indent: indent, folds: !isSimpleKey)
        }
        return !isKey || isSimpleKey
    }

    private mutating func plain(_ text: UnsafeBufferPointer<UInt8>, indent: Int, folds: Bool) {
        blankIfNeeded()
        isIndenting = false
        var isAfterSpace = false
        var at = 0
        while at < text.count {
            if text[at] == UInt8(ascii: " ") {
                let isAlone = at + 1 < text.count && text[at + 1] != UInt8(ascii: " ")
                if folds, !isAfterSpace, column > Self.width, isAlone {
                    startLine(indent: indent)
                    isIndenting = false
                    at += 1
                } else {
                    put(text, at: &at)
                }
                isAfterSpace = true
            } else {
                put(text, at: &at)
                isAfterSpace = false
            }
        }
        isAfterBlank = false
    }

    private mutating func singleQuoted(_ text: UnsafeBufferPointer<UInt8>, indent: Int, folds: Bool) {
        indicator(UInt8(ascii: "'"), isIndentation: false)
        var isAfterSpace = false
        var isAfterBreak = false
        var at = 0
        while at < text.count {
            if text[at] == UInt8(ascii: " ") {
                let isInside = at > 0 && at + 1 < text.count
                if folds, !isAfterSpace, column > Self.width, isInside, text[at + 1] != UInt8(ascii: " ") {
                    startLine(indent: indent)
                    isIndenting = false
                    at += 1
                } else {
                    put(text, at: &at)
                }
                isAfterSpace = true
            } else if text.isBreak(at: at) {
                putBreak(text, at: &at)
                isIndenting = true
                isAfterBreak = true
            } else {
                if isAfterBreak { startLine(indent: indent) }
                if text[at] == UInt8(ascii: "'") {
                    bytes.append(UInt8(ascii: "'"))
                    column += 1
                }
                put(text, at: &at)
                isIndenting = false
                isAfterSpace = false
                isAfterBreak = false
            }
        }
        if isAfterBreak { startLine(indent: indent) }
        isAfterBlank = true
        indicator(UInt8(ascii: "'"), isIndentation: false)
        isIndenting = false
    }

    private mutating func doubleQuoted(_ text: UnsafeBufferPointer<UInt8>, indent: Int, folds: Bool) {
        indicator(UInt8(ascii: "\""), isIndentation: false)
        // Go's writer takes every character of a text that starts with a byte order mark for one.
        let escapesAll = text.isByteOrderMark(at: 0)
        var isAfterSpace = false
        var at = 0
        while at < text.count {
            let byte = text[at]
            if byte == UInt8(ascii: " "), !escapesAll {
                if folds, !isAfterSpace, column > Self.width, at > 0, at + 1 < text.count {
                    startLine(indent: indent)
                    isIndenting = false
                    if text[at + 1] == UInt8(ascii: " ") {
                        bytes.append(UInt8(ascii: "\\"))
                        column += 1
                    }
                    at += 1
                } else {
                    put(text, at: &at)
                }
                isAfterSpace = true
                continue
            }
            isAfterSpace = false
            let isSign = byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
            if escapesAll || isSign || !text.isPrintable(at: at) || text.isBreak(at: at) {
                escape(text, at: &at)
            } else {
                put(text, at: &at)
            }
        }
        isAfterBlank = true
        indicator(UInt8(ascii: "\""), isIndentation: false)
    }

    private mutating func escape(_ text: UnsafeBufferPointer<UInt8>, at index: inout Int) {
        let escaped = Self.escape(text, at: &index)
        bytes += escaped
        column += escaped.count
    }

    /// The character at `index` as double quotes hold it.
    static func escape(_ text: UnsafeBufferPointer<UInt8>, at index: inout Int) -> [UInt8] {
        let width = text.width(at: index)
        let code = (1..<width).reduce(UInt32(width == 1 ? text[index] : text[index] & 0xFF >> UInt8(width + 1))) {
            $0 << 6 | UInt32(text[index + $1] & 0x3F)
        }
        index += width
        var escaped = [UInt8(ascii: "\\")]
        if let short = shortEscape(code) {
            escaped.append(short)
        } else {
            let digits = code <= 0xFF ? 2 : code <= 0xFFFF ? 4 : 8
            escaped.append(UInt8(ascii: digits == 2 ? "x" : digits == 4 ? "u" : "U"))
            for place in (0..<UInt32(digits)).reversed() {
                let digit = UInt8(truncatingIfNeeded: code >> (place * 4) & 0xF)
                escaped.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") + digit - 10)
            }
        }
        return escaped
    }

    private static func shortEscape(_ code: UInt32) -> UInt8? {
        switch code {
        case 0x00: UInt8(ascii: "0")
        case 0x07: UInt8(ascii: "a")
        case 0x08: UInt8(ascii: "b")
        case 0x09: UInt8(ascii: "t")
        case 0x0A: UInt8(ascii: "n")
        case 0x0B: UInt8(ascii: "v")
        case 0x0C: UInt8(ascii: "f")
        case 0x0D: UInt8(ascii: "r")
        case 0x1B: UInt8(ascii: "e")
        case 0x22: UInt8(ascii: "\"")
        case 0x5C: UInt8(ascii: "\\")
        case 0x85: UInt8(ascii: "N")
        case 0xA0: UInt8(ascii: "_")
        case 0x2028: UInt8(ascii: "L")
        case 0x2029: UInt8(ascii: "P")
        default: nil
        }
    }

    /// A block of lines: `|`, the indentation where it could not be seen, and what becomes of the last line's end.
    private mutating func literal(_ text: UnsafeBufferPointer<UInt8>, indent: Int) {
        indicator(UInt8(ascii: "|"), isIndentation: false)
        if text[0] == UInt8(ascii: " ") || text.isBreak(at: 0) { bytes.append(UInt8(ascii: "2")) }
        let last = Self.lastCharacter(text, before: text.count)
        if !text.isBreak(at: last) {
            bytes.append(UInt8(ascii: "-"))
        } else if last == 0 || text.isBreak(at: Self.lastCharacter(text, before: last)) {
            bytes.append(UInt8(ascii: "+"))
        }
        endLine()
        isIndenting = true
        isAfterBlank = true
        var at = 0
        while at < text.count {
            if text.isBreak(at: at) {
                putBreak(text, at: &at)
                isIndenting = true
                continue
            }
            if column == 0 { startLine(indent: indent) }
            let start = at
            while at < text.count, !text.isBreak(at: at) { at += text.width(at: at) }
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<at]))
            column += at - start
            isIndenting = false
        }
    }

    private static func lastCharacter(_ text: UnsafeBufferPointer<UInt8>, before end: Int) -> Int {
        var index = end - 1
        while index > 0, text[index] & 0xC0 == 0x80 { index -= 1 }
        return index
    }
}

extension [Object.Member] {
    /// By natural key order; already ordered members, the common case, are not copied.
    var inNaturalOrder: [Object.Member] {
        for index in indices.dropFirst() where !NaturalOrder.precedes(self[index - 1].key, self[index].key) {
            return sorted { NaturalOrder.precedes($0.key, $1.key) }
        }
        return self
    }
}
