/// What the composer builds: plain values, or nodes that keep their places.
protocol ComposedTree: Sendable {
    associatedtype Entry: Sendable

    /// Whether it keeps where its parts were written.
    static var keepsPlaces: Bool { get }

    static func scalar(_ value: Value, from stream: EventStream) -> Self
    static func sequence(_ items: [Self], mark: Mark) -> Self
    static func mapping(_ entries: [Entry], mark: Mark) -> Self
    static func entry(_ keyText: String, key: Self, value: Self) -> Entry
    static func keyText(of entry: Entry) -> String

    var scalarValue: Value? { get }
    var entries: [Entry]? { get }
    var items: [Self]? { get }
}

/// Builds trees from events: anchors, merge keys, duplicate keys, typed scalars and the limits, in one place for both kinds of tree.
struct Composer<Tree: ComposedTree> {
    private var stream: EventStream
    private let limits: YAMLLimits
    private let schema: YAMLSchema
    private let duplicates: DuplicateKeys
    private var anchors: [String: Anchor] = [:]
    private var nodes = 0
    private var scalarBytes = 0
    /// How scalars were written in the document read last.
    private(set) var forms = WrittenForms()
    /// Brackets and braces around what is read.
    private var flowDepth = 0
    /// Keys that a mapping holds twice, where that is an error: it does not keep the text from being read on. The first of them.
    private(set) var repeatedKeys: [YAMLError] = []
    private static var maximumRepeatedKeys: Int { 50 }

    private struct Anchor {
        var tree: Tree
        var nodes: Int
        var scalarBytes: Int
    }

    /// Where in a resource a value is: annotation values are read as text.
    private enum Place { case root, metadata, pairs, annotations, items, elsewhere }

    init(limits: YAMLLimits, schema: YAMLSchema, duplicates: DuplicateKeys) {
        stream = EventStream(UnsafeBufferPointer(start: nil, count: 0), file: "", scans: false)
        self.limits = limits
        self.schema = schema
        self.duplicates = duplicates
    }

    /// The stream's next document that is not empty, nil at its end.
    mutating func document(of stream: EventStream) throws(YAMLError) -> (tree: Tree, mark: Mark)? {
        self.stream = stream
        while try stream.next() == .documentStart {
            anchors.removeAll(keepingCapacity: true)
            flowDepth = 0
            forms = WrittenForms()
            let kind = try stream.next()
            let mark = stream.mark
            let tree = try compose(kind, depth: 0, place: schema.isKustomize ? .root : .elsewhere)
            _ = try stream.next()
            if tree.scalarValue != .null { return (tree, mark) }
        }
        return nil
    }

    private mutating func compose(_ kind: EventStream.Kind, depth: Int, place: Place) throws(YAMLError) -> Tree {
        guard depth <= limits.depth else { throw stream.error("nested deeper than \(limits.depth) levels") }
        try count(nodes: 1, scalarBytes: 0)
        let name = stream.anchor
        let (nodesBefore, bytesBefore) = (nodes, scalarBytes)
        let tree: Tree
        switch kind {
        case .alias: return try alias(name ?? "")
        case .scalar: tree = try scalar(place: place)
        case .sequenceStart: tree = try sequence(depth: depth, place: place)
        case .mappingStart: tree = try mapping(depth: depth, place: place)
        default: throw stream.error("a value is missing here")
        }
        if let name {
            anchors[name] = Anchor(tree: tree, nodes: nodes - nodesBefore, scalarBytes: scalarBytes - bytesBefore)
        }
        return tree
    }

    private mutating func count(nodes more: Int, scalarBytes bytes: Int) throws(YAMLError) {
        nodes += more
        scalarBytes += bytes
        guard nodes <= limits.nodes else {
            throw stream.error("more than \(limits.nodes) values", context: "aliases count as all that they stand for")
        }
        guard scalarBytes <= limits.scalarBytes else {
            throw stream.error("more than \(limits.scalarBytes) bytes of text", context: "aliases count as all that they stand for")
        }
    }

    private mutating func alias(_ name: String) throws(YAMLError) -> Tree {
        guard let anchor = anchors[name] else {
            throw stream.error(
                "alias \"*\(name)\" has no anchor before it",
                context: "put it in quotes if a text is meant; an anchor cannot contain itself")
        }
        try count(nodes: anchor.nodes, scalarBytes: anchor.scalarBytes)
        return anchor.tree
    }

