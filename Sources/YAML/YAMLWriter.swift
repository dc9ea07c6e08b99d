/// Writes values as sigs.k8s.io/yaml does, byte for byte: block style, list items under their key without indentation, lines
/// folded at 80 columns, strings quoted where a YAML 1.1 reader would take them for something else.
package enum YAMLWriter {
    package static func text(_ value: Value, sortedKeys: Bool = true) -> String {
        String(decoding: bytes([value], sortedKeys: sortedKeys), as: UTF8.self)
    }

    /// Several documents, `---` between them.
    package static func text(documents: [Value], sortedKeys: Bool = true) -> String {
        String(decoding: bytes(documents, sortedKeys: sortedKeys), as: UTF8.self)
    }

    /// Several documents, `---` between them.
    package static func bytes(_ documents: [Value], sortedKeys: Bool = true) -> [UInt8] {
        var emitter = BlockEmitter(sortedKeys: sortedKeys)
        for (index, document) in documents.enumerated() {
            if index > 0 { emitter.separator() }
            emitter.document(document)
        }
        return emitter.bytes
    }

    /// Several documents, `---` between them, handed on piece by piece so that they are never all in memory as text.
    package static func write(_ documents: some Sequence<Value>, to output: ([UInt8]) -> Void) {
        let piece = 64 << 10
        var emitter = BlockEmitter(sortedKeys: true)
        var isFirst = true
        for document in documents {
            if !isFirst { emitter.separator() }
            isFirst = false
            emitter.document(document)
            if emitter.bytes.count >= piece {
                output(emitter.bytes)
                emitter.removeBytes()
            }
        }
        if !emitter.bytes.isEmpty { output(emitter.bytes) }
    }
}
