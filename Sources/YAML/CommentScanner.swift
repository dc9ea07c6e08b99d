/// Parts a text into tokens and comments as go-yaml's scanner does, which decides while it scans what a comment belongs to: hence
/// tokens are made no earlier than it makes them, and every oddity of where it looks for comments is kept. One file, since all of
/// it turns on the place in the text that no one else may move.
struct CommentScanner {
    typealias Failure = ContentTokens.Failure

    struct Place {
        var index = 0
        var line = 0
        var column = 0
    }

    struct Token {
        enum Kind: Equatable {
            case streamStart, streamEnd, directive, documentStart, documentEnd
            case blockSequenceStart, blockMappingStart, blockEnd, blockEntry
            case flowSequenceStart, flowSequenceEnd, flowMappingStart, flowMappingEnd, flowEntry
            case key, value, scalar(Node.Scalar.Style), alias, anchor, tag
        }

        var kind: Kind
        var start: Place
        var text = ""
    }

    struct Comment {
        /// Where the scan began that found it.
        var scan = Place()
        /// The comment goes to the first token that starts there or later.
        var token = Place()
        /// Columns of comments count from 1.
        var start = Place()
        var end = Place()
        var head: [UInt8] = []
        var line: [UInt8] = []
        var foot: [UInt8] = []
    }

    private struct SimpleKey {
        var isPossible = false
        var number = 0
        var place = Place()
    }

    let characters: [Unicode.Scalar]
    private let content: ContentTokens
    private(set) var tokens: [Token] = []
    /// The token that the reader is at.
    private(set) var position = 0
    private var isFetched = false
    private var comments: [Comment] = []
    private var firstComment = 0
    private var place = Place()
    private var indent = -1
    private var indents: [Int] = []
    private var simpleKeys = [SimpleKey()]
    private var allowsSimpleKey = true
    private var flowLevel: Int { simpleKeys.count - 1 }

    /// Comments met so far that no value has taken yet.
    var head: [UInt8] = []
    var line: [UInt8] = []
    var foot: [UInt8] = []

    init(_ text: String) {
        characters = Array(text.unicodeScalars)
        content = ContentTokens(text)
        tokens.append(Token(kind: .streamStart, start: place))
    }

    // MARK: For the reader

    /// The token that the reader is at; the comments that belong to it are added to the pending ones.
    mutating func peek() throws(Failure) -> Token {
        if !isFetched {
            while try needsMore { try fetch() }
            isFetched = true
        }
        takeComments(for: tokens[position])
        return tokens[position]
    }

    mutating func skip() {
        isFetched = false
        position += 1
    }

    /// Two tokens ahead are known, and whether the present one is a key.
    private var needsMore: Bool {
        get throws(Failure) {
            if position >= tokens.count - 2 { return true }
            return simpleKeys.contains { isValid($0) && $0.number == position }
        }
    }

    private mutating func takeComments(for token: Token) {
        while firstComment < comments.count, token.start.index >= comments[firstComment].token.index {
            let comment = comments[firstComment]
            // The end of a block has no comment above it.
            if !comment.head.isEmpty, token.kind == .blockEnd { return }
            Self.join(&head, comment.head)
            Self.join(&foot, comment.foot)
            Self.join(&line, comment.line)
            comments[firstComment] = Comment()
            firstComment += 1
        }
    }

    private static func join(_ lines: inout [UInt8], _ more: [UInt8]) {
        if !lines.isEmpty, !more.isEmpty { lines.append(UInt8(ascii: "\n")) }
        lines += more
    }

    // MARK: Characters

    private func at(_ offset: Int = 0) -> Unicode.Scalar {
        let index = place.index + offset
        return index < characters.count ? characters[index] : "\0"
    }

    private static func isBlank(_ character: Unicode.Scalar) -> Bool { character == " " || character == "\t" }

    private static func isBreak(_ character: Unicode.Scalar) -> Bool {
        switch character {
        case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": true
        default: false
        }
    }