    private mutating func scalar(place: Place) throws(YAMLError) -> Tree {
        let bytes = stream.bytes
        try count(nodes: 0, scalarBytes: bytes.count)
        if let tag = stream.tag, tag != "!" { return Tree.scalar(try tagged(bytes, tag: tag), from: stream) }
        guard stream.isPlain, stream.tag == nil else {
            if schema.isKustomize, place != .annotations, stream.style == .folded {
                return Tree.scalar(.string(FoldedText.rewritten(bytes)), from: stream)
            }
            return Tree.scalar(try string(bytes), from: stream)
        }
        if flowDepth > 0, let text = try flowText(bytes) { return Tree.scalar(text, from: stream) }
        switch ScalarResolver.resolve(bytes, schema: schema) {
        case .string: return Tree.scalar(try string(bytes), from: stream)
        case .value(let value):
            if value.isNull { forms.nulls.insert(bytes.isEmpty ? .blank : .written) }
            let isText = place == .annotations && (!value.isNull || schema != .patch)
            return Tree.scalar(isText ? try string(bytes) : value, from: stream)
        case .notFinite:
            if place == .annotations { return Tree.scalar(try string(bytes), from: stream) }
            throw stream.error("\(String(decoding: bytes, as: UTF8.self)) is a number without a JSON form; quote it if text is meant")
        }
    }

    /// What a plain scalar between brackets or braces is read as where that is other than elsewhere; nil where it is not.
    ///
    /// Kubernetes' readers end one at a question mark. And kustomize writes what it has read once more, where it quotes what holds a
    /// colon: so that is a text to it.
    private func flowText(_ bytes: ScalarResolver.Bytes) throws(YAMLError) -> Value? {
        if bytes.contains(UInt8(ascii: "?")) {
            throw stream.error(
                "a question mark between brackets or braces must stand in quotes", context: "Kubernetes' readers take it for a key's sign")
        }
        guard schema == .resource else { return Value?.none }
        return bytes.contains(UInt8(ascii: ":")) ? try string(bytes) : Value?.none
    }

    private func tagged(_ bytes: ScalarResolver.Bytes, tag: String) throws(YAMLError) -> Value {
        let prefix = "tag:yaml.org,2002:"
        guard tag.hasPrefix(prefix) else { return try string(bytes) }
        let kind = tag.dropFirst(prefix.count)
        switch kind {
        case "null", "bool", "int", "float": break
        case "binary":
            guard let decoded = BinaryText.decoded(bytes) else { throw stream.error("!!binary value is not base64") }
            return .string(String(decoding: decoded, as: UTF8.self))
        default: return try string(bytes)
        }
        guard case .value(let value) = ScalarResolver.resolve(bytes, schema: schema) else {
            throw stream.error("\"\(String(decoding: bytes, as: UTF8.self))\" is no !!\(kind)")
        }
        switch (kind, value) {
        case ("null", .null), ("bool", .bool), ("int", .int), ("int", .uint), ("float", .int), ("float", .uint), ("float", .double),
            ("int", .double):
            return value
        default: throw stream.error("\"\(String(decoding: bytes, as: UTF8.self))\" is no !!\(kind)")
        }
    }

    private func string(_ bytes: ScalarResolver.Bytes) throws(YAMLError) -> Value {
        if schema.isKustomize, !stream.isASCII, let text = PrintedText(bytes) {
            guard let printed = text.folded else { throw stream.error("it holds a control character that kustomize does not print") }
            return .string(printed)
        }
        return .string(String(decoding: bytes, as: UTF8.self))
    }

    private mutating func sequence(depth: Int, place: Place) throws(YAMLError) -> Tree {
        let mark = stream.mark
        let isFlow = stream.startsFlow
        if isFlow { flowDepth += 1 }
        var items: [Tree] = []
        while true {
            let kind = try stream.next()
            if kind == .sequenceEnd {
                if isFlow { flowDepth -= 1 }
                return Tree.sequence(items, mark: mark)
            }
            let item = try compose(kind, depth: depth + 1, place: place == .items ? .root : .elsewhere)
            if kind == .scalar, schema.isKustomize, stream.isPlain { noteTime(item, key: "") }
            items.append(item)
        }
    }

