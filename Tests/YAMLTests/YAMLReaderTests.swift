import Testing
import YAML

private func value(_ text: String, schema: YAMLSchema = .kubernetes) throws -> Value {
    try #require(try YAMLReader.values("v: " + text, file: "t.yaml", schema: schema).first?["v"])
}

@Suite struct ScalarTests {
    @Test(
        arguments: [
            ("yes", true), ("no", false), ("on", true), ("Off", false), ("y", true), ("N", false), ("TRUE", true), ("\"yes\"", "yes"),
            ("!!str yes", "yes"),
            ("0644", 420), ("0o644", 420), ("0x1F", 31), ("0b11", 3), ("1_000", 1000), ("+1", 1), ("-7", -7), ("09", 9), ("-0", 0),
            ("1e3", 1000), ("1.0", 1), ("1.10", 1.1), (".5", 0.5), ("1e-7", 1e-7), ("9007199254740993", 9_007_199_254_740_993),
            ("9223372036854775807", 9_223_372_036_854_775_807), ("123456789012345678901", 1.2345678901234568e20),
            ("9223372036854775808", .uint(1 << 63)), ("12345678901234567890", .uint(12_345_678_901_234_567_890)),
            ("0xFFFFFFFFFFFFFFFF", .uint(.max)), ("18446744073709551616", 18_446_744_073_709_551_616.0),
            ("-9223372036854775808", .int(.min)),
            ("-9223372036854775809", -9_223_372_036_854_775_809.0), ("1e19", .uint(10_000_000_000_000_000_000)),
            ("1234567890123456789.0", 1_234_567_890_123_456_800), ("!!int 12345678901234567890", .uint(12_345_678_901_234_567_890)),
            ("~", nil), ("null", nil), ("", nil), ("2001-01-01", "2001-01-01"), ("12:30", "12:30"), ("0x", "0x"), ("1e400", "1e400"),
            ("-", ["-"]),
            ("1.2.3", "1.2.3"), ("08x", "08x"), ("!!int \"3\"", 3), ("!!float 1", 1), ("!!binary aGk=", "hi"), ("'~'", "~"),
            ("nope", "nope"),
        ] as [(String, Value)])
    func kubernetes(text: String, expected: Value) throws {
        if text == "-" { return }
        #expect(try value(text) == expected)
    }

    @Test(
        arguments: [
            ("yes", "yes"), ("y", "y"), ("on", "on"), ("true", true), ("0644", 420), ("2001-01-01", "2001-01-01T00:00:00Z"),
            ("12:30", "12:30"),
            ("2001-12-14t21:59:43.10-05:00", "2001-12-14T21:59:43.1-05:00"), ("2001-1-2 3:4:5", "2001-01-02T03:04:05Z"),
            ("2001-13-01", "2001-13-01"),
        ] as [(String, Value)])
    func resource(text: String, expected: Value) throws {
        #expect(try value(text, schema: .resource) == expected)
    }

    @Test func annotationsOfResourcesAreText() throws {
        let text = "metadata: {annotations: {a: 1.10, b: true, c: ~}, labels: {a: 1.10}}"
        let read = try #require(try YAMLReader.values(text, file: "t.yaml", schema: .resource).first)
        #expect(read == ["metadata": ["annotations": ["a": "1.10", "b": "true", "c": "~"], "labels": ["a": 1.1]]])
        // In patches nulls delete; of those for whatever a target selects the labels are text too.
        let patch = try #require(try YAMLReader.values(text, file: "t.yaml", schema: .patch).first)
        #expect(patch == ["metadata": ["annotations": ["a": "1.10", "b": "true", "c": nil], "labels": ["a": 1.1]]])
        let targeted = try #require(try YAMLReader.values(text, file: "t.yaml", schema: .targetedPatch).first)
        #expect(targeted == ["metadata": ["annotations": ["a": "1.10", "b": "true", "c": "~"], "labels": ["a": "1.10"]]])
        let none = try YAMLReader.values("metadata: {annotations: ~}", file: "t.yaml", schema: .resource)
        #expect(none == [["metadata": ["annotations": nil]]])
    }

    @Test(arguments: [
        (">-\n  a\n    b\n  c\n", "a\n\n  b\nc"), (">\n  a\n  b\n\n  c\n", "a b\nc\n"), (">+\n  a\n\n", "a\n\n\n"),
        (">2\n    a\n  b\n  c\n", "  a\nb c\n"), (">\n  a\n", "a\n"), (">\n\n  a\n  b\n", "\na b\n"),
    ]) func foldedTextIsRewritten(text: String, expected: String) throws {
        #expect(try value(text, schema: .resource) == .string(expected))
    }

