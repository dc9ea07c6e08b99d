import CLibyaml
import HomelabTestSupport
import Testing

@testable import YAML

/// The emitter against libyaml's own, fed with the same values: texts put together of everything that means something in YAML, at
/// every depth, as keys and as values, from a seed so that a failure can be repeated.
@Suite struct EmitterTests {
    private static let pieces = [
        "a", "word", "b:", ": ", "- ", "-", "--", "---", "...", ".", "\n", "\n\n", " ", "  ", "\t", "#", " #", "[", "]", "{", "}", ",",
        "\"",
        "'", "''", "|", ">", "&x", "*x", "!", "%", "@", "`", "?", "? ", ":", "~", "null", "yes", "No", "true", "0x1F", "1e3", "12:30",
        "2001-01-01", "<<", "é", "ß", "\u{1F600}", "\u{FEFF}", "\u{85}", "\u{A0}", "\u{2028}", "\u{2029}", "\u{FFFE}", "\u{D7FF}",
        "\u{E000}", "\r", "\u{0}", "\u{7}", "\u{7F}", "\u{1B}", "\\", "=", "sixteen-letters-", "and some more words of a longer line ",
    ]

    @Test(arguments: 0..<48) func writesAsLibyamlDoes(seed: UInt64) {
        var random = SplitMix(seed: seed)
        for _ in 0..<150 {
            let value = value(depth: 0, &random)
            var emitter = BlockEmitter(sortedKeys: false)
            emitter.document(value)
            #expect(emitter.bytes == LibyamlEmitter().bytes(of: value), "\(value)")
        }
    }

    /// Every text of up to three pieces, as a value and as a key.
    @Test func shortTexts() {
        for first in [""] + Self.pieces {
            for second in [""] + Self.pieces {
                for third in ["", "a", " ", "\n", ":", "#", "\u{2028}"] {
                    let text = first + second + third
                    if Self.startsWithMark(text) { continue }
                    let value: Value = .array([.string(text), .object(Object([Object.Member(key: text, value: .string(text))]))])
                    var emitter = BlockEmitter(sortedKeys: false)
                    emitter.document(value)
                    #expect(emitter.bytes == LibyamlEmitter().bytes(of: value), "\(text.debugDescription)")
                }
            }
        }
    }

    private func text(_ random: inout SplitMix) -> String {
        let count = random.next() % 5 == 0 ? Int.random(in: 0...40, using: &random) : Int.random(in: 0...5, using: &random)
        // Now and then of few pieces, so that long lines without breaks and special characters come up.
        let pieces = random.next() % 3 == 0 ? ["word", " ", "more words ", "é", "it's "] : Self.pieces
        let text = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
        return Self.startsWithMark(text) ? "a" + text : text
    }

    /// Texts that libyaml and Go's writer do not write alike.
    private static func startsWithMark(_ text: String) -> Bool { text.unicodeScalars.first == "\u{FEFF}" }

    private func value(depth: Int, _ random: inout SplitMix) -> Value {
        switch random.next() % (depth > 5 ? 6 : 12) {
        case 0: return .int(Int64(truncatingIfNeeded: random.next()) >> Int64(random.next() % 64))
        case 1: return [.null, .bool(true), .bool(false), .double(1.5), .double(1e-7)].randomElement(using: &random) ?? .null
        case 2...5: return .string(text(&random))
        case 6...8: return .array((0..<random.next() % 4).map { _ in value(depth: depth + 1, &random) })
        default:
            return .object(
                Object((0..<random.next() % 5).map { _ in Object.Member(key: text(&random), value: value(depth: depth + 1, &random)) }))
        }
    }
}

/// libyaml's emitter with what kustomize's output needs of it: 80 columns, unicode, implicit documents.
private final class LibyamlEmitter {
    fileprivate var output: [UInt8] = []
    private let emitter = UnsafeMutablePointer<yaml_emitter_t>.allocate(capacity: 1)
    private let event = UnsafeMutablePointer<yaml_event_t>.allocate(capacity: 1)

    deinit {
        emitter.deallocate()
        event.deallocate()
    }

    func bytes(of document: Value) -> [UInt8] {
        yaml_emitter_initialize(emitter)
        yaml_emitter_set_output(emitter, appendToOutput, Unmanaged.passUnretained(self).toOpaque())
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
        yaml_emitter_delete(emitter)
        // libyaml ends a document after a `|+` block with a mark, which kustomize's does not.
        for lineBreak in ["\n", "\u{2028}", "\u{2029}"] {
            let end = Array("\(lineBreak)...\n".utf8)
            if output.suffix(end.count).elementsEqual(end) {
                output.removeLast(4)
                break
            }
        }
        return output
    }

    private func send() { #expect(yaml_emitter_emit(emitter, event) == 1) }

    private func emit(_ value: Value) {
        switch value {
        case .null: scalar("null", YAML_PLAIN_SCALAR_STYLE)
        case .bool(let flag): scalar(flag ? "true" : "false", YAML_PLAIN_SCALAR_STYLE)
        case .int(let number): scalar(String(number), YAML_PLAIN_SCALAR_STYLE)
        case .uint(let number): scalar(String(number), YAML_PLAIN_SCALAR_STYLE)
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
            for member in object.members {
                if member.key == "<<" { scalar(member.key, YAML_DOUBLE_QUOTED_SCALAR_STYLE) } else { string(member.key) }
                emit(member.value)
            }
            yaml_mapping_end_event_initialize(event)
            send()
        }
    }

    private func string(_ text: String) {
        let bytes = Array(text.utf8)
        let isSafe = bytes.withUnsafeBufferPointer { PlainText.isSafe($0) }
        scalar(
            text,
            bytes.contains(UInt8(ascii: "\n"))
                ? YAML_LITERAL_SCALAR_STYLE : isSafe ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE)
    }

    private func scalar(_ text: String, _ style: yaml_scalar_style_t) {
        var bytes = Array(text.utf8) + [0]
        _ = yaml_scalar_event_initialize(event, nil, nil, &bytes, Int32(bytes.count - 1), 1, 1, style)
        send()
    }
}

/// libyaml's callback, with the emitter's owner.
private func appendToOutput(_ data: UnsafeMutableRawPointer?, _ buffer: UnsafeMutablePointer<UInt8>?, _ size: Int) -> Int32 {
    guard let data else { return 0 }
    Unmanaged<LibyamlEmitter>.fromOpaque(data).takeUnretainedValue().output += UnsafeBufferPointer(start: buffer, count: size)
    return 1
}
