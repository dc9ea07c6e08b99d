/// A YAML value as it was written, with the comments around it: what is needed to write a text anew without losing a person's words.
package final class CommentedNode {
    enum Content {
        case scalar(String, Node.Scalar.Style)
        case sequence([CommentedNode])
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
    /// - Parameter copied: what stands where `texts` hold the mark of a copy.
    convenience init(_ value: Value, isUntyped: Bool, copied: CommentedNode? = nil) {
        switch value {
        case .array(let items): self.init(.sequence(items.map { CommentedNode($0, isUntyped: isUntyped, copied: copied) }))
        case .object(let object):
            self.init(
                .mapping(
                    object.map {
                        (
                            key: CommentedNode(.string($0.key), isUntyped: isUntyped),
                            value: CommentedNode($0.value, isUntyped: isUntyped, copied: copied)
                        )
                    }))
        case .string(let text):
            self.init(.scalar(text, .plain))
            isForcedText = !isUntyped && ScalarType(of: text) != .text
        default:
            self.init(.scalar(value.scalarText ?? "", .plain))
            if value == Self.copy, let copied { take(copied) }
        }
    }

    /// What `texts` hold for a null with nothing written, and what a change puts there for the node that it copies: values which
    /// are no texts.
    package static let blank = Value.bool(false)
    package static let copy = Value.bool(true)

    /// The value with every scalar but null as the text that stands there, and aliases as texts.
    package var texts: Value {
        switch content {
        case .scalar(let text, let style):
            style == .plain && tag == nil && ScalarType(of: text) == .null ? text.isEmpty ? Self.blank : .null : .string(text)
        case .sequence(let items): .array(items.map(\.texts))
        case .mapping(let entries): .object(Object(entries.map { Object.Member(key: $0.key.text, value: $0.value.texts) }))
        case .alias(let name): .string("*" + name)
        }
    }

    /// A scalar's text; of what else may be a key, none.
    var text: String { if case .scalar(let text, _) = content { text } else { "" } }

    /// All of it as a text.
    package var written: String { CommentedDocument(root: self, head: [], foot: []).text }

    /// Becomes a copy of another node, with its comments; what is in it is shared.
    func take(_ other: CommentedNode) {
        content = other.content
        tag = other.tag
        anchor = other.anchor
        isFlow = other.isFlow
        isForcedText = other.isForcedText
        head = other.head
        line = other.line
        foot = other.foot
    }

    /// Takes over what changed between two states of `texts`. False where a scalar would have to be of another type.
    /// - Parameters:
    ///   - isUntyped: whether texts that are new are written as they are, whatever they read as.
    ///   - copied: what comes where the new state has the mark of a copy.
    package func apply(_ new: Value, over old: Value, isUntyped: Bool, copied: CommentedNode?) -> Bool {
        if new == old { return true }
        func made(_ value: Value) -> CommentedNode { CommentedNode(value, isUntyped: isUntyped, copied: copied) }
        switch (content, new, old) {
        case (.sequence(var items), .array(let after), .array(let before)) where after.count >= before.count:
            for index in before.indices
            where !items[index].apply(after[index], over: before[index], isUntyped: isUntyped, copied: copied) {
                return false
            }
            items += after.dropFirst(before.count).map(made)
            content = .sequence(items)
        case (.mapping(var entries), .object(let after), .object(let before)) where after.count >= before.count:
            for (index, entry) in entries.enumerated() {
                let (new, old) = (after[index].value, before[index].value)
                if !entry.value.apply(new, over: old, isUntyped: isUntyped, copied: copied) { return false }
            }
            entries += after.dropFirst(before.count).map {
                (key: CommentedNode(.string($0.key), isUntyped: true), value: made($0.value))
            }
            content = .mapping(entries)
        case (.scalar(let before, let style), .string(let after), _): return replace(before, by: after, style)
        default:
            let made = made(new)
            if new == Self.copy {
                take(made)
            } else {
                content = made.content
                isForcedText = made.isForcedText
            }
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
