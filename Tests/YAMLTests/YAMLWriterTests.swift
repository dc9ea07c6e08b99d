import Testing
import YAML

@Suite struct YAMLWriterTests {
    @Test(arguments: [
        ("yes", "\"yes\""), ("plain", "plain"), ("", "\"\""), ("1", "\"1\""), ("1e3", "\"1e3\""), ("12:30", "\"12:30\""),
        ("2001-01-01", "\"2001-01-01\""),
        ("null", "\"null\""), ("~", "\"~\""), ("<<", "<<"), ("1.2.3", "1.2.3"), ("a: b", "'a: b'"), ("# c", "'# c'"), ("*x", "'*x'"),
        ("é", "é"),
        ("\u{1F600}", "\"\\U0001F600\""), ("tab\there", "\"tab\\there\""), (" lead", "' lead'"), ("it's", "it's"), ("{{ x }}", "'{{ x }}'"),
        ("-", "'-'"), ("0o7", "\"0o7\""),
    ])
    func strings(text: String, expected: String) {
        #expect(YAMLWriter.text(["v": .string(text)]) == "v: \(expected)\n")
    }

    @Test(arguments: [
        (1.5, "1.5"), (1e-7, "1e-07"), (1e21, "1e+21"), (1.2345678901234568e20, "1.2345678901234568e+20"), (1_234_567.5, "1.2345675e+06"),
        (0.0001, "0.0001"), (0.00001, "1e-05"), (123456.75, "123456.75"), (-2.5, "-2.5"), (1e19, "10000000000000000000"),
    ])
    func numbers(number: Double, expected: String) {
        #expect(YAMLWriter.text(["v": .double(number)]) == "v: \(expected)\n")
    }

    @Test func structure() {
        let value: Value = ["b": [["x": 1, "y": [1, 2]], "s"], "a10": nil, "a2": true, "ab": [:], "B": [], "_z": 1]
        #expect(YAMLWriter.text(value) == "_z: 1\nB: []\na2: true\na10: null\nab: {}\nb:\n- x: 1\n  \"y\":\n  - 1\n  - 2\n- s\n")
        #expect(YAMLWriter.text(["b": 1, "a": 2], sortedKeys: false) == "b: 1\na: 2\n")
    }

    @Test func blocks() {
        #expect(YAMLWriter.text(["v": "a\nb\n"]) == "v: |\n  a\n  b\n")
        #expect(YAMLWriter.text(["v": "a\nb"]) == "v: |-\n  a\n  b\n")
        #expect(YAMLWriter.text(["v": "a\n\n"]) == "v: |+\n  a\n\n")
        #expect(YAMLWriter.text(["v": " a\nb"]) == "v: |2-\n   a\n  b\n")
        #expect(YAMLWriter.text(["v": "a \nb"]) == "v: \"a \\nb\"\n")
    }

    @Test func severalDocuments() {
        #expect(YAMLWriter.text(documents: [["v": "a\n\n"], ["w": 1]]) == "v: |+\n  a\n\n---\nw: 1\n")
    }

    @Test func longLinesFold() throws {
        let words = Array(repeating: "words", count: 20).joined(separator: " ")
        let text = YAMLWriter.text(["v": .string(words)])
        #expect(text.split(separator: "\n").count == 2)
        #expect(try YAMLReader.values(text, file: "t").first == ["v": .string(words)])
    }

    @Test func whatIsWrittenReadsBack() throws {
        let strings = [
            "y", "0644", " ", "\n", "\n\n", "a\n ", "\u{7F}", "\u{FEFF}x", "a\u{2028}b", "\t", "- a", "a:", ":", "?", "!x", "&x", "%", "@",
            "`", "[", "|", ">", "...",
        ]
        for text in strings {
            let value: Value = ["k": .string(text), text: 1]
            #expect(try YAMLReader.values(YAMLWriter.text(value), file: "t.yaml") == [value], "\(text.debugDescription)")
        }
    }
}