    private static func isBreakOrEnd(_ character: Unicode.Scalar) -> Bool { character == "\0" || isBreak(character) }

    private static func endsWord(_ character: Unicode.Scalar) -> Bool { isBlank(character) || isBreakOrEnd(character) }

    private mutating func advance() {
        if at() == "\r", at(1) == "\n" { place.index += 1 }
        if Self.isBreak(at()) {
            place.line += 1
            place.column = 0
        } else {
            place.column += 1
        }
        place.index += 1
    }

    private mutating func advance(to index: Int) { while place.index < index { advance() } }

    /// Line breaks since the last character that is no blank.
    private var newlines: Int {
        var count = 0
        var index = place.index - 1
        while index >= 0, Self.isBlank(characters[index]) || Self.isBreak(characters[index]) {
            if Self.isBreak(characters[index]) {
                count += 1
                if characters[index] == "\n", index > 0, characters[index - 1] == "\r" { index -= 1 }
            }
            index -= 1
        }
        return count
    }

    private mutating func restOfLine() -> [UInt8] {
        var text = String.UnicodeScalarView()
        while !Self.isBreakOrEnd(at()) {
            text.append(at())
            advance()
        }
        return Array(String(text).utf8)
    }

    // MARK: Tokens

    private mutating func fetch() throws(Failure) {
        let scan = place
        skipToToken()
        unrollIndents(to: place.column, scan: scan)
        let character = at()
        if character == "\0" { return try endStream() }
        if place.column == 0, character == "%" { return fetchDirective() }
        if place.column == 0, character == "-" || character == ".", at(1) == character, at(2) == character, Self.endsWord(at(3)) {
            unrollIndents(to: -1, scan: place)
            simpleKeys[flowLevel].isPossible = false
            allowsSimpleKey = false
            return mark(character == "-" ? .documentStart : .documentEnd, length: 3)
        }
        // A comment behind the sign belongs to what is before it.
        let isSign = character == (flowLevel == 0 ? ":" : ",")
        let owner = isSign ? tokens[tokens.count - 1].start : place
        try fetch(character)
        // Behind the sign of a list item stands a comment on the item.
        if tokens.last?.kind != .blockEntry { scanLineComment(owner: owner) }
    }

    /// A line of its own, whose words are left to libyaml.
    private mutating func fetchDirective() {
        unrollIndents(to: -1, scan: place)
        simpleKeys[flowLevel].isPossible = false
        allowsSimpleKey = false
        tokens.append(Token(kind: .directive, start: place))
        while !Self.isBreakOrEnd(at()) { advance() }
        if Self.isBreak(at()) { advance() }
    }

    private mutating func fetch(_ character: Unicode.Scalar) throws(Failure) {
        let isAlone = Self.endsWord(at(1))
        switch character {
        case "[", "{":
            saveSimpleKey()
            simpleKeys.append(SimpleKey())
            allowsSimpleKey = true
            mark(character == "[" ? .flowSequenceStart : .flowMappingStart)
        case "]", "}":
            guard flowLevel > 0 else { throw Failure() }
            simpleKeys.removeLast()
            allowsSimpleKey = false
            mark(character == "]" ? .flowSequenceEnd : .flowMappingEnd)
        case ",":
            simpleKeys[flowLevel].isPossible = false
            allowsSimpleKey = true
            mark(.flowEntry)
        case "-" where isAlone:
            rollIndent(.blockSequenceStart, at: place, number: nil)
            simpleKeys[flowLevel].isPossible = false
            allowsSimpleKey = true
            mark(.blockEntry)
        case "?" where isAlone || flowLevel > 0:
            rollIndent(.blockMappingStart, at: place, number: nil)
            simpleKeys[flowLevel].isPossible = false
            allowsSimpleKey = flowLevel == 0
            mark(.key)
        case ":" where isAlone || flowLevel > 0: fetchValue()
        default: try fetchContent()
        }
    }