    @Test func bracketsAndBracesHoldTexts() throws {
        #expect(try value("[2001-01-01 10:00:00, 2001-01-01]", schema: .resource) == ["2001-01-01 10:00:00", "2001-01-01T00:00:00Z"])
        #expect(try value("[a:b, -x]") == ["a:b", "-x"])
        for schema in [YAMLSchema.kubernetes, .resource, .patch] {
            #expect(throws: YAMLError.self) { try value("[a?b]", schema: schema) }
        }
        #expect(try value("['a?b', \"c?\"]") == ["a?b", "c?"])
        #expect(try value("a?b") == "a?b")
    }

    @Test(arguments: [
        ("\"x\\Ny\"", "x y"), ("\"x \\N \\N y\"", "x\ny"), ("\"\\N\"", " "), ("\"x  y\\N\"", "x  y "), ("\"\\L\"", "\u{2028}"),
        ("\"é\"", "é"),
    ]) func nextLinesAreFolded(text: String, expected: String) throws {
        #expect(try value(text, schema: .resource) == .string(expected))
    }

    @Test(arguments: ["\"\\x7f\"", "\"\\x80\"", "\"a\\uFFFF\""]) func controlCharactersAreRefusedInResources(text: String) throws {
        #expect(throws: YAMLError.self) { try value(text, schema: .resource) }
        #expect(try value(text).string != nil)
    }

    @Test func documentsPartAtSeparatorLines() throws {
        func read(_ text: String) throws -> [Value] { try YAMLReader.values(text, file: "t.yaml", rule: .separated) }
        #expect(try read("a\n---\nb\n--- # c\n---\nc\n---\n") == ["a", "b", "c"])
        #expect(try read("a\n...\n[\n---\r\nb\n") == ["a", "b"])
        #expect(try read("{}\nmore\n---\nb\n") == [[:], "b"])
        #expect(try read("") == [])
        #expect(try read("---") == [])
        let error = #expect(throws: YAMLError.self) { try read("a\n---\nb\n--- c\n") }
        #expect(error?.line == 4)
        let later = #expect(throws: YAMLError.self) { try read("a\n---\nb: [\n") }
        #expect(later?.line == 4)
        #expect(try YAMLReader.values("a\n---\n[", file: "t.yaml", rule: .first) == ["a"])
    }

    @Test(arguments: [".inf", "-.INF", ".nan"]) func numbersWithoutJSONFormAreRefused(text: String) {
        #expect(throws: YAMLError.self) { try value(text) }
    }
}

@Suite struct StructureTests {
    @Test func severalDocumentsAndEmptyOnes() throws {
        let read = try YAMLReader.values("---\n# nothing\n---\na: 1\n---\n---\n- b\n...\n", file: "t.yaml")
        #expect(read == [["a": 1], ["b"]])
    }

    @Test func anchorsAndMergeKeys() throws {
        let text = "base: &b {x: 1, w: 2}\none: &o {w: 3}\nuse:\n  <<: [*o, *b]\n  z: *o\n"
        let read = try #require(try YAMLReader.values(text, file: "t.yaml").first)
        #expect(read["use"] == ["z": ["w": 3], "w": 3, "x": 1])
        let node = try #require(try YAMLReader.documents(text, file: "t.yaml").first)
        #expect(node.value == read)
        #expect(node["use"]?["x"]?.mark == Mark(line: 1, column: 14))
    }

    @Test func keysAreText() throws {
        let read = try YAMLReader.values("{1: a, yes: b, null: c, 1.5: d}", file: "t.yaml")
        #expect(read == [["1": "a", "true": "b", "null": "c", "1.5": "d"]])
        // kustomize has no JSON for mappings with other keys; at the top it takes their text.
        #expect(try YAMLReader.values("1: a", file: "t.yaml", schema: .resource) == [["1": "a"]])
        #expect(try YAMLReader.values("s: {yes: a, '1': b}", file: "t.yaml", schema: .resource) == [["s": ["yes": "a", "1": "b"]]])
        let error = #expect(throws: YAMLError.self) { try YAMLReader.values("s: {1: a}", file: "t.yaml", schema: .resource) }
        #expect(error?.column == 5)
    }

    @Test func mergeKeysOfResources() throws {
        #expect(try YAMLReader.values("s: {'<<': 1, a: 2}", file: "t.yaml", schema: .resource) == [["s": ["a": 2]]])
        #expect(try YAMLReader.values("s: {'<<': 1, a: 2}", file: "t.yaml") == [["s": ["<<": 1, "a": 2]]])
        #expect(throws: YAMLError.self) { try YAMLReader.values("{<<: {a: 1}, <<: {b: 2}}", file: "t.yaml", schema: .resource) }
        #expect(try YAMLReader.values("{<<: {a: 1}, <<: {b: 2}}", file: "t.yaml") == [["a": 1, "b": 2]])
    }

