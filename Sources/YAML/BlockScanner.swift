/// Reads the plainest of YAML at a fraction of libyaml's cost: block mappings and lists of one-line scalars, literal blocks and
/// short flow lists, in ASCII. Whatever else a text holds makes it give up, and libyaml reads the text from its start; so what is an
/// error, and how it is told, stays with libyaml. `BlockScannerTests` compares the two.
struct BlockScanner {
    struct Event {
        var kind: EventStream.Kind
        var style = Node.Scalar.Style.plain
        /// Of scalars.
        var text = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        var line: Int
        var column: Int
    }

    private struct Unreadable: Error {}

    /// A line that holds something; its end is that of the text behind which only blanks follow.
    private struct Line {
        var number: Int
        var start: Int
        var content: Int
        var end: Int
        var indent: Int { content - start }
    }

    private static let deepest = 64

    private let text: UnsafeBufferPointer<UInt8>
    private var events: [Event] = []
    /// Where the texts of literal blocks are put together.
    private var blocks: UnsafeMutableBufferPointer<UInt8>?
    private var blocksCount = 0
    /// Where the next line starts, and its number.
    private var next = 0
    private var number = 0
    private var peeked: Line?

    private init(_ text: UnsafeBufferPointer<UInt8>) { self.text = text }

    /// The events of a text, nil when it is not plain enough, and the memory that some of them point to, for the caller to free.
    static func scan(
        _ text: UnsafeBufferPointer<UInt8>
    ) -> (events: [Event], blocks: UnsafeMutableBufferPointer<UInt8>?)? {
        guard text.last == newline, text.allSatisfy({ $0 &- 0x20 < 0x5F || $0 == newline }) else { return nil }
        var scanner = BlockScanner(text)
        do throws(Unreadable) {
            try scanner.documents()
            return (scanner.events, scanner.blocks)
        } catch {
            scanner.blocks?.deallocate()
            return nil
        }
    }

    // MARK: Lines

    private static let newline = UInt8(ascii: "\n")
    private static let space = UInt8(ascii: " ")

    /// The next line with more than a comment; nil at the end.
    private mutating func peek() -> Line? {
        if let peeked { return peeked }
        while next < text.count {
            let start = next
            var end = start
            while text[end] != Self.newline { end += 1 }
            next = end + 1
            number += 1
            var content = start
            while content < end, text[content] == Self.space { content += 1 }
            if content == end || text[content] == UInt8(ascii: "#") { continue }
            while text[end - 1] == Self.space { end -= 1 }
            peeked = Line(number: number - 1, start: start, content: content, end: end)
            return peeked
        }
        return nil
    }

    /// Whether a line starts a document: `---` and nothing behind it but a comment.
    private func isSeparator(_ line: Line) throws(Unreadable) -> Bool {
        guard line.indent == 0, line.end - line.start >= 3 else { return false }
        let first = text[line.start]
        guard first == UInt8(ascii: "-") || first == UInt8(ascii: "."), text[line.start + 1] == first, text[line.start + 2] == first else {
            return false
        }
        guard first == UInt8(ascii: "-"), isEnd(line.start + 3, line) else { throw Unreadable() }
        return true
    }

    /// Whether only blanks or a comment follow.
    private func isEnd(_ index: Int, _ line: Line) -> Bool {
        var at = index
        while at < line.end, text[at] == Self.space { at += 1 }
        return at >= line.end || at > index && text[at] == UInt8(ascii: "#")
    }

    private mutating func add(_ kind: EventStream.Kind, _ line: Line, _ index: Int) {
        events.append(Event(kind: kind, line: line.number, column: index - line.start))
    }

    // MARK: Structure

    private mutating func documents() throws(Unreadable) {
        events.reserveCapacity(text.count / 12)
        while let line = peek() {
            if try isSeparator(line) {
                peeked = nil
                continue
            }
            guard text[line.content] != UInt8(ascii: "%") else { throw Unreadable() }
            add(.documentStart, line, line.content)
            try block(line, depth: 0)
            add(.documentEnd, line, line.content)
            if let line = peek() {
                guard try isSeparator(line) else { throw Unreadable() }
            }
        }
    }

    /// A mapping or list that starts with the peeked line.
    private mutating func block(_ line: Line, depth: Int) throws(Unreadable) {
        guard depth < Self.deepest else { throw Unreadable() }
        if isItem(line.content, line) { return try list(indent: line.indent, depth: depth) }
        guard let key = key(at: line.content, line) else { throw Unreadable() }
        try mapping(line, key, depth: depth)
    }

    private func isItem(_ index: Int, _ line: Line) -> Bool {
        text[index] == UInt8(ascii: "-") && (index + 1 == line.end || text[index + 1] == Self.space)
    }

