import CLibyaml

/// Words between brackets or braces that end with a colon, as in `[http:, b]`: go-yaml takes the colon for a part of them, libyaml
/// refuses it. Quotes around such a word make both read the same.
enum FlowColons {
    static let problem = "found unexpected ':'"
    /// How many such words of a text are looked for.
    private static let maximum = 64
    /// How deep brackets may stand within one another: what libyaml does with a token takes longer with each.
    private static let maximumDepth = 100

    /// The text with such words in quotes; nil where there are none, or too many.
    static func quoted(_ text: String) -> String? {
        var characters = Array(text.unicodeScalars)
        for count in 0..<maximum {
            guard let word = word(in: characters) else { return count > 0 ? string(characters[...]) : nil }
            let inner = characters[word].flatMap { $0 == "'" ? ["'", "'"] : [$0] }
            characters.replaceSubrange(word, with: ["'"] + inner + ["'"])
        }
        return nil
    }

    private static func string(_ characters: ArraySlice<Unicode.Scalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: characters)
        return String(view)
    }

    /// Where the first of them stands.
    private static func word(in characters: [Unicode.Scalar]) -> Range<Int>? {
        var bytes = string(characters[...])
        return bytes.withUTF8 { bytes in
            var parser = yaml_parser_t()
            guard yaml_parser_initialize(&parser) == 1 else { return nil }
            defer { yaml_parser_delete(&parser) }
            yaml_parser_set_input_string(&parser, bytes.baseAddress, bytes.count)
            var depth = 0
            while depth < maximumDepth {
                var token = yaml_token_t()
                guard yaml_parser_scan(&parser, &token) == 1 else { break }
                defer { yaml_token_delete(&token) }
                switch token.type {
                case YAML_STREAM_END_TOKEN, YAML_NO_TOKEN: return nil
                case YAML_FLOW_SEQUENCE_START_TOKEN, YAML_FLOW_MAPPING_START_TOKEN: depth += 1
                case YAML_FLOW_SEQUENCE_END_TOKEN, YAML_FLOW_MAPPING_END_TOKEN: depth -= 1
                default: break
                }
            }
            guard parser.problem.map({ String(cString: $0) }) == problem else { return nil }
            let (start, end) = (Int(parser.context_mark.index), Int(parser.problem_mark.index))
            return start < end && end < characters.count && characters[end] == ":" ? start..<end + 1 : nil
        }
    }
}
