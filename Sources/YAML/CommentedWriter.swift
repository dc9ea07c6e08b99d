/// Writes nodes with their comments byte for byte as go-yaml's emitter does that kustomize has set up: two spaces of indentation,
/// list items under their key without any, lines of any length, scalars in the style they were read in. One file, since
/// all of it turns on what the line so far holds, which no one else may touch.
struct CommentedWriter {
    private var output: [UInt8] = []
    /// Characters on the line so far.
    private var column = 0
    /// Whether the last character was a blank.
    private var isAfterBlank = true
    /// Whether the line holds nothing but indentation and the signs of list items.
    private var isIndenting = true
    private var indent = -1
    private var flowDepth = 0
    /// Where a comment below something stood, which an empty line follows.
    private var footIndent = -1

    /// Comments that wait for their place.
    private var head: [UInt8] = []
    private var line: [UInt8] = []
    private var foot: [UInt8] = []
    private var tail: [UInt8] = []
    private var keyLine: [UInt8] = []

    /// What a value stands in.
    private enum Parent { case document, blockSequence, mapping, flowSequence }

    /// What to write behind a scalar, and behind the start of a collection.
    private enum Ending { case nothing, comments, commaAndComments }

    mutating func text(of document: CommentedDocument) -> String {
        expect(head: document.head)
        if !head.isEmpty {
            writeHead()
            putBreak()
        }
        expect(document.root)
        writeHead()
        write(document.root, in: .document, .comments)
        expect(foot: document.foot)
        footIndent = 0
        writeFoot()
        footIndent = -1
        startLine()
        return String(decoding: output, as: UTF8.self)
    }

    // MARK: Nodes

    private mutating func expect(head: [UInt8] = [], line: [UInt8] = [], foot: [UInt8] = [], tail: [UInt8] = []) {
        if !head.isEmpty { self.head = head }
        if !line.isEmpty { self.line = line }
        if !foot.isEmpty { self.foot = foot }
        if !tail.isEmpty { self.tail = tail }
    }

    /// A collection's comments behind and below it come with its end.
    private mutating func expect(_ node: CommentedNode) {
        switch node.content {
        case .scalar, .alias: expect(head: node.head, line: node.line, foot: node.foot)
        case .sequence, .mapping: expect(head: node.head)
        }
    }

    /// What is below a key comes before the next one.
    private mutating func expect(key: CommentedNode, tail: [UInt8]) {
        switch key.content {
        case .scalar, .alias: expect(head: key.head, line: key.line, tail: tail)
        case .sequence, .mapping: expect(head: key.head, tail: tail)
        }
    }

    private mutating func write(_ node: CommentedNode, in parent: Parent, isKey: Bool = false, _ ending: Ending) {
        if let anchor = node.anchor { sign("&" + anchor, isSeparate: true) }
        if let tag = node.tag { sign(Self.written(tag), isSeparate: true) }
        switch node.content {
        case .alias(let name):
            sign("*" + name, isSeparate: true)
            end(ending)
        case .scalar:
            let outer = indent
            deepen(in: parent, isFlow: true)
            scalar(node, isKey: isKey)
            indent = outer
            end(ending)
        case .sequence(let items):
            if flowDepth > 0 || node.isFlow || items.isEmpty { return flow(node, items, in: parent, ending) }
            end(ending)
            block(node, items, in: parent)
        case .mapping(let entries):
            if flowDepth > 0 || node.isFlow || entries.isEmpty { return flow(node, entries, in: parent, ending) }
            end(ending)
            block(node, entries, in: parent)
        }
    }

