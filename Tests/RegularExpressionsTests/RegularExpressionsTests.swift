import RegularExpressions
import Testing

@Suite struct RegularExpressionsTests {
    @Test(arguments: [
        ("abc", "xabcx"), ("^abc$", "abc"), ("a.c", "a\u{e9}c"), ("a*b+c?", "bb"), ("^(a|b)*$", "abba"), ("^a{2,3}$", "aaa"),
        ("^a{2}$", "aa"), ("^a{2,}$", "aaaaa"), ("a{,2}", "a{,2}"), ("^[a-c]+$", "abc"), ("^[^a-c]$", "d"), ("^[]a]+$", "]a"),
        ("^[a\\-z]+$", "-az"), ("^\\d+\\.\\w+$", "12.x_1"), ("^\\D\\W\\S$", "a-b"), ("\\bword\\b", "a word here"), ("o\\B", "words of"),
        ("(?i)ABC", "abc"), ("(?i:a)B", "AB"), ("(?m)^b$", "a\nb\nc"), ("(?s)a.b", "a\nb"), ("^\\Qa.b\\E$", "a.b"),
        ("^\\x41\\x{42}$", "AB"),
        ("^(?P<name>a)(?<other>b)$", "ab"), ("^[[:alpha:]][[:^digit:]]$", "ab"), ("^\\pL\\p{Lu}\\P{Nd}$", "\u{e9}\u{c9}x"),
        ("^[\\p{Nd}x]+$", "1\u{663}x"), ("^\\p{^L}$", "1"), ("", ""), ("a||b", ""), ("^[^\\d\\s]$", "x"), ("\\Aa\\z", "a"),
    ])
    func `it matches`(_ pattern: String, _ text: String) throws {
        #expect(try RegularExpression(pattern).matches(text))
    }

    @Test(arguments: [
        ("^abc$", "abcd"), ("a.c", "a\nc"), ("^a{2,3}$", "aaaa"), ("^[a-c]+$", "abd"), ("ABC", "abc"), ("^b$", "a\nb"),
        ("\\bword", "sword"),
        ("^\\p{Lu}$", "a"), ("^[[:^digit:]]$", "1"), ("^\\P{L}$", "a"), ("e\u{301}", "\u{e9}"), ("(?i:a)B", "ab"),
    ])
    func `it does not match`(_ pattern: String, _ text: String) throws {
        #expect(try !RegularExpression(pattern).matches(text))
    }

    @Test func `anchored, it is the whole text`() throws {
        let expression = try RegularExpression(anchored: "a|bc")
        #expect(expression.matches("bc") && expression.matches("a") && !expression.matches("abc") && !expression.matches("ac"))
        #expect(try !RegularExpression(anchored: "plain").matches("plainer"))
    }

    @Test(arguments: [
        "(", ")", "a)", "[a", "[b-a]", "*a", "a**", "a{3,2}", "a{1001}", "\\", "\\y", "(?x)", "\\p{Greek}", "\\pX", "[[:nope:]]",
        "\\x{110000}", "(?P<a",
        String(repeating: "(", count: 1000), "((a{1000}){1000}){1000}",
    ])
    func `it is refused`(_ pattern: String) {
        #expect(throws: RegularExpression.Failure.self) { try RegularExpression(pattern) }
    }

    @Test(arguments: ["((((){1000}){1000}){1000}){1000}", "(a*)*b", "(a|a)*b", "(a?){500}a{500}b"])
    func `none takes longer than its text times its size`(_ pattern: String) throws {
        let clock = ContinuousClock()
        let time = try clock.measure { _ = try RegularExpression(pattern).matches(String(repeating: "a", count: 500)) }
        #expect(time < .seconds(200))
    }
}
