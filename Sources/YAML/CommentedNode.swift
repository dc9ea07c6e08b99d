/// A YAML value as it was written, with the comments around it: what is needed to write a text anew without losing a person's words.
package final class CommentedNode {
    enum Content {
        case scalar(String, Node.Scalar.Style)
        case sequence([CommentedNode])
        /// Keys are scalars.
        case mapping([(key: CommentedNode, value: CommentedNode)])
        /// Stands for what carries the anchor of that name.
        case alias(String)
    }

    var content: Content
    /// As written: `!!str`, `!own`.
    var tag: String?
    var anchor: String?
    /// Whether a list or mapping stands in brackets or braces.
    var isFlow = false
    /// Whether a plain scalar is a text, though it reads as something else: it needs quotes.
    var isForcedText = false
    /// The lines of the comment above it, a line break between two.
    var head: [UInt8] = []
    /// The comment behind it in its line.
    var line: [UInt8] = []
    /// The lines of the comment below it.
    var foot: [UInt8] = []

    init(_ content: Content) { self.content = content }

    /// A value that was not written as YAML.
    convenience init(_ value: Value, isUntyped: Bool) {
        switch value {
        case .array(let items): self.init(.sequence(items.map { CommentedNode($0, isUntyped: isUntyped) }))
        case .object(let object):
            self.init(
                .mapping(
                    object.map {
                        (key: CommentedNode(.string($0.key), isUntyped: isUntyped), value: CommentedNode($0.value, isUntyped: isUntyped))
                    }))
        case .string(let text):
            self.init(.scalar(text, .plain))
            isForcedText = !isUntyped && ScalarType(of: text) != .text
        default: self.init(.scalar(value.scalarText ?? "", .plain))
        }
    }

    /// The value with every scalar but null as the text that stands there, and aliases as texts.
    package var texts: Value {
        switch content {
        case .scalar(let text, let style): style == .plain && tag == nil && ScalarType(of: text) == .null ? .null : .string(text)
        case .sequence(let items): .array(items.map(\.texts))
        case .mapping(let entries): .object(Object(entries.map { Object.Member(key: $0.key.text, value: $0.value.texts) }))
        case .alias(let name): .string("*" + name)
        }
    }

    /// A scalar's text.
    var text: String { if case .scalar(let text, _) = content { text } else { "" } }

    /// Takes over what changed between two states of `texts`. False where a scalar would have to be of another type.
    /// - Parameter isUntyped: whether texts that are new are written as they are, whatever they read as.
    package func apply(_ new: Value, over old: Value, isUntyped: Bool) -> Bool {
        if new == old { return true }
        switch (content, new, old) {
        case (.sequence(var items), .array(let after), .array(let before)) where after.count >= before.count:
            for index in before.indices where !items[index].apply(after[index], over: before[index], isUntyped: isUntyped) {
                return false
            }
            items += after.dropFirst(before.count).map { CommentedNode($0, isUntyped: isUntyped) }
            content = .sequence(items)
        case (.mapping(var entries), .object(let after), .object(let before)) where after.count >= before.count:
            for (index, entry) in entries.enumerated() {
                if !entry.value.apply(after[index].value, over: before[index].value, isUntyped: isUntyped) { return false }
            }
            entries += after.dropFirst(before.count).map {
                (key: CommentedNode(.string($0.key), isUntyped: true), value: CommentedNode($0.value, isUntyped: isUntyped))
            }
            content = .mapping(entries)
        case (.scalar(let before, let style), .string(let after), _): return replace(before, by: after, style)
        default:
            let made = CommentedNode(new, isUntyped: isUntyped)
            content = made.content
            isForcedText = made.isForcedText
        }
        return true
    }

    /// A scalar keeps its type and its style.
    private func replace(_ old: String, by new: String, _ style: Node.Scalar.Style) -> Bool {
        content = .scalar(new, style)
        guard style == .plain, tag == nil else { return true }
        switch (isForcedText ? .text : ScalarType(of: old), ScalarType(of: new)) {
        case (let before, let after) where before == after: return true
        case (.text, _):
            isForcedText = true
            return true
        case (.float, .integer):
            tag = "!!float"
            return true
        default: return false
        }
    }
}

/// What kustomize takes a plain scalar for.
enum ScalarType {
    case null, bool, integer, float, time, text

    init(of text: String) {
        switch ScalarResolver.resolve(text, schema: .resource) {
        case .string: self = .text
        case .notFinite: self = .float
        case .value(.null): self = .null
        case .value(.bool): self = .bool
        case .value(.string): self = .time
        case .value:
            let digits = text.utf8.filter { $0 != UInt8(ascii: "_") }
            self = digits.withUnsafeBufferPointer { ScalarResolver.integer($0) } == nil ? .float : .integer
        }
    }
}
