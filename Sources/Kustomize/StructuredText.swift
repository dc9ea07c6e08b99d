import YAML

/// JSON or YAML held in a string field, whose values a replacement may change. JSON is written anew, in lines when it was in
/// lines; of YAML the first document is, with its order, comments and quotes, and further ones stay as they are.
struct StructuredText {
    private enum Form {
        case json(inLines: Bool)
        case yaml(CommentedDocument, rest: String)
    }

    private let form: Form
    private let original: Value
    /// In YAML every scalar but null is the text that stands there, see `CommentedNode.texts`.
    var value: Value

    /// What is to stand at the marks of copies in `value`, and at how many places.
    var copied: (node: CommentedNode, count: Int)?
    private static let maximumCopies = 16 << 20

    /// Whether it is plain values that were put into it: new ones are written as they are then.
    var holdsNewPlainValues = false

    var isYAML: Bool { if case .yaml = form { true } else { false } }

    /// nil for a text that holds neither a mapping nor a list.
    init?(_ text: String) {
        // What starts with a bracket or a brace counts as JSON, whatever it is.
        let first = text.utf8.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
            form = .json(inLines: text.contains("\n") && text.contains("  "))
            if let json = try? JSONReader.value(Array(text.utf8)) {
                original = json
            } else if let documents = try? YAMLReader.values(text, file: "", schema: .resource, rule: .first), let first = documents.first {
                original = first
            } else {
                return nil
            }
        } else if text.utf8.contains(UInt8(ascii: ":")) || text.utf8.contains(UInt8(ascii: "-")),
            let (document, rest) = CommentedDocument.first(of: text)
        {
            form = .yaml(document, rest: rest)
            original = document.root.texts
        } else {
            return nil
        }
        guard original.object != nil || original.array != nil else { return nil }
        value = original
    }

    /// The text with the changes, without blanks and line breaks around it as kustomize has it.
    func text() throws(MergeFailure) -> String {
        switch form {
        case .json(let inLines):
            return String(decoding: JSONWriter.bytes(value, sortedKeys: true, pretty: inLines, escapesHTML: true), as: UTF8.self)
        case .yaml(let document, let rest):
            if let copied, copied.count > 1, copied.count * copied.node.written.utf8.count > Self.maximumCopies {
                throw MergeFailure(problem: "a text would grow beyond \(Self.maximumCopies) bytes")
            }
            guard document.root.apply(value, over: original, isUntyped: holdsNewPlainValues, copied: copied?.node) else {
                throw MergeFailure(problem: "a number, a boolean or null in a text cannot become a value of another type")
            }
            let first = Self.trimmed(document.text)
            let others = Self.trimmed(rest)
            // The end of a document alone is no document.
            return others.isEmpty || others == "..." ? first : first + "\n" + others
        }
    }

    private static func trimmed(_ text: String) -> String {
        func isBlank(_ character: Character) -> Bool { character.isWhitespace }
        let start = text.drop(while: isBlank)
        return start.lastIndex { !isBlank($0) }.map { String(start[...$0]) } ?? ""
    }
}
