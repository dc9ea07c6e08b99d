import CLibyaml

/// libyaml's tokens of a text that carry something: scalars, aliases, anchors and tags, one after the other.
final class ContentTokens {
    struct Token {
        enum Kind { case scalar(Node.Scalar.Style), alias, anchor, tag }

        var kind: Kind
        var text: String
        /// In characters from the start of the text.
        var start: Int
        var end: Int
    }

    struct Failure: Error {}

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let bytes: UnsafeMutableBufferPointer<UInt8>

    init(_ text: String) {
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        bytes = .allocate(capacity: text.utf8.count + 1)
        _ = bytes.initialize(from: text.utf8)
        yaml_parser_initialize(parser)
        yaml_parser_set_input_string(parser, bytes.baseAddress, text.utf8.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        bytes.deallocate()
    }

    /// nil at the end of the text.
    func next() throws(Failure) -> Token? {
        while true {
            var token = yaml_token_t()
            guard yaml_parser_scan(parser, &token) == 1 else { throw Failure() }
            defer { yaml_token_delete(&token) }
            if token.type == YAML_STREAM_END_TOKEN || token.type == YAML_NO_TOKEN { return nil }
            guard let (kind, text) = Self.content(token) else { continue }
            return Token(kind: kind, text: text, start: Int(token.start_mark.index), end: Int(token.end_mark.index))
        }
    }

    private static func content(_ token: yaml_token_t) -> (Token.Kind, String)? {
        switch token.type {
        case YAML_SCALAR_TOKEN:
            let scalar = token.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            return (.scalar(style(scalar.style)), String(decoding: bytes, as: UTF8.self))
        case YAML_ALIAS_TOKEN: return (.alias, String(cString: token.data.alias.value))
        case YAML_ANCHOR_TOKEN: return (.anchor, String(cString: token.data.anchor.value))
        case YAML_TAG_TOKEN: return (.tag, String(cString: token.data.tag.handle) + String(cString: token.data.tag.suffix))
        default: return nil
        }
    }

    private static func style(_ style: yaml_scalar_style_t) -> Node.Scalar.Style {
        switch style {
        case YAML_SINGLE_QUOTED_SCALAR_STYLE: .singleQuoted
        case YAML_DOUBLE_QUOTED_SCALAR_STYLE: .doubleQuoted
        case YAML_LITERAL_SCALAR_STYLE: .literal
        case YAML_FOLDED_SCALAR_STYLE: .folded
        default: .plain
        }
    }
}
