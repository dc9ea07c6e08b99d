import CLibyaml

/// libyaml's tokens of a text that carry something: scalars, aliases, anchors and tags, one after the other. Tags are what they
/// stand for by the directives before them.
final class ContentTokens {
    struct Token {
        enum Kind { case scalar(Node.Scalar.Style), alias, anchor, tag }

        var kind: Kind
        var text: String
        /// In characters from the start of the text.
        var start: Int
        var end: Int
    }

    struct Failure: Error {
        /// Whether libyaml met a colon that go-yaml takes for a part of a word.
        var isFlowColon = false
    }

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let bytes: UnsafeMutableBufferPointer<UInt8>
    /// What `%TAG` says.
    private var prefixes: [String: String] = [:]
    private static let yamlPrefix = "tag:yaml.org,2002:"

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
            guard yaml_parser_scan(parser, &token) == 1 else {
                throw Failure(isFlowColon: parser.pointee.problem.map { String(cString: $0) } == FlowColons.problem)
            }
            defer { yaml_token_delete(&token) }
            if token.type == YAML_STREAM_END_TOKEN || token.type == YAML_NO_TOKEN { return nil }
            try noteDirective(token)
            guard let (kind, text) = try content(token) else { continue }
            return Token(kind: kind, text: text, start: Int(token.start_mark.index), end: Int(token.end_mark.index))
        }
    }

    /// As go-yaml has it: of one version, and each handle once.
    private func noteDirective(_ token: yaml_token_t) throws(Failure) {
        switch token.type {
        case YAML_VERSION_DIRECTIVE_TOKEN:
            guard token.data.version_directive.major == 1, token.data.version_directive.minor == 1 else { throw Failure() }
        case YAML_TAG_DIRECTIVE_TOKEN:
            let handle = String(cString: token.data.tag_directive.handle)
            guard prefixes.updateValue(String(cString: token.data.tag_directive.prefix), forKey: handle) == nil else { throw Failure() }
        default: return
        }
    }

    /// A tag as go-yaml keeps it: `!!` where YAML's own prefix stands.
    private func tag(handle: String, suffix: String) throws(Failure) -> String {
        let tag: String
        switch (prefixes[handle], handle) {
        case (let prefix?, _): tag = prefix + suffix
        case (nil, ""), (nil, "!"): tag = handle + suffix
        case (nil, "!!"): tag = Self.yamlPrefix + suffix
        default: throw Failure()
        }
        return tag.hasPrefix(Self.yamlPrefix) ? "!!" + tag.dropFirst(Self.yamlPrefix.count) : tag
    }

    private func content(_ token: yaml_token_t) throws(Failure) -> (Token.Kind, String)? {
        switch token.type {
        case YAML_SCALAR_TOKEN:
            let scalar = token.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            return (.scalar(Self.style(scalar.style)), String(decoding: bytes, as: UTF8.self))
        case YAML_ALIAS_TOKEN: return (.alias, String(cString: token.data.alias.value))
        case YAML_ANCHOR_TOKEN: return (.anchor, String(cString: token.data.anchor.value))
        case YAML_TAG_TOKEN:
            return (.tag, try tag(handle: String(cString: token.data.tag.handle), suffix: String(cString: token.data.tag.suffix)))
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
