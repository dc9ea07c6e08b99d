import HomelabTestSupport
import Testing
import YAML

/// Texts put together at random, from a seed so that a failure can be repeated: reading ends with values or with an error, and
/// what was read can be written and read again.
@Suite struct FuzzTests {
    private static let pieces = [
        "a", "b: ", "- ", "\n", "  ", "\n  ", "[", "]", "{", "}", ",", ": ", "\"", "'", "|", ">", "|+", "&x ", "*x", "<<", "!!str ",
        "!!binary ", "~", "null", "yes", "0x1F", "1e3",
        ".inf", "2001-01-01", "---\n", "...\n", "# c\n", "\t", "é", "\u{1F600}", "\u{FEFF}", "?", "%YAML 1.1\n", "\\u00", "12:30", "\\",
        "@", "\u{0}", "-", "-1", "true",
    ]

    @Test(arguments: 0..<40) func yaml(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        for _ in 0..<250 {
            let count = Int.random(in: 1...40, using: &random)
            let text = (0..<count).map { _ in Self.pieces.randomElement(using: &random) ?? "" }.joined()
            for schema in [YAMLSchema.kubernetes, .resource, .targetedPatch] {
                guard let values = try? YAMLReader.values(text, file: "f", schema: schema, duplicateKeys: .lastWins) else { continue }
                let nodes = try YAMLReader.documents(text, file: "f", schema: schema, duplicateKeys: .lastWins)
                #expect(nodes.map(\.value) == values, "\(text.debugDescription)")
                for rule in [DocumentRule.first, .separated] {
                    _ = try? YAMLReader.values(text, file: "f", schema: schema, duplicateKeys: .firstWins, rule: rule)
                }
                let again = try YAMLReader.values(YAMLWriter.text(documents: values), file: "f")
                #expect(again == values, "\(text.debugDescription)")
            }
        }
    }

    @Test(arguments: 0..<20) func json(seed: UInt64) throws {
        let pieces = [
            "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "1", "-", "0.5", "e9", "true", "null", " ", "\\", "\\u12", "\\ud83d\\ude00", "\n",
            "é", "\u{1}", "1e400",
        ]
        var random = SplitMix(seed: seed)
        for _ in 0..<500 {
            let text = (0..<Int.random(in: 1...16, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            guard let value = try? JSONReader.value(text) else { continue }
            #expect(try JSONReader.value(JSONWriter.text(value)) == value, "\(text.debugDescription)")
            #expect(try JSONReader.value(JSONWriter.text(value, sortedKeys: true, pretty: true)) == value, "\(text.debugDescription)")
        }
    }
}