    /// A tag with what may not stand in one escaped; one without a handle in its brackets.
    private static func written(_ tag: String) -> String {
        let handle = tag.hasPrefix("!!") ? "!!" : tag.hasPrefix("!") ? "!" : ""
        let text = tag.dropFirst(handle.count).utf8.map { byte in
            let character = Character(Unicode.Scalar(byte))
            let isPlain = byte < 0x80 && (character.isLetter || character.isNumber || "-;/?:@&=+$,_.~*'()[]!".contains(character))
            return isPlain ? String(character) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
        return handle.isEmpty ? "!<" + text.joined() + ">" : handle + text.joined()
    }

    private mutating func end(_ ending: Ending) {
        if ending == .nothing { return }
        if ending == .commaAndComments, hasComments { sign(",") }
        writeLine()
        writeFoot()
    }

    private var hasComments: Bool { !line.isEmpty || !foot.isEmpty || !tail.isEmpty }

    private mutating func deepen(in parent: Parent, isFlow: Bool, isCompact: Bool = false) {
        if indent < 0 {
            indent = isFlow ? 2 : 0
        } else if parent == .blockSequence || !isCompact {
            indent += 2
        }
    }

    private mutating func block(_ node: CommentedNode, _ items: [CommentedNode], in parent: Parent) {
        let outer = indent
        deepen(in: parent, isFlow: false, isCompact: parent == .mapping && (column == 0 || !isIndenting))
        for item in items {
            expect(item)
            writeHead()
            startLine()
            sign("-", isSeparate: true, isIndentation: true)
            write(item, in: .blockSequence, .comments)
        }
        expect(line: node.line, foot: node.foot)
        indent = outer
    }

    private mutating func block(_ node: CommentedNode, _ entries: [(key: CommentedNode, value: CommentedNode)], in parent: Parent) {
        let outer = indent
        deepen(in: parent, isFlow: false)
        var below: [UInt8] = []
        for (key, value) in entries {
            // What is below an entry comes when all of its value is written.
            expect(key: key, tail: below)
            below = key.foot
            writeHead()
            startLine()
            if !line.isEmpty {
                keyLine = line
                line = []
            }
            blockKey(key)
            expect(value)
            placeKeyLine(before: value)
            write(value, in: .mapping, .comments)
        }
        expect(line: node.line, foot: node.foot, tail: below)
        writeHead()
        indent = outer
    }

    /// A key up to its colon.
    private mutating func blockKey(_ key: CommentedNode) {
        if isSimple(key) {
            write(key, in: .mapping, isKey: true, .nothing)
            sign(":")
        } else {
            sign("?", isSeparate: true, isIndentation: true)
            write(key, in: .mapping, .nothing)
            startLine()
            sign(":", isSeparate: true, isIndentation: true)
        }
    }

    private func isSimple(_ key: CommentedNode) -> Bool {
        let text: [UInt8]
        switch key.content {
        case .scalar(let scalar, _): text = Array(scalar.utf8)
        case .alias(let name): text = Array(name.utf8)
        case .sequence(let items):
            if !items.isEmpty { return false }
            text = []
        case .mapping(let entries):
            if !entries.isEmpty { return false }
            text = []
        }
        let hasBreaks = text.withUnsafeBufferPointer { text in text.indices.contains { text.isBreak(at: $0) } }
        return !hasBreaks && text.count + (key.anchor?.utf8.count ?? 0) + (key.tag?.utf8.count ?? 0) <= 128
    }

    /// A comment behind a colon stands there, or behind the value where that is in the same line.
    private mutating func placeKeyLine(before value: CommentedNode) {
        if keyLine.isEmpty { return }
        switch value.content {
        case .scalar:
            guard line.isEmpty else { return }
            swap(&line, &keyLine)
        case .alias: return
        case .sequence, .mapping:
            if value.isFlow { return }
            swap(&line, &keyLine)
            writeLine()
            swap(&line, &keyLine)
        }
    }

    // MARK: Brackets and braces

    private mutating func flow(_ node: CommentedNode, _ items: [CommentedNode], in parent: Parent, _ ending: Ending) {
        end(ending)
        let outer = indent
        sign("[", isSeparate: true, endsInBlank: true)
        deepen(in: parent, isFlow: true)
        flowDepth += 1
        var needsComma = false
        for item in items {
            expect(item)
            if needsComma { sign(",") }
            writeHead()
            if column == 0 { startLine() }
            needsComma = !hasComments
            write(item, in: .flowSequence, .commaAndComments)
        }
        expect(line: node.line, foot: node.foot)
        flowDepth -= 1
        indent = outer
        if column == 0 { startLine() }
        sign("]")
        writeLine()
        writeFoot()
    }

    private mutating func flow(
        _ node: CommentedNode, _ entries: [(key: CommentedNode, value: CommentedNode)], in parent: Parent, _ ending: Ending
    ) {
        end(ending)
        let outer = indent
        sign("{", isSeparate: true, endsInBlank: true)
        deepen(in: parent, isFlow: true)
        flowDepth += 1
        var needsComma = false
        var below: [UInt8] = []
        for (key, value) in entries {
            expect(key: key, tail: below)
            below = key.foot
            if needsComma { sign(",") }
            writeHead()
            if column == 0 { startLine() }
            if isSimple(key) {
                write(key, in: .mapping, isKey: true, .nothing)
                expect(value)
                sign(":")
            } else {
                sign("?", isSeparate: true)
                write(key, in: .mapping, .nothing)
                expect(value)
                sign(":", isSeparate: true)
            }
            needsComma = !hasComments
            write(value, in: .mapping, .commaAndComments)
        }
        expect(line: node.line, foot: node.foot, tail: below)
        if needsComma, !head.isEmpty || !foot.isEmpty || !tail.isEmpty { sign(",") }
        writeHead()
        flowDepth -= 1
        indent = outer
        sign("}")
        writeLine()
        writeFoot()
    }

    // MARK: Comments

    private mutating func writeHead() {
        if !tail.isEmpty {
            startLine()
            comment(tail)
            tail = []
            footIndent = max(indent, 0)
        }
        if head.isEmpty { return }
        startLine()
        comment(head)
        head = []
    }

    private mutating func writeLine() {
        if line.isEmpty { return }
        if !isAfterBlank { put(UInt8(ascii: " ")) }
        comment(line)
        line = []
    }

    private mutating func writeFoot() {
        if foot.isEmpty { return }
        startLine()
        comment(foot)
        foot = []
        footIndent = max(indent, 0)
    }

    private mutating func comment(_ text: [UInt8]) {
        var isAfterBreak = false
        for byte in text {
            if byte == UInt8(ascii: "\n") {
                putBreak()
                isAfterBreak = true
                continue
            }
            if isAfterBreak { startLine() }
            put(byte)
            isIndenting = false
            isAfterBreak = false
        }
        if !isAfterBreak { putBreak() }
        isAfterBlank = true
    }

    // MARK: Lines

    private mutating func put(_ byte: UInt8) {
        output.append(byte)
        if byte & 0xC0 != 0x80 { column += 1 }
    }

    private mutating func putBreak() {
        output.append(UInt8(ascii: "\n"))
        column = 0
        isIndenting = true
    }

    /// Goes to the indentation, on a new line unless this one holds nothing yet.
    private mutating func startLine() {
        let target = max(indent, 0)
        if !isIndenting || column > target || column == target && !isAfterBlank { putBreak() }
        if footIndent == target { putBreak() }
        while column < target { put(UInt8(ascii: " ")) }
        isAfterBlank = true
        footIndent = -1
    }

    private mutating func sign(_ text: String, isSeparate: Bool = false, endsInBlank: Bool = false, isIndentation: Bool = false) {
        if isSeparate, !isAfterBlank { put(UInt8(ascii: " ")) }
        for byte in text.utf8 { put(byte) }
        isAfterBlank = endsInBlank
        isIndenting = isIndenting && isIndentation
    }
}

// MARK: - Scalars

extension CommentedWriter {
    private mutating func scalar(_ node: CommentedNode, isKey: Bool) {
        guard case .scalar(let string, var style) = node.content else { return }
        let text = Array(string.utf8)
        let form = text.withUnsafeBufferPointer { CommentedScalarForm($0) }
        if style == .plain {
            if string.contains("\n") { style = .literal } else if node.isForcedText { style = .doubleQuoted }
        }
        if isKey, form.hasBreaks { style = .doubleQuoted }
        if style == .plain, !(flowDepth > 0 ? form.isFlowPlainAllowed : form.isBlockPlainAllowed) || text.isEmpty && isKey {
            style = .singleQuoted
        }
        if style == .singleQuoted, !form.isSingleQuotedAllowed { style = .doubleQuoted }
        if style == .literal || style == .folded, !form.isBlockAllowed || flowDepth > 0 || isKey { style = .doubleQuoted }
        text.withUnsafeBufferPointer { text in
            switch style {
            case .plain: plain(text)
            case .singleQuoted: singleQuoted(text)
            case .doubleQuoted: doubleQuoted(text)
            case .literal, .folded: block(text, isFolded: style == .folded)
            }
        }
    }

