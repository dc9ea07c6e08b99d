/// Writes values as JSON: compact, or indented by two spaces.
package enum JSONWriter {
    package static func text(_ value: Value, sortedKeys: Bool = false, pretty: Bool = false) -> String {
        String(decoding: bytes(value, sortedKeys: sortedKeys, pretty: pretty), as: UTF8.self)
    }

    /// `escapesHTML` writes `<`, `>`, `&`, U+2028 and U+2029 as escapes, as Go's writer does; kustomize's hashes are over such text.
    package static func bytes(
        _ value: Value, sortedKeys: Bool = false, pretty: Bool = false, escapesHTML: Bool = false
    ) -> [UInt8] {
        var output = JSONOutput(sortedKeys: sortedKeys, pretty: pretty, escapesHTML: escapesHTML)
        output.write(value, depth: 0)
        return output.bytes
    }
}

/// The text so far and how it is to look.
private struct JSONOutput {
    var bytes: [UInt8] = []
    let sortedKeys: Bool
    let pretty: Bool
    let escapesHTML: Bool

    init(sortedKeys: Bool, pretty: Bool, escapesHTML: Bool) {
        self.sortedKeys = sortedKeys
        self.pretty = pretty
        self.escapesHTML = escapesHTML
    }

    mutating func write(_ value: Value, depth: Int) {
        switch value {
        case .null: append("null")
        case .bool(let flag): append(flag ? "true" : "false")
        case .int(let number): append(String(number))
        case .uint(let number): append(String(number))
        case .double(let number): append(FloatText.json(number))
        case .string(let text): string(text)
        case .array(let items):
            open("[")
            for (index, item) in items.enumerated() {
                separate(index, depth)
                write(item, depth: depth + 1)
            }
            close("]", isEmpty: items.isEmpty, depth)
        case .object(let object):
            open("{")
            let members = sortedKeys ? object.members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) } : object.members
            for (index, member) in members.enumerated() {
                separate(index, depth)
                string(member.key)
                append(pretty ? ": " : ":")
                write(member.value, depth: depth + 1)
            }
            close("}", isEmpty: members.isEmpty, depth)
        }
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
    private mutating func open(_ bracket: Unicode.Scalar) { bytes.append(UInt8(ascii: bracket)) }

    private mutating func separate(_ index: Int, _ depth: Int) {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        if pretty { newLine(depth + 1) }
    }

    private mutating func close(_ bracket: Unicode.Scalar, isEmpty: Bool, _ depth: Int) {
        if pretty, !isEmpty { newLine(depth) }
        bytes.append(UInt8(ascii: bracket))
    }

    private mutating func newLine(_ depth: Int) {
        bytes.append(UInt8(ascii: "\n"))
        for _ in 0..<depth { bytes.append(contentsOf: [0x20, 0x20]) }
    }

    private mutating func string(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            var start = 0
            for (index, byte) in utf8.enumerated() {
                guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || escapesHTML && isHTML(utf8, index) else {
                    continue
                }
                bytes.append(contentsOf: utf8[start..<index])
                start = index + escape(utf8, index)
            }
            bytes.append(contentsOf: utf8[start...])
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// `<`, `>`, `&`, or the first byte of U+2028 or U+2029.
    private func isHTML(_ utf8: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
        switch utf8[index] {
        case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"): true
        case 0xE2: index + 2 < utf8.count && utf8[index + 1] == 0x80 && utf8[index + 2] & 0xFE == 0xA8
        default: false
        }
    }

    /// Writes the escape for the character at `index` and returns how many bytes it replaces.
    private mutating func escape(_ utf8: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int {
        switch utf8[index] {
        case UInt8(ascii: "\""): append("\\\"")
        case UInt8(ascii: "\\"): append("\\\\")
        case 0x0A: append("\\n")
        case 0x0D: append("\\r")
        case 0x09: append("\\t")
        case 0x08: append("\\b")
        case 0x0C: append("\\f")
        case 0xE2:
            append(utf8[index + 2] == 0xA8 ? "\\u2028" : "\\u2029")
            return 3
        case let byte:
            let hex = Array("0123456789abcdef".utf8)
            append("\\u00")
            bytes.append(hex[Int(byte >> 4)])
            bytes.append(hex[Int(byte & 15)])
        }
        return 1
    }
}
