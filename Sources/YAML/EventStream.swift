import CLibyaml

/// The events of a text that the caller keeps alive: libyaml's, or where the text is plain enough those of `BlockScanner`, which are
/// the same. Besides `ContentTokens` the only code that touches libyaml's parser.
final class EventStream {
    enum Kind {
        case streamEnd, documentStart, documentEnd, alias, scalar, sequenceStart, sequenceEnd, mappingStart, mappingEnd
    }

    private let file: String
    /// Lines of the text before the bytes.
    private let offset: Int
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let event: UnsafeMutablePointer<yaml_event_t>
    /// What was scanned without libyaml, and which event the stream is at.
    private let scanned: [BlockScanner.Event]
    private let isScanned: Bool
    private let blocks: UnsafeMutableBufferPointer<UInt8>?
    private var position = -1

    /// - Parameter scans: whether `BlockScanner` may read the text. Its marks of empty values and of collections' ends are other than
    ///   libyaml's, so that it is for texts whose places do not matter much.
    init(_ bytes: UnsafeBufferPointer<UInt8>, file: String, line offset: Int = 0, scans: Bool) {
        self.file = file
        self.offset = offset
        let result = scans ? BlockScanner.scan(bytes) : nil
        isScanned = result != nil
        scanned = result?.events ?? []
        blocks = result?.blocks
        parser = .allocate(capacity: 1)
        event = .allocate(capacity: 1)
        guard !isScanned else { return }
        parser.initialize(to: yaml_parser_t())
        event.initialize(to: yaml_event_t())
        yaml_parser_initialize(parser)
        // libyaml wants a pointer even to nothing.
        yaml_parser_set_input_string(parser, bytes.baseAddress ?? ("" as StaticString).utf8Start, bytes.count)
    }

    deinit {
        if !isScanned {
            yaml_event_delete(event)
            yaml_parser_delete(parser)
        }
        event.deallocate()
        parser.deallocate()
        blocks?.deallocate()
    }

    /// Moves to the next event; what the accessors below tell is true until the next call.
    func next() throws(YAMLError) -> Kind {
        if isScanned {
            position += 1
            return position < scanned.count ? scanned[position].kind : .streamEnd
        }
        yaml_event_delete(event)
        while true {
            guard yaml_parser_parse(parser, event) == 1 else { throw failure() }
            switch event.pointee.type {
            case YAML_STREAM_START_EVENT: yaml_event_delete(event)
            case YAML_DOCUMENT_START_EVENT: return .documentStart
            case YAML_DOCUMENT_END_EVENT: return .documentEnd
            case YAML_ALIAS_EVENT: return .alias
            case YAML_SCALAR_EVENT: return .scalar
            case YAML_SEQUENCE_START_EVENT: return .sequenceStart
            case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
            case YAML_MAPPING_START_EVENT: return .mappingStart
            case YAML_MAPPING_END_EVENT: return .mappingEnd
            default: return .streamEnd
            }
        }
    }

    var mark: Mark {
        if isScanned {
            let event = scanned[min(position, scanned.count - 1)]
            return Mark(line: event.line + 1 + offset, column: event.column + 1)
        }
        return Mark(line: Int(event.pointee.start_mark.line) + 1 + offset, column: Int(event.pointee.start_mark.column) + 1)
    }

    var anchor: String? {
        if isScanned { return nil }
        return switch event.pointee.type {
        case YAML_ALIAS_EVENT: Self.text(event.pointee.data.alias.anchor)
        case YAML_SCALAR_EVENT: Self.text(event.pointee.data.scalar.anchor)
        case YAML_SEQUENCE_START_EVENT: Self.text(event.pointee.data.sequence_start.anchor)
        case YAML_MAPPING_START_EVENT: Self.text(event.pointee.data.mapping_start.anchor)
        default: nil
        }
    }

    /// Whether a collection that starts here stands in brackets or braces with something that needs a look: what was scanned holds
    /// in them nothing but words and quoted texts.
    var startsFlow: Bool {
        if isScanned { return false }
        return switch event.pointee.type {
        case YAML_SEQUENCE_START_EVENT: event.pointee.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE
        case YAML_MAPPING_START_EVENT: event.pointee.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
        default: false
        }
    }

    /// Whether all texts are of printable ASCII characters.
    var isASCII: Bool { isScanned }

    /// Of a scalar event.
    var bytes: UnsafeBufferPointer<UInt8> {
        if isScanned { return scanned[position].text }
        return UnsafeBufferPointer(start: event.pointee.data.scalar.value, count: event.pointee.data.scalar.length)
    }

    /// Of a scalar event.
    var tag: String? { isScanned ? nil : Self.text(event.pointee.data.scalar.tag) }

    /// Of a scalar event.
    var isPlain: Bool { isScanned ? scanned[position].style == .plain : event.pointee.data.scalar.style == YAML_PLAIN_SCALAR_STYLE }

    /// Of a scalar event.
    var style: Node.Scalar.Style {
        if isScanned { return scanned[position].style }
        return switch event.pointee.data.scalar.style {
        case YAML_SINGLE_QUOTED_SCALAR_STYLE: .singleQuoted
        case YAML_DOUBLE_QUOTED_SCALAR_STYLE: .doubleQuoted
        case YAML_LITERAL_SCALAR_STYLE: .literal
        case YAML_FOLDED_SCALAR_STYLE: .folded
        default: .plain
        }
    }

    func error(_ problem: String, context: String = "", at mark: Mark? = nil) -> YAMLError {
        let mark = mark ?? self.mark
        return YAMLError(file: file, line: mark.line, column: mark.column, problem: problem, context: context)
    }

    private func failure() -> YAMLError {
        let state = parser.pointee
        let problem = state.problem.map { String(cString: $0) } ?? "the text cannot be read"
        if state.error == YAML_READER_ERROR {
            return YAMLError(
                file: file, line: Int(state.mark.line) + 1 + offset, column: Int(state.mark.column) + 1,
                problem: problem, context: "byte \(state.problem_offset)")
        }
        let reading = state.context.map { String(cString: $0) } ?? ""
        if let (sign, name) = ["while scanning an alias": ("*", "alias"), "while scanning an anchor": ("&", "anchor")][reading] {
            return error(
                "what begins with \(sign) is an \(name), whose name has letters, digits, - and _ only",
                context: "put it in quotes if a text is meant",
                at: Mark(line: Int(state.context_mark.line) + 1 + offset, column: Int(state.context_mark.column) + 1))
        }
        return YAMLError(
            file: file, line: Int(state.problem_mark.line) + 1 + offset, column: Int(state.problem_mark.column) + 1,
            problem: problem, context: reading, contextLine: reading.isEmpty ? nil : Int(state.context_mark.line) + 1 + offset)
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }
}
