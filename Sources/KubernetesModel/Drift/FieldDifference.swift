package import YAML

/// One field that is not as the manifest says.
package struct FieldDifference: Hashable, Sendable, CustomStringConvertible {
    /// For people: `spec.template.spec.containers[name=web].image`.
    package var path: String
    /// For ignore rules: the JSON pointer (RFC 6901) into the manifest, `/spec/template/spec/containers/0/image`.
    package var pointer: String
    package var desired: Value
    /// nil when the live object has no such field.
    package var live: Value?
    /// Who set a field that the manifest does not have; nil for one that it has.
    private var writer: String?
    /// Tells values apart that are not told.
    private var hidden = 0

    package init(path: String, pointer: String, desired: Value, live: Value?) {
        self.path = path
        self.pointer = pointer
        self.desired = desired
        self.live = live
    }

    /// A field that the manifest does not have, and who set it.
    package init(path: String, setBy writer: String) {
        self.init(path: path, pointer: "", desired: .null, live: nil)
        self.writer = writer
    }

    /// Without the values; it is equal only where they are.
    package var masked: FieldDifference {
        var result = self
        result.desired = "<secret>"
        result.live = live.map { _ in "<another secret>" }
        result.hidden = hashValue
        return result
    }

    /// The values of Secrets are never in it: `difference` masks them.
    package var description: String {
        if let writer { return "\(path): set by \(writer)" }
        return "\(path): \(live.map(shortText) ?? "absent") instead of \(shortText(desired))"
    }

    private func shortText(_ value: Value) -> String {
        switch value {
        case .null: "null"
        case .bool(let flag): String(flag)
        case .int(let number): String(number)
        case .uint(let number): String(number)
        case .double(let number): String(number)
        case .string(let text): text.count > 60 ? "\"\(text.prefix(60))...\"" : "\"\(text)\""
        case .array(let items): items.count == 1 ? "1 item" : "\(items.count) items"
        case .object(let object): object.count == 1 ? "1 field" : "\(object.count) fields"
        }
    }
}

/// The way to a field of an object, in both spellings of `FieldDifference`.
package struct FieldPath {
    package private(set) var path = ""
    private(set) var pointer = ""
    /// The keys of objects on the way, without list positions.
    private(set) var keys: [String] = []

    package init() {}

    package func key(_ key: String) -> FieldPath {
        var next = self
        let isPlain = key.utf8.allSatisfy { byte in
            byte == 0x2D || byte == 0x5F || (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
        }
        next.path += isPlain ? (path.isEmpty ? key : "." + key) : "[\"\(key)\"]"
        next.pointer += "/"
        for character in key {
            next.pointer += character == "~" ? "~0" : character == "/" ? "~1" : String(character)
        }
        next.keys.append(key)
        return next
    }

    package func item(_ index: Int, label: String? = nil) -> FieldPath {
        var next = self
        next.path += "[\(label ?? String(index))]"
        next.pointer += "/\(index)"
        return next
    }
}
