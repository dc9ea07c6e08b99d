import Testing
import YAML

@Suite struct JSONTests {
    @Test(
        arguments: [
            ("null", nil), (" [1, -2, 3.5, 1e2, 1.0]", [1, -2, 3.5, 100, 1]), ("{\"a\":{\"b\":[]},\"a\":{}}", ["a": [:]]),
            ("9223372036854775807", 9_223_372_036_854_775_807),
            ("-9223372036854775808", .int(.min)), ("18446744073709551616", 18446744073709551616.0),
            ("[9223372036854775808,18446744073709551615]", [.uint(1 << 63), .uint(.max)]), ("1e19", .uint(10_000_000_000_000_000_000)),
            ("\"a\\u00e9\\n\\\"\\/\"", "aé\n\"/"),
            ("\"\\ud83d\\ude00\"", "\u{1F600}"), ("\"\\ud83dx\"", "\u{FFFD}x"), ("[true,false]", [true, false]), ("\u{FEFF}{}", [:]),
        ] as [(String, Value)])
    func reads(text: String, expected: Value) throws {
        #expect(try JSONReader.value(text) == expected)
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\" 1}", "01", "1.", ".5", "\"a", "\"\\x\"", "\"\u{1}\"", "tru", "1 2", "{a:1}", "1e999", "-", "\"\\u12\"",
    ])
    func refuses(text: String) {
        #expect(throws: JSONError.self) { try JSONReader.value(text) }
    }

    @Test func depthIsBounded() {
        #expect(throws: JSONError.self) { try JSONReader.value(String(repeating: "[", count: 100_000)) }
    }

    @Test func errorsNameThePlace() {
        let error = #expect(throws: JSONError.self) { try JSONReader.value("{\n  \"a\": x}") }
        #expect(error?.line == 2)
        #expect(error?.column == 8)
    }

    @Test func writes() {
        let value: Value = ["b": [1, 2.5, nil, true], "a": "x\"\\\n\u{1}<&>\u{2028}é", "c": [:], "d": []]
        #expect(JSONWriter.text(value) == "{\"b\":[1,2.5,null,true],\"a\":\"x\\\"\\\\\\n\\u0001<&>\u{2028}é\",\"c\":{},\"d\":[]}")
        #expect(
            String(decoding: JSONWriter.bytes(value, sortedKeys: true, escapesHTML: true), as: UTF8.self)
                == "{\"a\":\"x\\\"\\\\\\n\\u0001\\u003c\\u0026\\u003e\\u2028é\",\"b\":[1,2.5,null,true],\"c\":{},\"d\":[]}")
        #expect(JSONWriter.text(["a": [1], "b": [:]], pretty: true) == "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}")
        #expect(JSONWriter.text([.uint(12_345_678_901_234_567_890), .uint(.max)]) == "[12345678901234567890,18446744073709551615]")
        #expect(JSONWriter.text(1e21) == "1e+21")
        #expect(JSONWriter.text(1e-7) == "1e-7")
        #expect(JSONWriter.text(1e20) == "100000000000000000000")
    }
}