    private mutating func mapping(depth: Int, place: Place) throws(YAMLError) -> Tree {
        let mark = stream.mark
        let isFlow = stream.startsFlow
        if isFlow { flowDepth += 1 }
        defer { if isFlow { flowDepth -= 1 } }
        var entries: [Tree.Entry] = []
        var merged: [Tree] = []
        var hasMergeKey = false
        var seen = KeyIndex()
        while true {
            let kind = try stream.next()
            if kind == .mappingEnd { break }
            let keyMark = stream.mark
            if kind == .scalar, stream.isPlain, stream.tag == nil, PlainText.isMergeKey(stream.bytes) {
                if hasMergeKey, schema.isKustomize { noteRepeated("<<", at: keyMark) }
                hasMergeKey = true
                merged.append(contentsOf: try mergeSources(depth: depth))
                continue
            }
            let (key, text) = try mappingKey(kind, depth: depth)
            let valueKind = try stream.next()
            let valuePlace = inner(place, key: text)
            let value = try compose(valueKind, depth: depth + 1, place: valuePlace)
            if valueKind == .scalar, schema.isKustomize { noteForm(of: value, key: text, valuePlace) }
            // Whatever stands behind such a key, kustomize takes it out along with those that merge.
            if text == "<<", schema.isKustomize { continue }
            if let earlier = seen.insert(text, at: entries.count, in: entries, keyText: Tree.keyText) {
                switch duplicates {
                case .error: noteRepeated(text, at: keyMark)
                case .firstWins: break
                case .lastWins: entries[earlier] = Tree.entry(text, key: key, value: value)
                }
            } else {
                entries.append(Tree.entry(text, key: key, value: value))
            }
        }
        for source in merged {
            for entry in source.entries ?? [] {
                let text = Tree.keyText(of: entry)
                if seen.insert(text, at: entries.count, in: entries, keyText: Tree.keyText) == nil { entries.append(entry) }
            }
        }
        return Tree.mapping(entries, mark: mark)
    }

    private mutating func noteRepeated(_ key: String, at mark: Mark) {
        guard repeatedKeys.count < Self.maximumRepeatedKeys else { return }
        repeatedKeys.append(stream.error("key \"\(key)\" is set twice in one mapping", at: mark))
    }

    private mutating func noteForm(of tree: Tree, key: String, _ place: Place) {
        if !stream.isPlain { return forms.noteQuoted(stream.bytes, of: key) }
        guard let value = tree.scalarValue else { return }
        if value.string != nil, place != .annotations || !isTyped(stream.bytes) {
            return noteTime(tree, key: key)
        }
        forms.notePlain(stream.bytes, of: key, as: value, inFlow: flowDepth > 0)
    }

    private mutating func noteTime(_ tree: Tree, key: String) {
        guard stream.tag == nil, Timestamp(stream.bytes) != nil, let text = tree.scalarValue?.string else { return }
        forms.noteTime(stream.bytes, of: key, as: text, inFlow: flowDepth > 0)
    }

    /// Whether a plain text in the present place would be no text if it were no annotation.
    private func isTyped(_ bytes: ScalarResolver.Bytes) -> Bool {
        if stream.tag != nil || flowDepth > 0 && (bytes.isEmpty || bytes.contains(UInt8(ascii: ":"))) { return false }
        if case .value(let value) = ScalarResolver.resolve(bytes, schema: .resource) {
            return value.string.map { !$0.utf8.elementsEqual(bytes) } ?? true
        }
        return false
    }

    private mutating func mappingKey(_ kind: EventStream.Kind, depth: Int) throws(YAMLError) -> (Tree, String) {
        let mark = stream.mark
        let key = try compose(kind, depth: depth + 1, place: .elsewhere)
        guard let value = key.scalarValue else { throw stream.error("a list or mapping cannot be a key", at: mark) }
        if case .string(let text) = value { return (key, text) }
        if schema.isKustomize, depth > 0 {
            throw stream.error("a key must be a text: write \"\(value.keyText(written: ""))\" in quotes", at: mark)
        }
        return (key, value.keyText(written: ""))
    }

    /// The mappings behind a merge key, the strongest first: `<<: *a` or `<<: [*a, *b]`.
    private mutating func mergeSources(depth: Int) throws(YAMLError) -> [Tree] {
        let kind = try stream.next()
        let mark = stream.mark
        let source = try compose(kind, depth: depth + 1, place: .elsewhere)
        let sources = source.items ?? [source]
        for source in sources {
            guard let entries = source.entries else { throw stream.error("a merge key takes a mapping or a list of mappings", at: mark) }
            try count(nodes: entries.count, scalarBytes: 0)
        }
        return sources
    }

    private func inner(_ place: Place, key: String) -> Place {
        switch place {
        case .root: key == "metadata" ? .metadata : key == "items" ? .items : .elsewhere
        case .metadata: key == "annotations" || key == "labels" && schema == .targetedPatch ? .pairs : .elsewhere
        case .pairs, .annotations: .annotations
        case .items, .elsewhere: .elsewhere
        }
    }
}

/// Finds a mapping's earlier entry of the same key: a linear search while there are few, a table from 24 on.
private struct KeyIndex {
    private var positions: [String: Int] = [:]

    /// Notes that `key` will be entry `position`; or returns the entry that already has it.
    mutating func insert<Entry>(_ key: String, at position: Int, in entries: [Entry], keyText: (Entry) -> String) -> Int? {
        if position < 24 { return entries.firstIndex { keyText($0) == key } }
        if positions.isEmpty {
            for (index, entry) in entries.enumerated() { positions[keyText(entry)] = index }
        }
        if let earlier = positions[key] { return earlier }
        positions[key] = position
        return nil
    }
}
