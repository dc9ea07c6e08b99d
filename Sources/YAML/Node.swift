/// A YAML value that remembers where it was written, for decoders that point at file, line and column.
package struct Node: Sendable {
    package struct Scalar: Hashable, Sendable {
        package enum Style: Hashable, Sendable { case plain, singleQuoted, doubleQuoted, literal, folded }

        /// The text as written, quotes and escapes resolved.
        package var text: String
        package var style: Style
        /// An explicit tag (`tag:yaml.org,2002:str` for `!!str`), nil where none was written.
        package var tag: String?
        /// The typed value, resolved by the schema the text was read with.
        package var value: Value
    }

    package struct Entry: Sendable {
        package var key: Node
        package var value: Node
    }

    package enum Content: Sendable {
        case scalar(Scalar)
        case sequence([Node])
        /// In the order written; entries brought in by a merge key (`<<`) come after the mapping's own.
        case mapping([Entry])
    }

    package var content: Content
    package var mark: Mark

    package init(_ content: Content, mark: Mark) {
        self.content = content
        self.mark = mark
    }
}

extension Node {
    /// A value that was not written as YAML, all of it at one place.
    package init(_ value: Value, mark: Mark) {
        switch value {
        case .array(let items): self.init(.sequence(items.map { Node($0, mark: mark) }), mark: mark)
        case .object(let object):
            let entries = object.map { Entry(key: Node(.string($0.key), mark: mark), value: Node($0.value, mark: mark)) }
            self.init(.mapping(entries), mark: mark)
        default:
            let scalar = Scalar(text: value.scalarText ?? "", style: .plain, tag: nil, value: value)
            self.init(.scalar(scalar), mark: mark)
        }
    }

    /// The typed value without places.
    package var value: Value {
        switch content {
        case .scalar(let scalar): scalar.value
        case .sequence(let items): .array(items.map(\.value))
        case .mapping(let entries): .object(Object(entries.map { Object.Member(key: $0.keyText, value: $0.value.value) }))
        }
    }

    package var scalar: Scalar? { if case .scalar(let scalar) = content { scalar } else { nil } }
    package var sequence: [Node]? { if case .sequence(let items) = content { items } else { nil } }
    package var mapping: [Entry]? { if case .mapping(let entries) = content { entries } else { nil } }
    package var isNull: Bool { scalar?.value.isNull ?? false }

    /// The scalar's text when it is a string; nil for numbers, booleans, null and collections.
    package var string: String? { scalar?.value.string }
    package var bool: Bool? { scalar?.value.bool }
    package var int: Int64? { scalar?.value.int }
    /// The text of any scalar but null, whatever its type: what a field that takes `1.31` or `yes` as text wants.
    package var text: String? { scalar.flatMap { $0.value.isNull ? nil : $0.text } }

    /// The value of a mapping's key; nil when this is no mapping or has no such key.
    package subscript(key: String) -> Node? { entry(key)?.value }

    /// The entry of a key, for errors that point at the key itself.
    package func entry(_ key: String) -> Entry? { mapping?.first { $0.keyText == key } }

    package subscript(index: Int) -> Node? {
        guard let items = sequence, items.indices.contains(index) else { return nil }
        return items[index]
    }

    /// Lines of the file before the first one of a text; a block of text begins below its sign.
    package var linesBeforeText: Int {
        switch scalar?.style {
        case .literal, .folded: mark.line
        default: mark.line - 1
        }
    }

    /// What kind of value it is, in the words of error messages.
    package var kindName: String {
        switch content {
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .scalar(let scalar): scalar.value.kindName
        }
    }
}

extension Node.Entry {
    /// The key as JSON would have it: `8080:` and `yes:` are the texts "8080" and "true".
    package var keyText: String { key.scalar.map { $0.value.keyText(written: $0.text) } ?? "" }
}

extension Value {
    /// What kind of value it is, in the words of error messages.
    package var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .int, .uint, .double: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "a mapping"
        }
    }

    /// The text of a scalar: what it prints as, without quotes; nil for collections.
    package var scalarText: String? {
        switch self {
        case .null: "null"
        case .bool(let flag): flag ? "true" : "false"
        case .int(let number): String(number)
        case .uint(let number): String(number)
        case .double(let number): FloatText.yaml(number)
        case .string(let text): text
        case .array, .object: nil
        }
    }

    /// The JSON key for a scalar used as a mapping's key.
    func keyText(written: String) -> String {
        switch self {
        case .string(let text): text
        default: scalarText ?? written
        }
    }
}