    private mutating func mark(_ kind: Token.Kind, length: Int = 1) {
        tokens.append(Token(kind: kind, start: place))
        for _ in 0..<length { advance() }
    }

    private mutating func fetchValue() {
        let key = simpleKeys[flowLevel]
        if isValid(key) {
            tokens.insert(Token(kind: .key, start: key.place), at: key.number)
            rollIndent(.blockMappingStart, at: key.place, number: key.number)
            simpleKeys[flowLevel].isPossible = false
            allowsSimpleKey = false
        } else {
            rollIndent(.blockMappingStart, at: place, number: nil)
            allowsSimpleKey = flowLevel == 0
        }
        mark(.value)
    }

    private mutating func fetchContent() throws(Failure) {
        guard let token = try content.next(), token.start == place.index else { throw Failure() }
        let kind: Token.Kind
        switch token.kind {
        case .alias: kind = .alias
        case .anchor: kind = .anchor
        case .tag: kind = .tag
        case .scalar(let style): kind = .scalar(style)
        }
        let isBlock = kind == .scalar(.literal) || kind == .scalar(.folded)
        if isBlock { simpleKeys[flowLevel].isPossible = false } else { saveSimpleKey() }
        tokens.append(Token(kind: kind, start: place, text: token.text))
        if isBlock { scanBlockComment() }
        advance(to: token.end)
        let line = place.line
        switch kind {
        // The scanner stops where the next word starts, and behind a block where its line's indentation ends.
        case .scalar(.plain): while Self.isBlank(at()) || Self.isBreak(at()) { advance() }
        case .scalar(.literal), .scalar(.folded): while at() == " " { advance() }
        default: break
        }
        allowsSimpleKey = isBlock || place.line > line && kind == .scalar(.plain)
    }

    /// The comment behind the sign of a block of text.
    private mutating func scanBlockComment() {
        let start = place
        while !Self.endsWord(at()) { advance() }
        while Self.isBlank(at()) { advance() }
        if at() == "#" { scanLineComment(owner: start) }
    }

    private mutating func endStream() throws(Failure) {
        guard try content.next() == nil else { throw Failure() }
        if place.column != 0 {
            place.column = 0
            place.line += 1
        }
        unrollIndents(to: -1, scan: place)
        simpleKeys[flowLevel].isPossible = false
        allowsSimpleKey = false
        tokens.append(Token(kind: .streamEnd, start: place))
    }

    // MARK: Keys and indentation

    private mutating func saveSimpleKey() {
        guard allowsSimpleKey else { return }
        simpleKeys[flowLevel] = SimpleKey(isPossible: true, number: tokens.count, place: place)
    }

    private func isValid(_ key: SimpleKey) -> Bool {
        key.isPossible && key.place.line == place.line && key.place.index + 1024 >= place.index
    }

    private mutating func rollIndent(_ kind: Token.Kind, at start: Place, number: Int?) {
        guard flowLevel == 0, indent < start.column else { return }
        indents.append(indent)
        indent = start.column
        tokens.insert(Token(kind: kind, start: start), at: number ?? tokens.count)
    }

    private mutating func unrollIndents(to column: Int, scan: Place) {
        guard flowLevel == 0 else { return }
        var end = scan
        end.index -= 1
        while indent > column {
            // The block ends before the comments that are indented as it is.
            var stop = end.index
            for comment in comments.reversed() {
                if comment.end.index < stop { break }
                if comment.start.column == indent + 1 { end = comment.start }
                stop = comment.scan.index
            }
            tokens.append(Token(kind: .blockEnd, start: end))
            indent = indents.removeLast()
        }
    }

    // MARK: Comments

    private mutating func skipToToken() {
        let scan = place
        while true {
            if place.column == 0, at() == "\u{FEFF}" { advance() }
            while at() == " " || at() == "\t" && (flowLevel > 0 || !allowsSimpleKey) { advance() }
            turnLineIntoHead()
            if at() == "#" { scanComments(scan: scan) }
            guard Self.isBreak(at()) else { return }
            advance()
            if flowLevel == 0 { allowsSimpleKey = true }
        }
    }