    private mutating func put(_ text: UnsafeBufferPointer<UInt8>, at index: inout Int) {
        for _ in 0..<text.width(at: index) {
            put(text[index])
            index += 1
        }
    }

    /// A line's end within a scalar, whichever it is.
    private mutating func putBreak(_ text: UnsafeBufferPointer<UInt8>, at index: inout Int) {
        if text[index] == UInt8(ascii: "\n") {
            putBreak()
            index += 1
        } else {
            put(text, at: &index)
            column = 0
            isIndenting = true
        }
    }

    private mutating func plain(_ text: UnsafeBufferPointer<UInt8>) {
        if !text.isEmpty {
            if !isAfterBlank { put(UInt8(ascii: " ")) }
            for byte in text { put(byte) }
            isAfterBlank = false
        }
        isIndenting = false
    }

    private mutating func singleQuoted(_ text: UnsafeBufferPointer<UInt8>) {
        sign("'", isSeparate: true)
        var isAfterBreak = false
        var at = 0
        while at < text.count {
            if text.isBreak(at: at) {
                if !isAfterBreak, text[at] == UInt8(ascii: "\n") { putBreak() }
                putBreak(text, at: &at)
                isAfterBreak = true
                continue
            }
            if isAfterBreak, text[at] != UInt8(ascii: " ") {
                startLine()
                isAfterBreak = false
            }
            if text[at] == UInt8(ascii: "'") { put(UInt8(ascii: "'")) }
            put(text, at: &at)
            isIndenting = false
        }
        sign("'")
        isIndenting = false
    }

