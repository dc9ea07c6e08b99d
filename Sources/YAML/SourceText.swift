/// Where an object was read, so that how its values are written there can be told when that is asked for, which is seldom.
package struct SourceText: Sendable {
    private let bytes: [UInt8]
    private let line: Int
    private let path: [PathStep]

    /// - Parameters:
    ///   - bytes: a text of one or more documents.
    ///   - line: a line of the object's document.
    ///   - path: where in its document the object is.
    package init(_ bytes: [UInt8], line: Int, path: [PathStep] = []) {
        self.bytes = bytes
        self.line = line
        self.path = path
    }

    /// nil for what cannot be read with its comments.
    fileprivate var node: CommentedNode? {
        let text = bytes.withUnsafeBufferPointer { bytes -> String? in
            guard let parts = try? DocumentParts(bytes, file: "") else { return nil }
            return parts.all.last { $0.line < line }.map { String(decoding: $0.bytes, as: UTF8.self) }
        }
        guard let text, let root = CommentedDocument.first(of: text)?.document.root else { return nil }
        var anchored: [String: CommentedNode] = [:]
        root.resolveAliases(&anchored)
        return root.node(at: path[...])
    }
}

/// One step from a value into what it holds.
package enum PathStep: Sendable { case key(String), index(Int) }

extension CommentedNode {
    /// The node of a value within an object, going by the texts that the object came out of: the first, and those that were merged
    /// in later. What they do not hold is written as new values are.
    package convenience init(at path: [PathStep], of object: Value, sources: [SourceText], forms: WrittenForms) {
        let root: CommentedNode
        if let text = forms.rewritten(object), let written = CommentedDocument.first(of: text)?.document.root {
            root = written
        } else {
            let nodes = sources.compactMap(\.node)
            root = PresentForm(forms: forms).node(object, key: "", nodes.prefix(1) + nodes.dropFirst().reversed())
        }
        self.init(.scalar("", .plain))
        take(root.node(at: path[...]) ?? self)
    }

    /// Puts what has the anchor in the place of each alias; what is in it is shared.
    fileprivate func resolveAliases(_ anchored: inout [String: CommentedNode]) {
        switch content {
        case .scalar: break
        case .sequence(let items): for item in items { item.resolveAliases(&anchored) }
        case .mapping(let entries):
            for (key, value) in entries {
                key.resolveAliases(&anchored)
                value.resolveAliases(&anchored)
            }
            content = .mapping(entries.filter { !$0.key.isMerge } + entries.filter { $0.key.isMerge }.flatMap(\.value.merged))
        case .alias(let name):
            guard let target = anchored[name] else { return }
            take(target)
        }
        if let anchor { anchored[anchor] = self }
        anchor = nil
    }

    private var isMerge: Bool { tag == "!!merge" }

    /// What a merge key brings in: entries that count where there are none before them.
    private var merged: [(key: CommentedNode, value: CommentedNode)] {
        switch content {
        case .mapping(let entries): entries
        case .sequence(let items): items.flatMap(\.merged)
        default: []
        }
    }

    fileprivate func node(at path: ArraySlice<PathStep>) -> CommentedNode? {
        guard let step = path.first else { return self }
        switch (step, content) {
        case (.key(let key), .mapping(let entries)): return entries.first { $0.key.text == key }?.value.node(at: path.dropFirst())
        case (.index(let index), .sequence(let items)) where items.indices.contains(index):
            return items[index].node(at: path.dropFirst())
        default: return nil
        }
    }
}

/// Writes present values in the form that sources have for them, the first that has one.
private struct PresentForm {
    let forms: WrittenForms
    /// How many pairs of elements of lists are compared at most.
    private static let maximumPairs = 1 << 20

    func node(_ value: Value, key: String, _ sources: [CommentedNode]) -> CommentedNode {
        switch value {
        case .object(let object): return mapping(object, sources)
        case .array(let items): return sequence(items, sources)
        default: return scalar(value, key: key, sources)
        }
    }

