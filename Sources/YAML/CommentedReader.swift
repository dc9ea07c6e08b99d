/// Reads the first document of a text into nodes with their comments, as go-yaml does.
struct CommentedReader {
    typealias Failure = ContentTokens.Failure

    private var scanner: CommentScanner
    private var depth = 0
    private var anchors: Set<String> = []
    /// The comment above a list item that is itself a list or mapping.
    private var stem: [UInt8] = []

    init(_ text: String) { scanner = CommentScanner(text) }

    /// The document, and what stands behind it from its end on.
    mutating func document() throws(Failure) -> (document: CommentedDocument, rest: String) {
        _ = try scanner.peek()
        scanner.skip()
        var head: [UInt8] = []
        let root: CommentedNode
        let hasDirectives = try scanner.peek().kind == .directive
        while try scanner.peek().kind == .directive { scanner.skip() }
        if try scanner.peek().kind == .documentStart {
            scanner.skip()
            switch try scanner.peek().kind {
            case .documentStart, .documentEnd, .streamEnd: root = CommentedNode(.scalar("", .plain))
            default: root = try node(isBlock: true)
            }
        } else {
            if hasDirectives { throw Failure() }
            head = documentHead()
            root = try node(isBlock: true)
        }
        let end = try scanner.peek()
        guard [.documentStart, .documentEnd, .streamEnd].contains(end.kind) else { throw Failure() }
        let foot = scanner.foot.isEmpty ? scanner.head : scanner.foot
        var rest = String.UnicodeScalarView()
        rest.append(contentsOf: scanner.characters[min(end.start.index, scanner.characters.count)...])
        return (CommentedDocument(root: root, head: head, foot: foot), String(rest))
    }

    /// The comments at the start of a text down to the last empty line among them are the document's.
    private mutating func documentHead() -> [UInt8] {
        let newline = UInt8(ascii: "\n")
        let lines = scanner.head
        for index in lines.indices.dropFirst().reversed() where lines[index] == newline {
            let isLast = index == lines.count - 1
            guard isLast || lines[index - 1] == newline else { continue }
            scanner.head = Array(lines[(index + 1)...])
            return Array(lines[..<(isLast ? index : index - 1)])
        }
        return []
    }

    private mutating func takeComments(_ node: CommentedNode) {
        node.head = scanner.head
        node.line = scanner.line
        node.foot = scanner.foot
        scanner.head = []
        scanner.line = []
        scanner.foot = []
        stem = []
    }

    // MARK: Nodes

    private mutating func node(isBlock: Bool, allowsIndentless: Bool = false) throws(Failure) -> CommentedNode {
        depth += 1
        defer { depth -= 1 }
        guard depth < 100 else { throw Failure() }
        var anchor: String?
        var tag: String?
        var token = try scanner.peek()
        if token.kind == .alias {
            guard anchors.contains(token.text) else { throw Failure() }
            return content(.alias(token.text))
        }
        while token.kind == .anchor && anchor == nil || token.kind == .tag && tag == nil {
            if token.kind == .anchor { anchor = token.text } else { tag = token.text }
            scanner.skip()
            token = try scanner.peek()
        }
        if let anchor { anchors.insert(anchor) }
        let node: CommentedNode
        switch token.kind {
        case .blockEntry where allowsIndentless: node = try blockSequence(isIndentless: true)
        case .scalar(let style):
            // Whoever writes a merge key says so.
            if style == .plain, token.text == "<<", tag == nil { tag = "!!merge" }
            node = content(.scalar(token.text, style))
        case .flowSequenceStart: node = try flowSequence()
        case .flowMappingStart: node = try flowMapping()
        case .blockSequenceStart where isBlock: node = try blockSequence(isIndentless: false)
        case .blockMappingStart where isBlock: node = try blockMapping()
        default:
            guard anchor != nil || tag != nil else { throw Failure() }
            node = CommentedNode(.scalar("", .plain))
        }
        node.anchor = anchor
        node.tag = tag == "!" ? nil : tag
        return node
    }

    private mutating func content(_ content: CommentedNode.Content) -> CommentedNode {
        let node = CommentedNode(content)
        takeComments(node)
        scanner.skip()
        return node
    }

    // MARK: Blocks

    private mutating func blockSequence(isIndentless: Bool) throws(Failure) -> CommentedNode {
        let sequence = CommentedNode(.sequence([]))
        if !isIndentless {
            sequence.head = stem
            stem = []
            scanner.skip()
        }
        var items: [CommentedNode] = []
        while try scanner.peek().kind == .blockEntry {
            let above = scanner.head
            scanner.skip()
            var next = try scanner.peek().kind
            if !above.isEmpty, next == .blockSequenceStart || next == .blockMappingStart {
                stem = above
                scanner.head = Array(scanner.head.dropFirst(above.count + 1))
            }
            next = try scanner.peek().kind
            let isEmpty = next == .blockEntry || next == .blockEnd || isIndentless && (next == .key || next == .value)
            items.append(isEmpty ? CommentedNode(.scalar("", .plain)) : try node(isBlock: true))
        }
        if !isIndentless {
            guard try scanner.peek().kind == .blockEnd else { throw Failure() }
            scanner.skip()
        }
        sequence.content = .sequence(items)
        return sequence
    }

