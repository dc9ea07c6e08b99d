import Testing
import YAML

@Suite struct YAMLWriterTests {
    @Test(arguments: [
        ("yes", "\"yes\""), ("plain", "plain"), ("", "\"\""), ("1", "\"1\""), ("1e3", "\"1e3\""), ("12:30", "\"12:30\""),
        ("2001-01-01", "\"2001-01-01\""),
        ("null", "\"null\""), ("~", "\"~\""), ("<<", "<<"), ("1.2.3", "1.2.3"), ("a: b", "'a: b'"), ("# c", "'# c'"), ("*x", "'*x'"),
        ("é", "é"),
        ("\u{1F600}", "\"\\U0001F600\""), ("tab\there", "\"tab\\there\""), (" lead", "' lead'"), ("it's", "it's"), ("{{ x }}", "'{{ x }}'"),
        ("-", "'-'"), ("0o7", "\"0o7\""), ("\u{FEFF}a b", "\"\\uFEFF\\x61\\x20\\x62\""), ("a\u{FEFF} b", "\"a\\uFEFF b\""),
    ])
    func strings(text: String, expected: String) {
        #expect(YAMLWriter.text(["v": .string(text)]) == "v: \(expected)\n")
    }

    @Test(arguments: [
        (1.5, "1.5"), (1e-7, "1e-07"), (1e21, "1e+21"), (1.2345678901234568e20, "1.2345678901234568e+20"), (1_234_567.5, "1.2345675e+06"),
        (0.0001, "0.0001"), (0.00001, "1e-05"), (123456.75, "123456.75"), (-2.5, "-2.5"), (1e19, "10000000000000000000"),
        (1.2345678901234567e19, "12345678901234567000"), (-1.2345678901234568e18, "-1234567890123456800"), (2e19, "2e+19"),
    ])
    func numbers(number: Double, expected: String) {
        #expect(YAMLWriter.text(["v": .double(number)]) == "v: \(expected)\n")
    }

    @Test(arguments: [UInt64(1) << 63, 12_345_678_901_234_567_890, .max]) func integersKeepTheirDigits(number: UInt64) throws {
        let text = YAMLWriter.text(["v": .uint(number)])
        #expect(text == "v: \(number)\n")
        let read = try #require(try YAMLReader.values(text, file: "t.yaml").first)
        #expect(read == ["v": .uint(number)])
        #expect(read.hashValue == Value.object(Object([.init(key: "v", value: .uint(number))])).hashValue)
        #expect(read != ["v": .uint(number - 1)])
        #expect(Value.uint(number).scalarText == String(number))
        #expect(Value.uint(number).double == Double(number))
    }

    @Test func structure() {
        // Letters, digits and all else as Unicode has them.
        #expect(
            YAMLWriter.text(["\u{1F600}": 1, "1": 1, "é": 1, "z": 1, "~": 1], sortedKeys: true).hasPrefix(
                "\"~\": 1\n\"\\U0001F600\": 1\n\"1\": 1\nz: 1\né: 1\n"))
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