    private mutating func doubleQuoted(_ text: UnsafeBufferPointer<UInt8>) {
        sign("\"", isSeparate: true)
        // Go's writer takes every character of a text that starts with a byte order mark for one.
        let escapesAll = text.isByteOrderMark(at: 0)
        var at = 0
        while at < text.count {
            let isSign = escapesAll || text[at] == UInt8(ascii: "\"") || text[at] == UInt8(ascii: "\\")
            if isSign || !text.isPrintable(at: at) || text.isBreak(at: at) {
                for byte in BlockEmitter.escape(text, at: &at) { put(byte) }
            } else {
                put(text, at: &at)
            }
        }
        sign("\"")
        isIndenting = false
    }

    private mutating func block(_ text: UnsafeBufferPointer<UInt8>, isFolded: Bool) {
        sign(isFolded ? ">" : "|", isSeparate: true)
        blockHints(text)
        if line.isEmpty { putBreak() } else { writeLine() }
        isAfterBlank = true
        var isAfterBreak = true
        var startsWithBlank = true
        var at = 0
        while at < text.count {
            if text.isBreak(at: at) {
                if isFolded, !isAfterBreak, !startsWithBlank, text[at] == UInt8(ascii: "\n"), !Self.isOnlyBreaks(text) { putBreak() }
                putBreak(text, at: &at)
                isAfterBreak = true
                continue
            }
            if isAfterBreak {
                startLine()
                startsWithBlank = text[at] == UInt8(ascii: " ") || text[at] == UInt8(ascii: "\t")
            }
            put(text, at: &at)
            isIndenting = false
            isAfterBreak = false
        }
    }

    /// Whether nothing but a blank follows the line breaks at the start of a text, where go-yaml looks whether a folded line ends.
    private static func isOnlyBreaks(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var at = 0
        while at < text.count, text.isBreak(at: at) { at += text.width(at: at) }
        return text.isBlankOrEnd(at: at)
    }

    /// The indentation where it could not be seen, and what becomes of the last line's end.
    private mutating func blockHints(_ text: UnsafeBufferPointer<UInt8>) {
        guard !text.isEmpty else { return sign("-") }
        if text[0] == UInt8(ascii: " ") || text.isBreak(at: 0) { sign("2") }
        func last(before end: Int) -> Int {
            var index = end - 1
            while index > 0, text[index] & 0xC0 == 0x80 { index -= 1 }
            return index
        }
        let end = last(before: text.count)
        if !text.isBreak(at: end) {
            sign("-")
        } else if end == 0 || text.isBreak(at: last(before: end)) {
            sign("+")
        }
    }
}
