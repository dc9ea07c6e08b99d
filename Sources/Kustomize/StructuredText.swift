import YAML

/// JSON or YAML held in a string field, whose values a replacement may change. JSON is written anew, in lines when it was in
/// lines; in YAML only the changed scalars are, so that comments, order and quotes stay.
struct StructuredText {
    private let source: String
    private let isJSON: Bool
    private let original: Value
    var value: Value

    /// nil for a text that holds neither a mapping nor a list.
    init?(_ text: String) {
        source = text
        // What starts with a bracket or a brace counts as JSON, whatever it is; of YAML the first document is all.
        isJSON =
            text.utf8.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }.map { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "[") } ?? false
        if isJSON, let json = try? JSONReader.value(Array(text.utf8)) {
            original = json
        } else if let documents = try? YAMLReader.values(text, file: "", schema: .resource, rule: .first), let first = documents.first {
            original = first
        } else {
            return nil
        }
        guard original.object != nil || original.array != nil else { return nil }
        value = original
    }

    /// The text with the changes, without a line break at the end as kustomize has it.
    var text: String {
        if isJSON {
            let bytes = JSONWriter.bytes(value, sortedKeys: true, pretty: source.contains("\n") && source.contains("  "), escapesHTML: true)
            return String(decoding: bytes, as: UTF8.self)
        }
        let text = edited ?? YAMLWriter.text(value, sortedKeys: false)
        return String(text[..<(text.lastIndex { $0 != "\n" }.map(text.index(after:)) ?? text.startIndex)])
    }

    // MARK: YAML edited in place

    private struct Edit {
        var node: Node
        var value: Value
    }

    /// The YAML with the changed scalars put in their places; nil where more than scalars of one line changed.
    private var edited: String? {
        // An anchor's value stands for others too.
        guard !source.contains(" &"), let documents = try? YAMLReader.documents(source, file: "", schema: .resource), documents.count == 1
        else { return nil }
        var edits: [Edit] = []
        guard Self.collect(documents[0], original, value, &edits) else { return nil }
        var lines = source.split(separator: "\n", omittingEmptySubsequences: false).map { Array($0.unicodeScalars) }
        for edit in edits.sorted(by: { $0.node.mark > $1.node.mark }) {
            let (line, column) = (edit.node.mark.line - 1, edit.node.mark.column - 1)
            guard let scalar = edit.node.scalar, let new = Self.written(edit.value, as: scalar.style), lines.indices.contains(line),
                let length = Self.length(of: scalar, in: lines[line].dropFirst(column))
            else { return nil }
            lines[line].replaceSubrange(column..<column + length, with: new.unicodeScalars)
        }
        return lines.map { line in
            var text = String.UnicodeScalarView()
            text.append(contentsOf: line)
            return String(text)
        }.joined(separator: "\n")
    }

    /// Finds the scalars that changed; false when something else did, or the tree was not written as it reads (anchors, merge keys).
    private static func collect(_ node: Node, _ old: Value, _ new: Value, _ edits: inout [Edit]) -> Bool {
        if old == new { return true }
        switch (node.content, old, new) {
        case (.mapping(let entries), .object(let before), .object(let after)):
            guard entries.map(\.keyText) == before.keys, before.keys == after.keys else { return false }
            return entries.indices.allSatisfy { collect(entries[$0].value, before[$0].value, after[$0].value, &edits) }
        case (.sequence(let items), .array(let before), .array(let after)):
            guard items.count == before.count, before.count == after.count else { return false }
            return items.indices.allSatisfy { collect(items[$0], before[$0], after[$0], &edits) }
        case (.scalar, _, _):
            guard new.object == nil, new.array == nil else { return false }
            edits.append(Edit(node: node, value: new))
            return true
        default: return false
        }
    }

    /// A scalar of one line in the style that it had, where that is possible.
    private static func written(_ value: Value, as style: Node.Scalar.Style) -> String? {
        guard let text = value.string else { return value.scalarText }
        if text.contains("\n") { return nil }
        switch style {
        case .doubleQuoted: return JSONWriter.text(.string(text))
        case .singleQuoted: return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
        case .plain:
            let line = YAMLWriter.text(.string(text))
            return line.dropLast().contains("\n") ? JSONWriter.text(.string(text)) : String(line.dropLast())
        case .literal, .folded: return nil
        }
    }

    /// How many characters a scalar takes at the start of the rest of its line; nil when it goes on behind it.
    private static func length(of scalar: Node.Scalar, in rest: ArraySlice<Unicode.Scalar>) -> Int? {
        switch scalar.style {
        case .plain:
            let text = scalar.text.unicodeScalars
            return !text.isEmpty && rest.starts(with: text) ? text.count : nil
        case .singleQuoted:
            var at = rest.startIndex + 1
            while at < rest.endIndex {
                if rest[at] == "'" {
                    guard at + 1 < rest.endIndex, rest[at + 1] == "'" else { return at + 1 - rest.startIndex }
                    at += 1
                }
                at += 1
            }
            return nil
        case .doubleQuoted:
            var at = rest.startIndex + 1
            while at < rest.endIndex, rest[at] != "\"" { at += rest[at] == "\\" ? 2 : 1 }
            return at < rest.endIndex ? at + 1 - rest.startIndex : nil
        case .literal, .folded: return nil
        }
    }
}
