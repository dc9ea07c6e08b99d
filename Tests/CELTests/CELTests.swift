import Foundation
import Testing
import YAML

@testable import CEL

@Suite struct CELTests {
    /// A line of a file: an expression and, behind the last `=>`, another of the same value, or `error:` and a part of the message.
    struct Case: CustomTestStringConvertible, Sendable {
        let file: String
        let line: Int
        let expression: String
        let expected: String

        var testDescription: String { "\(file):\(line) \(expression)" }
    }

    private static func fixture(_ name: String) -> String {
        let file = Bundle.module.resourceURL?.appendingPathComponent("Fixtures/" + name)
        return file.flatMap { try? String(contentsOf: $0, encoding: .utf8) } ?? ""
    }

    private static let files = [
        "grammar", "arithmetic", "comparison", "logic", "collections", "texts", "conversions", "time", "optionals", "objects",
    ]

    static let cases: [Case] = files.flatMap { file in
        fixture(file + ".cases").components(separatedBy: "\n").enumerated().compactMap { index, line -> Case? in
            guard !line.isEmpty, !line.hasPrefix("#"), let arrow = line.range(of: " => ", options: .backwards) else { return nil }
            return Case(
                file: file, line: index + 1, expression: String(line[..<arrow.lowerBound]), expected: String(line[arrow.upperBound...]))
        }
    }

    static let variables = (try? YAMLReader.values(fixture("variables.yaml"), file: "variables.yaml"))?.first?.object ?? Object()

    @Test func `every file has cases`() { #expect(Set(Self.cases.map(\.file)) == Set(Self.files) && Self.cases.count > 400) }

    static func value(_ text: String) throws(ExpressionError) -> CELValue {
        try CELExpression(text).value(within: Budget(limit: 20_000)) { variables[$0].map { CELValue($0) } }
    }

    @Test(arguments: cases) func `an expression gives its value or its error`(_ example: Case) throws {
        let expected = example.expected.hasPrefix("error: ") ? String(example.expected.dropFirst(7)) : nil
        do throws(ExpressionError) {
            let found = try Self.value(example.expression)
            if let expected { Issue.record("\(example.expression) is \(found), not an error of \(expected)") }
            let wanted = try Self.value(expected == nil ? example.expected : "null")
            var budget = Budget()
            let isEqual = try? budget.equal(found, wanted)
            #expect(expected != nil || (isEqual == true && found.type == wanted.type), "\(found), not \(wanted)")
        } catch {
            #expect(expected.map { error.description.contains($0) } ?? false, "\(error)")
        }
    }

    // MARK: Reading

    @Test func `an error names its line and column`() {
        #expect(
            Self.problem("true &&\n  // a remark\n  status.conditions.exists(c, c.type = 'Ready')")
                == "3:38: the character = has no meaning here")
        #expect(Self.problem("status.phase ==\n'Running'") == "1:8: no such key: phase")
    }

    @Test func `a variable that is not declared is refused`() throws {
        #expect(throws: ExpressionError.self) { try CELExpression("self.a == other.b", variables: ["self", "dep"]) }
        do throws(ExpressionError) {
            _ = try CELExpression("self.a.all(x, x == y)", variables: ["self", "dep"])
        } catch {
            #expect(error.description == "1:20: there is no variable y; there are dep, self")
        }
        _ = try CELExpression("self.a.all(x, x == dep.b) && type(1) == int", variables: ["self", "dep"])
    }

    @Test(arguments: ["1 + 2", "'a'", "[true]", "size(dep)", "dep.x ? 1 : 2", "-dep.x"])
    func `a condition that can be neither true nor false is refused`(_ text: String) {
        #expect(throws: ExpressionError.self) { try CELExpression(text, isCondition: true) }
    }

    @Test(arguments: ["dep.x", "dep.x ? true : dep.y", "has(dep.x)", "dep.all(x, true)", "'a'.matches('a')", "dep.?x.orValue(false)"])
    func `a condition that may hold is taken`(_ text: String) throws { _ = try CELExpression(text, isCondition: true) }

    @Test func `only a truth value holds`() throws {
        #expect(throws: ExpressionError.self) { try CELExpression("spec.replicas").holds(for: Self.variables) }
        #expect(try CELExpression("spec.replicas == 3").holds(for: Self.variables))
    }

    // MARK: Limits

    /// A long expression with a short name.
    struct Hostile: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let text: String

        init(_ name: String, _ text: String) {
            testDescription = name
            self.text = text
        }

        static func repeated(_ part: String, _ count: Int = 10_000, end: String = "") -> Hostile {
            Hostile("\(part) \(count) times", String(repeating: part, count: count) + end)
        }

        private static let tenfold = (0..<12).reduce("[1]") { text, _ in "[\(text)].map(s, [s, s, s, s, s, s, s, s, s, s])" }
        private static let loops = (0..<8).reduce("true") { text, index in "[1,2,3,4,5,6,7,8,9,10].all(x\(index), \(text))" }

        static let work = [
            Hostile("a text that doubles", (0..<60).reduce("'x'") { text, _ in "[\(text)].map(s, s + s)[0]" }),
            Hostile("a comparison of lists that grow tenfold", "\(tenfold) == \(tenfold)"),
            Hostile("a text of a list that grows tenfold", "'%s'.format([\(tenfold)]) == ''"),
            Hostile("loops in loops", loops),
            Hostile("loops whose answer does not matter", "false || \(loops) || true"),
            Hostile("a large regular expression", "'\(String(repeating: "a", count: 20_000))'.matches('((a{1,30}){1,30}){1,10}b')"),
        ]

        static let depth = [
            repeated("("), repeated("["), repeated("{1:"), repeated("a.b("), repeated("a?b:"), repeated("1+", end: "1"),
            repeated("a.", end: "a"), repeated("[0]"), repeated("1+", 60_000, end: "1"),
        ]
    }

    @Test(arguments: Hostile.work) func `too much work ends with an error`(_ hostile: Hostile) {
        #expect(Self.problem(hostile.text)?.contains("takes too much work") == true)
    }

    @Test(arguments: Hostile.depth) func `too deep or long an expression ends with an error`(_ hostile: Hostile) async {
        // On the small stack of a task's thread.
        let problem = await Task.detached { Self.problem(hostile.text) }.value
        #expect(problem?.contains("nested") == true || problem?.contains("longer than") == true, "\(problem ?? "")")
    }

    @Test func `what people write is not too deep`() async throws {
        let sum = "1" + String(repeating: "+1", count: 150) + " == 151"
        let nested = String(repeating: "(", count: 150) + "true" + String(repeating: ")", count: 150)
        let wide = (0..<2000).map { "spec.replicas == \($0)" }.joined(separator: " || ")
        for text in [sum, nested, wide, String(repeating: "!", count: 1000) + "true"] {
            let holds = try await Task.detached { try CELExpression(text).holds(for: Self.variables) }.value
            #expect(holds)
        }
    }

    private static func problem(_ text: String) -> String? {
        do throws(ExpressionError) {
            _ = try value(text)
            return nil
        } catch {
            return error.description
        }
    }
}