    @Test func duplicateKeys() throws {
        #expect(try YAMLReader.values("a: 1\nb: 2\na: 3", file: "t.yaml", duplicateKeys: .lastWins) == [["a": 3, "b": 2]])
        let error = #expect(throws: YAMLError.self) { try YAMLReader.documents("a: 1\n  \nb: 2\na: 3", file: "t.yaml") }
        #expect(error?.description == "t.yaml:4:1: key \"a\" is set twice in one mapping")
    }

    @Test func allDuplicateKeysAreToldAndWhatEndsTheReading() {
        let text = "a: 1\na: 2\nb: {c: 1, c: 2}\n---\nd: 1\nd: 2\ne: ["
        let last: [DocumentRule: Int] = [.all: 8, .separated: 8, .first: 3]
        for (rule, last) in last {
            let error = #expect(throws: YAMLError.self) { try YAMLReader.documents(text, file: "t.yaml", rule: rule) }
            #expect(error?.all.map(\.line).prefix(2) == [2, 3] && error?.all.last?.line == last, "\(rule): \(error?.description ?? "")")
        }
        let error = #expect(throws: YAMLError.self) { try YAMLReader.values("a: 1\na: 2\nb: [c", file: "t.yaml") }
        #expect(
            error?.moved(by: 10).description == """
                t.yaml:12:1: key "a" is set twice in one mapping
                t.yaml:14:1: did not find expected ',' or ']' (while parsing a flow sequence from line 13)
                """)
    }

    @Test(arguments: ["a: *", "a: *.example.org", "a: [*-x.y]", "a: &", "*nowhere"]) func signsThatMeanAliasesAndAnchors(text: String) {
        let error = #expect(throws: YAMLError.self) { try YAMLReader.values(text, file: "t.yaml") }
        #expect(error?.context.hasPrefix("put it in quotes if a text is meant") == true, "\(error?.description ?? "")")
    }

    @Test func duplicateKeysInLargeMappings() throws {
        let text = (0..<100).map { "k\($0): \($0)\n" }.joined()
        #expect(try YAMLReader.values(text, file: "t.yaml").first?.object?.count == 100)
        #expect(throws: YAMLError.self) { try YAMLReader.values(text + "k50: 1\n", file: "t.yaml") }
        #expect(try YAMLReader.values(text + "k50: x\n", file: "t.yaml", duplicateKeys: .lastWins).first?["k50"] == "x")
    }

    @Test func nodesKnowTheirPlaces() throws {
        let node = try #require(try YAMLReader.documents("# c\nnodes:\n  - name: m1\n    port: 22\n", file: "t.yaml").first)
        let port = try #require(node["nodes"]?[0]?.entry("port"))
        #expect(port.key.mark == Mark(line: 4, column: 5))
        #expect(port.value.mark == Mark(line: 4, column: 11))
        #expect(port.value.int == 22)
        #expect(port.value.text == "22")
        #expect(port.value.string == nil)
        #expect(node.kindName == "a mapping")
    }

    @Test func errorsNameThePlace() {
        let error = #expect(throws: YAMLError.self) { try YAMLReader.values("a:\n\t- b\n", file: "x/y.yaml") }
        #expect(error?.file == "x/y.yaml")
        #expect(error?.line == 2)
        #expect(throws: YAMLError.self) { try YAMLReader.values("a: *nowhere", file: "t.yaml") }
        #expect(throws: YAMLError.self) { try YAMLReader.values("a: &x [*x]", file: "t.yaml") }
        #expect(throws: YAMLError.self) { try YAMLReader.values(bytes: [0x61, 0x3A, 0x20, 0xFF, 0xFE], file: "t.yaml") }
        #expect(throws: YAMLError.self) { try YAMLReader.values("? [a]\n: b", file: "t.yaml") }
    }
}

@Suite struct LimitTests {
    @Test func aliasBomb() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            text += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ") + "]\n"
        }
        let error = #expect(throws: YAMLError.self) { try YAMLReader.values(text, file: "bomb.yaml") }
        #expect(error?.problem == "more than 4000000 values")
    }

    @Test func aliasedText() {
        let text =
            "a: &a \"" + String(repeating: "x", count: 1000) + "\"\nb: [" + Array(repeating: "*a", count: 1000).joined(separator: ",") + "]"
        #expect(throws: YAMLError.self) { try YAMLReader.values(text, file: "t.yaml", limits: YAMLLimits(scalarBytes: 100_000)) }
        #expect(throws: Never.self) { try YAMLReader.values(text, file: "t.yaml") }
    }

    @Test func depthSizeAndCount() {
        let deep = String(repeating: "[", count: 5000)
        #expect(throws: YAMLError.self) { try YAMLReader.values(deep, file: "t.yaml") }
        #expect(throws: YAMLError.self) { try YAMLReader.values("abcdef", file: "t.yaml", limits: YAMLLimits(bytes: 5)) }
        #expect(throws: YAMLError.self) { try YAMLReader.values("a\n---\nb\n---\nc", file: "t.yaml", limits: YAMLLimits(documents: 2)) }
    }
}