    /// What stands behind the first sign of a list is a comment on the first item.
    private mutating func turnLineIntoHead() {
        guard let last = comments.last, !last.line.isEmpty, tokens.count > 1, tokens[tokens.count - 1].kind == .blockEntry,
            tokens[tokens.count - 2].kind == .blockSequenceStart, !Self.isBreak(at())
        else { return }
        let index = comments.count - 1
        comments[index].head = last.line
        comments[index].line = []
        if last.start.line == place.line - 1 { comments[index].token = place }
    }

    private mutating func scanLineComment(owner: Place) {
        if newlines > 0 { return }
        var blanks = 0
        while blanks < 512, Self.isBlank(at(blanks)) { blanks += 1 }
        guard blanks < 512, at(blanks) == "#" else { return }
        advance(to: place.index + blanks)
        let start = place
        comments.append(Comment(token: owner, start: start, line: restOfLine()))
    }

    /// What is known of a run of comment lines while it is scanned.
    private struct Run {
        var scan: Place
        var token: Place
        var start = Place()
        var text: [UInt8] = []
    }

    /// Comments on lines of their own, from the first `#` on to the next token.
    private mutating func scanComments(scan: Place) {
        var owner = tokens[tokens.count - 1]
        if owner.kind == .flowEntry, tokens.count > 1 { owner = tokens[tokens.count - 2] }
        var run = Run(scan: scan, token: owner.start)
        let newlines = newlines
        var isFirstGap = newlines <= 1
        var isAfterGap = false
        // Where a comment has to start to stand directly below what is before it.
        let footLine = scan.line > 0 ? place.line - newlines + 1 + (newlines == 0 && place.column > 1 ? 1 : 0) : -1
        var (line, column) = (place.line, place.column)
        var offset = 0
        let indent = max(indent, 0)
        while offset < 512 {
            column += 1
            let character = at(offset)
            if Self.isBlank(character) {
                offset += 1
                continue
            }
            let here = Place(index: place.index + offset, line: line, column: column)
            let closesFlow = flowLevel > 0 && (character == "]" || character == "}")
            if closesFlow || Self.isBreakOrEnd(character) {
                if closesFlow || !isAfterGap {
                    let isDedented = run.start.column - 1 < indent
                    let isBelow = run.start.line == footLine && owner.kind != .value
                    if closesFlow || isFirstGap && (isBelow || isDedented) {
                        if isDedented, !run.text.isEmpty { run.token = run.start }
                        endRun(&run, at: here)
                    } else if !run.text.isEmpty, character != "\0" {
                        run.text.append(UInt8(ascii: "\n"))
                    }
                }
                if !Self.isBreak(character) { break }
                isFirstGap = false
                isAfterGap = true
                column = 0
                line += 1
                offset += 1
                continue
            }
            if column - 1 < indent, column != run.start.column { endRun(&run, at: here) }
            if character != "#" { break }
            if run.text.isEmpty { run.start = here } else { run.text.append(UInt8(ascii: "\n")) }
            isAfterGap = false
            advance(to: here.index)
            run.text += restOfLine()
            // It goes on behind the line's end, which is not looked at.
            offset = 1
            column = 0
            line = place.line
        }
        guard !run.text.isEmpty else { return }
        let end = Place(index: place.index + offset - 1, line: line, column: column)
        comments.append(Comment(scan: run.scan, token: run.start, start: run.start, end: end, head: run.text))
    }

    /// What was scanned so far belongs to what is before it.
    private mutating func endRun(_ run: inout Run, at end: Place) {
        if run.text.isEmpty { return }
        comments.append(Comment(scan: run.scan, token: run.token, start: run.start, end: end, foot: run.text))
        run = Run(scan: end, token: end, start: run.start)
    }
}
