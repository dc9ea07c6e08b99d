import CLibyaml

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
        let emitter = Emitter(sortedKeys: sortedKeys)
        for (index, document) in documents.enumerated() {
            if index > 0 { emitter.output.bytes += Array("---\n".utf8) }
            emitter.write(document)
        }
        return emitter.output.bytes
    }
}

/// Where libyaml's emitter puts its text.
private final class Output {
    var bytes: [UInt8] = []
}

/// libyaml's emitter fed with one document at a time.
private final class Emitter {
    let output = Output()
    private let sortedKeys: Bool
    private let emitter: UnsafeMutablePointer<yaml_emitter_t>
    private let event: UnsafeMutablePointer<yaml_event_t>

    init(sortedKeys: Bool) {
        self.sortedKeys = sortedKeys
        emitter = .allocate(capacity: 1)
        emitter.initialize(to: yaml_emitter_t())
        event = .allocate(capacity: 1)
        event.initialize(to: yaml_event_t())
    }

    deinit {
        emitter.deallocate()
        event.deallocate()
    }

    /// One emitter per document: libyaml would end a document after a `|+` block with `...`, which is taken off here.
    func write(_ document: Value) {
        yaml_emitter_initialize(emitter)
        yaml_emitter_set_output(emitter, appendToOutput, Unmanaged.passUnretained(output).toOpaque())
        yaml_emitter_set_unicode(emitter, 1)
        yaml_emitter_set_width(emitter, 80)
        yaml_stream_start_event_initialize(event, YAML_UTF8_ENCODING)
        send()
        yaml_document_start_event_initialize(event, nil, nil, nil, 1)
        send()
        emit(document)
        yaml_document_end_event_initialize(event, 1)
        send()
        yaml_stream_end_event_initialize(event)
        send()
        yaml_emitter_flush(emitter)
        yaml_emitter_delete(emitter)
        let end = Array("\n...\n".utf8)
        if output.bytes.count >= end.count, output.bytes.suffix(end.count).elementsEqual(end) { output.bytes.removeLast(end.count - 1) }
    }

    private func send() { yaml_emitter_emit(emitter, event) }

    private func emit(_ value: Value) {
        switch value {
        case .null: scalar("null", YAML_PLAIN_SCALAR_STYLE)
        case .bool(let flag): scalar(flag ? "true" : "false", YAML_PLAIN_SCALAR_STYLE)
        case .int(let number): scalar(String(number), YAML_PLAIN_SCALAR_STYLE)
        case .double(let number): scalar(FloatText.yaml(number), YAML_PLAIN_SCALAR_STYLE)
        case .string(let text): string(text)
        case .array(let items):
            yaml_sequence_start_event_initialize(event, nil, nil, 1, YAML_BLOCK_SEQUENCE_STYLE)
            send()
            for item in items { emit(item) }
            yaml_sequence_end_event_initialize(event)
            send()
        case .object(let object):
            yaml_mapping_start_event_initialize(event, nil, nil, 1, YAML_BLOCK_MAPPING_STYLE)
            send()
            for member in sortedKeys ? object.members.inNaturalOrder : object.members {
                // A plain `<<` would be read back as a merge key.
                if member.key == "<<" { scalar(member.key, YAML_DOUBLE_QUOTED_SCALAR_STYLE) } else { string(member.key) }
                emit(member.value)
            }
            yaml_mapping_end_event_initialize(event)
            send()
        }
    }

    private func string(_ text: String) {
        var text = text
        let style = text.withUTF8 { bytes -> yaml_scalar_style_t in
            if bytes.contains(UInt8(ascii: "\n")) { return YAML_LITERAL_SCALAR_STYLE }
            return PlainText.isSafe(bytes) ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE
        }
        scalar(text, style)
    }

    private func scalar(_ text: String, _ style: yaml_scalar_style_t) {
        var text = text
        text.withUTF8 { bytes in
            // libyaml copies the bytes, and wants a pointer even for none of them.
            if let base = bytes.baseAddress {
                _ = yaml_scalar_event_initialize(event, nil, nil, base, Int32(bytes.count), 1, 1, style)
            } else {
                _ = [0].withUnsafeBufferPointer { yaml_scalar_event_initialize(event, nil, nil, $0.baseAddress, 0, 1, 1, style) }
            }
        }
        send()
    }
}

/// libyaml's callback: called on the thread that emits, with the `Output` it was given.
private func appendToOutput(_ data: UnsafeMutableRawPointer?, _ buffer: UnsafeMutablePointer<UInt8>?, _ size: Int) -> Int32 {
    guard let data else { return 0 }
    Unmanaged<Output>.fromOpaque(data).takeUnretainedValue().bytes.append(contentsOf: UnsafeBufferPointer(start: buffer, count: size))
    return 1
}

extension [Object.Member] {
    /// By natural key order; already ordered members, the common case, are not copied.
    var inNaturalOrder: [Object.Member] {
        for index in indices.dropFirst() where !NaturalOrder.precedes(self[index - 1].key, self[index].key) {
            return sorted { NaturalOrder.precedes($0.key, $1.key) }
        }
        return self
    }
}
