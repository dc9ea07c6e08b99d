import HomelabTestSupport
import Testing
import YAML

/// Texts with comments at random places, from a seed so that a failure can be repeated: what is written anew reads as before. How it
/// is written the fixtures of KustomizeTests tell, which kustomize has printed.
@Suite struct CommentedDocumentTests {
    private static let pieces = [
        "a", "b: ", "c:", "- ", "- - ", "\n", "\n", "\n\n", "  ", "\n  ", "\n    ", "[", "]", "{", "}", ", ", ": ", "\"q\"", "'s'", "|\n  ",
        "|-\n",
        "&x ", "*x", "<<: ", "!!str ", "~", "1", "# c\n", "# d\n", " # e\n", "\n# f\n", "\n  # g\n", "é", "\u{1F600}", "?", "\t", "---\n",
        "\r\n",
    ]

    @Test(arguments: 0..<60) func readsAsBefore(seed: UInt64) {
        var random = SplitMix(seed: seed)
        for _ in 0..<400 {
            let text = (0..<Int.random(in: 1...24, using: &random)).map { _ in Self.pieces.randomElement(using: &random) ?? "" }.joined()
            guard let read = CommentedDocument.first(of: text)?.document else { continue }
            let values = Self.known(read.root.texts)
            guard values.object != nil || values.array != nil else { continue }
            let again = CommentedDocument.first(of: read.text)?.document.root.texts
            #expect(again.map { Self.known($0) } == values, "\(text.debugDescription) became \(read.text.debugDescription)")
        }
    }

    /// Between brackets what is missing is written as an empty text.
    private static func known(_ value: Value) -> Value {
        switch value {
        case .null, CommentedNode.blank: .string("")
        case .array(let items): .array(items.map { known($0) })
        case .object(let object): .object(Object(object.map { Object.Member(key: $0.key, value: known($0.value)) }))
        default: value
        }
    }

    /// Deep nesting and many comments cost no more than their length.
    @Test func hostileTexts() {
        #expect(CommentedDocument.first(of: "a: " + String(repeating: "[", count: 100_000)) == nil)
        #expect(CommentedDocument.first(of: String(repeating: "- ", count: 100_000) + "a") == nil)
        let comments = "a: 1\n" + String(repeating: "# c\n\n", count: 50_000) + "b: 2\n"
        #expect(CommentedDocument.first(of: comments)?.document.root.texts["b"] == .string("2"))
    }
}