    private func mapping(_ object: Object, _ sources: [CommentedNode]) -> CommentedNode {
        let known = sources.compactMap { source -> [String: (key: CommentedNode, value: CommentedNode)]? in
            guard case .mapping(let entries) = source.content else { return nil }
            return Dictionary(entries.map { ($0.key.text, $0) }) { first, _ in first }
        }
        let made = CommentedNode(.mapping([]))
        if let first = sources.first(where: \.isMapping) { made.take(first) }
        made.content = .mapping(
            object.map { member in
                let entries = known.map { $0[member.key] }
                let key = entries.first.map { $0?.key ?? CommentedNode(.string(member.key), isUntyped: true) }
                return (
                    key: key ?? CommentedNode(.string(member.key), isUntyped: false),
                    value: node(member.value, key: member.key, entries.compactMap { $0?.value })
                )
            })
        return made
    }

    private func sequence(_ items: [Value], _ sources: [CommentedNode]) -> CommentedNode {
        if let same = sources.first(where: { $0.holds(.array(items)) }) { return same }
        var lists = sources.compactMap { source -> [CommentedNode?]? in
            if case .sequence(let items) = source.content { items } else { nil }
        }
        let made = CommentedNode(.sequence([]))
        if let first = sources.first(where: \.isSequence) { made.take(first) }
        made.content = .sequence(
            items.enumerated().map { index, item in
                node(item, key: "", lists.indices.compactMap { Self.take(item, at: index, of: items.count, from: &lists[$0]) })
            })
        return made
    }

    /// The element of a source's list that an element came from: the same, that with most in common, or a scalar at that place.
    private static func take(_ item: Value, at index: Int, of count: Int, from list: inout [CommentedNode?]) -> CommentedNode? {
        var found: Int? = list.indices.contains(index) && list[index]?.holds(item) == true ? index : nil
        if found == nil, count * list.count <= maximumPairs {
            found = list.firstIndex { $0?.holds(item) == true }
            if found == nil, case .object(let object) = item {
                let common = list.map { $0?.membersInCommon(with: object) ?? 0 }
                if let most = common.max(), most > 0 { found = common.firstIndex(of: most) }
            }
        }
        if found == nil, item.shape == .scalar, list.indices.contains(index), list[index]?.isScalar == true { found = index }
        guard let found else { return nil }
        defer { list[found] = nil }
        return list[found]
    }

    private func scalar(_ value: Value, key: String, _ sources: [CommentedNode]) -> CommentedNode {
        let isText = value.string.map { !forms.isTime($0, of: key) } ?? false
        let text = value.isNull && forms.isBlankNull(of: key) ? "" : forms.text(of: value, key: key) ?? ""
        let made = CommentedNode(.scalar(text, .plain))
        if let first = sources.first(where: \.isScalar), case .scalar(_, let style) = first.content {
            made.take(first)
            if let merged = sources.dropFirst().first(where: { $0.isScalar && !$0.line.isEmpty }) { made.line = merged.line }
            if first.holds(value) { return made }
            made.tag = nil
            if forms.isReplaced(text, of: key) { made.line = [] }
            made.content = .scalar(text, isText ? style : .plain)
            if !isText || style != .plain { return made }
        }
        made.isForcedText = isText && ScalarType(of: text) != .text
        return made
    }
}

extension CommentedNode {
    fileprivate var isScalar: Bool { if case .scalar = content { true } else { false } }
    fileprivate var isSequence: Bool { if case .sequence = content { true } else { false } }
    fileprivate var isMapping: Bool { if case .mapping = content { true } else { false } }

    /// Whether it reads as the value, a scalar perhaps as a text.
    fileprivate func holds(_ value: Value) -> Bool {
        switch (content, value) {
        case (.sequence(let items), .array(let values)):
            return items.count == values.count && zip(items, values).allSatisfy { $0.holds($1) }
        case (.mapping(let entries), .object(let object)):
            return entries.count == object.count && entries.allSatisfy { key, value in object[key.text].map(value.holds) ?? false }
        case (.scalar(let text, let style), _):
            return value == .string(text) || (style == .plain || tag != nil) && value == Value(plain: text, schema: .resource)
        default: return false
        }
    }

    fileprivate func membersInCommon(with object: Object) -> Int {
        guard case .mapping(let entries) = content else { return 0 }
        return entries.count { key, value in value.isScalar && object[key.text].map(value.holds) ?? false }
    }
}