    /// The end of a plain key that starts here, where its colon is.
    private func key(at index: Int, _ line: Line) -> Int? {
        guard Self.isWord(text[index]) else { return nil }
        var at = index
        while at < line.end, Self.isWord(text[at]) || Self.isWordSign(text[at]) { at += 1 }
        guard at < line.end, text[at] == UInt8(ascii: ":"), at - index <= 128 else { return nil }
        return at + 1 == line.end || text[at + 1] == Self.space ? at : nil
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- UInt8(ascii: "a") < 26 || byte &- UInt8(ascii: "0") < 10 || byte == UInt8(ascii: "_")
    }

    private static func isWordSign(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "/")
    }

    /// - Parameters:
    ///   - first: the line with the first key, whose content starts there even where a list's sign stands before it.
    ///   - colon: of the first key.
    private mutating func mapping(_ first: Line, _ colon: Int, depth: Int) throws(Unreadable) {
        let indent = first.indent
        add(.mappingStart, first, first.content)
        var (line, colon) = (first, colon)
        while true {
            peeked = nil
            events.append(scalar(line.content..<colon, line))
            try value(after: colon + 1, line, parent: indent, mayBeItems: true, depth: depth)
            guard let following = peek(), following.indent >= indent else { break }
            if try isSeparator(following) { break }
            guard following.indent == indent else { throw Unreadable() }
            // A list as deep as the key that it stands behind was read with it.
            guard !isItem(following.content, following) else { throw Unreadable() }
            guard let end = key(at: following.content, following) else { throw Unreadable() }
            (line, colon) = (following, end)
        }
        add(.mappingEnd, line, colon)
    }

    private mutating func list(indent: Int, depth: Int) throws(Unreadable) {
        guard let first = peek(), depth < Self.deepest else { throw Unreadable() }
        add(.sequenceStart, first, first.content)
        while let line = peek(), line.indent == indent, isItem(line.content, line), try !isSeparator(line) {
            var at = line.content + 1
            while at < line.end, text[at] == Self.space { at += 1 }
            if at < line.end, let colon = key(at: at, line) {
                // The key stands where it would on a line of its own.
                try mapping(Line(number: line.number, start: line.start, content: at, end: line.end), colon, depth: depth + 1)
            } else {
                if at < line.end, isItem(at, line) { throw Unreadable() }
                peeked = nil
                try value(after: line.content + 1, line, parent: indent, mayBeItems: false, depth: depth)
            }
        }
        if let line = peek(), line.indent > indent { throw Unreadable() }
        add(.sequenceEnd, first, first.content)
    }

    /// What stands behind a key's colon or a list's sign.
    ///
    /// - Parameters:
    ///   - parent: the indentation of the mapping or list it is in.
    ///   - mayBeItems: a key's list may be no deeper than the key.
    private mutating func value(after index: Int, _ line: Line, parent: Int, mayBeItems: Bool, depth: Int) throws(Unreadable) {
        if isEnd(index, line) {
            if let following = peek(), try !isSeparator(following) {
                if following.indent > parent { return try block(following, depth: depth + 1) }
                if mayBeItems, following.indent == parent, isItem(following.content, following) {
                    return try list(indent: parent, depth: depth + 1)
                }
            }
            return events.append(scalar(index..<index, line))
        }
        var at = index
        while text[at] == Self.space { at += 1 }
        switch text[at] {
        case UInt8(ascii: "|"): return try literal(at, line, parent: parent)
        case UInt8(ascii: "["): at = try flowList(at, line)
        case UInt8(ascii: "{"): at = try flowMapping(at, line)
        case UInt8(ascii: "\""), UInt8(ascii: "'"): at = try quoted(at, line)
        default: at = try plain(at, line)
        }
        guard isEnd(at, line) else { throw Unreadable() }
        // A deeper line would go on with the value.
        if let following = peek(), following.indent > parent { throw Unreadable() }
    }

    // MARK: Scalars

    private func scalar(_ range: Range<Int>, _ line: Line, _ style: Node.Scalar.Style = .plain) -> Event {
        let bytes = UnsafeBufferPointer(rebasing: text[range])
        return Event(kind: .scalar, style: style, text: bytes, line: line.number, column: range.lowerBound - line.start)
    }

    /// A plain scalar to the end of the line or to a comment; one that may hold a key is not read here.
    private mutating func plain(_ index: Int, _ line: Line) throws(Unreadable) -> Int {
        switch text[index] {
        case UInt8(ascii: "-"): if index + 1 == line.end || text[index + 1] == Self.space { throw Unreadable() }
        case UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "$"), UInt8(ascii: "("), UInt8(ascii: "+"), UInt8(ascii: "~"),
            UInt8(ascii: "="), UInt8(ascii: "<"), UInt8(ascii: "^"), UInt8(ascii: ";"), UInt8(ascii: "\\"):
            break
        default: guard Self.isWord(text[index]) else { throw Unreadable() }
        }
        var at = index
        var end = index
        while at < line.end {
            let byte = text[at]
            if byte == UInt8(ascii: ":"), at + 1 == line.end || text[at + 1] == Self.space { throw Unreadable() }
            if byte == UInt8(ascii: "#"), text[at - 1] == Self.space { break }
            at += 1
            if byte != Self.space { end = at }
        }
        events.append(scalar(index..<end, line))
        return end
    }

    /// A quoted scalar without escapes.
    private mutating func quoted(_ index: Int, _ line: Line) throws(Unreadable) -> Int {
        let quote = text[index]
        let isDouble = quote == UInt8(ascii: "\"")
        var at = index + 1
        while at < line.end, text[at] != quote {
            if isDouble, text[at] == UInt8(ascii: "\\") { throw Unreadable() }
            at += 1
        }
        // Two single quotes are one within the text.
        guard at < line.end, isDouble || at + 1 == line.end || text[at + 1] != quote else { throw Unreadable() }
        var event = scalar((index + 1)..<at, line, isDouble ? .doubleQuoted : .singleQuoted)
        event.column = index - line.start
        events.append(event)
        return at + 1
    }

    private mutating func literal(_ index: Int, _ line: Line, parent: Int) throws(Unreadable) {
        let sign = index + 1 < line.end ? text[index + 1] : Self.space
        let strips = sign == UInt8(ascii: "-")
        let keeps = sign == UInt8(ascii: "+")
        guard isEnd(strips || keeps ? index + 2 : index + 1, line) else { throw Unreadable() }
        if blocks == nil { blocks = .allocate(capacity: text.count) }
        guard let blocks else { throw Unreadable() }
        let start = blocksCount
        var indent: Int?
        // The count without the line breaks at the end.
        var filled = start
        while next < text.count {
            var end = next
            while text[end] != Self.newline { end += 1 }
            var content = next
            while content < end, text[content] == Self.space { content += 1 }
            let width = content - next
            if content == end {
                // A blank line deeper than the first one with something on it would be an error.
                if indent == nil, width > parent + 1 { throw Unreadable() }
                if let indent, width > indent { content = next + indent }
            } else {
                if let indent, width < indent { break }
                if indent == nil {
                    if width <= parent { throw Unreadable() }
                    indent = width
                }
                content = next + (indent ?? 0)
            }
            for position in content..<end {
                blocks[blocksCount] = text[position]
                blocksCount += 1
            }
            if content < end { filled = blocksCount }
            blocks[blocksCount] = Self.newline
            blocksCount += 1
            next = end + 1
            number += 1
        }
        guard indent != nil else { throw Unreadable() }
        let end = keeps ? blocksCount : strips ? filled : filled + 1
        blocksCount = end
        var event = scalar(index..<index, line, .literal)
        event.text = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(blocks)[start..<end])
        events.append(event)
    }

    // MARK: Flow

    /// `[a, "b"]` on one line, of plain words and quoted texts.
    private mutating func flowList(_ index: Int, _ line: Line) throws(Unreadable) -> Int {
        add(.sequenceStart, line, index)
        var at = skipBlanks(index + 1, line)
        if at < line.end, text[at] != UInt8(ascii: "]") {
            while true {
                at = skipBlanks(try flowScalar(at, line), line)
                guard at < line.end, text[at] == UInt8(ascii: ",") else { break }
                at = skipBlanks(at + 1, line)
            }
        }
        guard at < line.end, text[at] == UInt8(ascii: "]") else { throw Unreadable() }
        add(.sequenceEnd, line, at)
        return at + 1
    }

    /// `{a: b}` on one line, of plain words and quoted texts.
    private mutating func flowMapping(_ index: Int, _ line: Line) throws(Unreadable) -> Int {
        add(.mappingStart, line, index)
        var at = skipBlanks(index + 1, line)
        if at < line.end, text[at] != UInt8(ascii: "}") {
            while true {
                guard at < line.end, let colon = key(at: at, line) else { throw Unreadable() }
                events.append(scalar(at..<colon, line))
                at = skipBlanks(try flowScalar(skipBlanks(colon + 1, line), line), line)
                guard at < line.end, text[at] == UInt8(ascii: ",") else { break }
                at = skipBlanks(at + 1, line)
            }
        }
        guard at < line.end, text[at] == UInt8(ascii: "}") else { throw Unreadable() }
        add(.mappingEnd, line, at)
        return at + 1
    }

    private func skipBlanks(_ index: Int, _ line: Line) -> Int {
        var at = index
        while at < line.end, text[at] == Self.space { at += 1 }
        return at
    }

    private mutating func flowScalar(_ index: Int, _ line: Line) throws(Unreadable) -> Int {
        guard index < line.end else { throw Unreadable() }
        if text[index] == UInt8(ascii: "\"") || text[index] == UInt8(ascii: "'") {
            let end = try quoted(index, line)
            guard end < line.end, text[end] != UInt8(ascii: ":") else { throw Unreadable() }
            return end
        }
        var at = index
        while at < line.end, Self.isWord(text[at]) || Self.isWordSign(text[at]) && at > index { at += 1 }
        let follows = at < line.end ? text[at] : 0
        let isWhole = follows == Self.space || follows == UInt8(ascii: ",") || follows == UInt8(ascii: "]") || follows == UInt8(ascii: "}")
        guard at > index, isWhole else { throw Unreadable() }
        events.append(scalar(index..<at, line))
        return at
    }
}