    private mutating func blockMapping() throws(Failure) -> CommentedNode {
        let mapping = CommentedNode(.mapping([]))
        mapping.head = stem
        stem = []
        scanner.skip()
        var entries: [(key: CommentedNode, value: CommentedNode)] = []
        while try scanner.peek().kind == .key {
            scanner.skip()
            let key = try blockPart()
            if !key.foot.isEmpty, let earlier = entries.last {
                earlier.key.foot = key.foot
                key.foot = []
            }
            let value: CommentedNode
            if try scanner.peek().kind == .value {
                scanner.skip()
                value = try blockPart()
            } else {
                value = CommentedNode(.scalar("", .plain))
            }
            if key.foot.isEmpty { swap(&key.foot, &value.foot) }
            entries.append((key, value))
        }
        guard try scanner.peek().kind == .blockEnd else { throw Failure() }
        endCollection(mapping)
        if !mapping.foot.isEmpty, let last = entries.last {
            last.key.foot = mapping.foot
            mapping.foot = []
        }
        mapping.content = .mapping(entries)
        return mapping
    }

    /// A key, or the value behind a colon, which may be missing.
    private mutating func blockPart() throws(Failure) -> CommentedNode {
        switch try scanner.peek().kind {
        case .key, .value, .blockEnd: CommentedNode(.scalar("", .plain))
        default: try node(isBlock: true, allowsIndentless: true)
        }
    }

    /// A list's or mapping's own comments are those at its end, but for what is above it.
    private mutating func endCollection(_ node: CommentedNode) {
        let head = node.head
        takeComments(node)
        node.head = head
        scanner.skip()
    }

    // MARK: Brackets and braces

    private mutating func flowSequence() throws(Failure) -> CommentedNode {
        let sequence = try flowStart(.sequence([]))
        var items: [CommentedNode] = []
        while try scanner.peek().kind != .flowSequenceEnd {
            if !items.isEmpty, try !flowEntry(.flowSequenceEnd) { break }
            items.append(try scanner.peek().kind == .key ? flowPair() : node(isBlock: false))
        }
        endCollection(sequence)
        sequence.content = .sequence(items)
        return sequence
    }

    /// A mapping of one entry that has no braces: `[a: b]`.
    private mutating func flowPair() throws(Failure) -> CommentedNode {
        scanner.skip()
        let key = try node(isBlock: false)
        var value = CommentedNode(.scalar("", .plain))
        if try scanner.peek().kind == .value {
            scanner.skip()
            let next = try scanner.peek().kind
            if next != .flowEntry, next != .flowSequenceEnd { value = try node(isBlock: false) }
        }
        if key.foot.isEmpty { swap(&key.foot, &value.foot) }
        let pair = CommentedNode(.mapping([(key, value)]))
        pair.isFlow = true
        return pair
    }

    private mutating func flowMapping() throws(Failure) -> CommentedNode {
        let mapping = try flowStart(.mapping([]))
        var entries: [(key: CommentedNode, value: CommentedNode)] = []
        while try scanner.peek().kind != .flowMappingEnd {
            if !entries.isEmpty, try !flowEntry(.flowMappingEnd) { break }
            let hasSign = try scanner.peek().kind == .key
            if hasSign { scanner.skip() }
            let key = try node(isBlock: false)
            var value = CommentedNode(.scalar("", .plain))
            if hasSign, try scanner.peek().kind == .value {
                scanner.skip()
                let next = try scanner.peek().kind
                if next != .flowEntry, next != .flowMappingEnd { value = try node(isBlock: false) }
            }
            if key.foot.isEmpty { swap(&key.foot, &value.foot) }
            entries.append((key, value))
        }
        endCollection(mapping)
        mapping.content = .mapping(entries)
        return mapping
    }

    private mutating func flowStart(_ content: CommentedNode.Content) throws(Failure) -> CommentedNode {
        let node = self.content(content)
        node.isFlow = true
        return node
    }

    /// Goes over the comma between two entries; false where it was the last sign before the end.
    private mutating func flowEntry(_ end: CommentScanner.Token.Kind) throws(Failure) -> Bool {
        guard try scanner.peek().kind == .flowEntry else { throw Failure() }
        scanner.skip()
        return try scanner.peek().kind != end
    }
}

/// The first document of a text with its comments, to be written anew as kustomize writes it.
package struct CommentedDocument {
    package let root: CommentedNode
    /// Comments above and below all, apart from it.
    let head: [UInt8]
    let foot: [UInt8]

    /// nil for what is no YAML.
    package static func first(of text: String) -> (document: CommentedDocument, rest: String)? {
        var reader = CommentedReader(text)
        do throws(CommentedReader.Failure) { return try reader.document() } catch {
            guard error.isFlowColon, let quoted = FlowColons.quoted(text) else { return nil }
            reader = CommentedReader(quoted)
            return try? reader.document()
        }
    }

    package var text: String {
        var writer = CommentedWriter()
        return writer.text(of: self)
    }
}
