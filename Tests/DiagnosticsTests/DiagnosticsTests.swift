import Diagnostics
import Testing

@Suite struct DiagnosticsTests {
    @Test func aFindingSaysWhereWhatWhyAndWhatToDo() {
        let finding = Diagnostic(
            .error, "has no role", subject: "node \"m1\"", at: SourceLocation(file: "inventory/home.yaml", line: 7, column: 5),
            cause: "the field is missing", remedy: "add role: server or role: agent")
        #expect(
            finding.description
                == "inventory/home.yaml:7:5: error: node \"m1\": has no role: the field is missing\n    add role: server or role: agent")
    }

    @Test func everyLineOfARemedyIsIndented() {
        let finding = Diagnostic(.error, "its host key is not known", remedy: "Pin it:\n  hostKeys: [one]\nor leave it.")
        #expect(finding.description == "error: its host key is not known\n    Pin it:\n      hostKeys: [one]\n    or leave it.")
    }

    @Test func findingsAreToldInTheOrderOfTheirPlaces() {
        var all = Diagnostics()
        all.append(Diagnostic(.error, "without a place"))
        all.append(Diagnostic(.warning, "second", at: SourceLocation(file: "a.yaml", line: 9)))
        all.append(Diagnostic(.error, "first", at: SourceLocation(file: "a.yaml", line: 2)))
        #expect(all.sorted.map(\.summary) == ["first", "second", "without a place"])
        #expect(throws: Diagnostics.self) { try all.throwIfErrors() }
    }

    @Test func warningsAloneStopNothing() throws {
        try Diagnostics([Diagnostic(.warning, "only this")]).throwIfErrors()
    }

    @Test func foreignErrorsKeepTheirSubjectAndOursTheirPlace() {
        struct Foreign: Error, CustomStringConvertible { let description = "it broke" }
        var all = Diagnostics()
        all.append(Foreign(), subject: "node \"m1\"")
        all.append(Diagnostics([Diagnostic(.error, "one"), Diagnostic(.error, "two")]))
        #expect(all.all.map(\.summary) == ["it broke", "one", "two"])
        #expect(all.all.first?.subject == "node \"m1\"")
    }

    @Test func aSecretNeverShowsItself() {
        let secret = Secret("hunter2")
        #expect("\(secret) \(String(reflecting: secret)) \([secret])".contains("hunter2") == false)
        #expect(secret.revealed == "hunter2")
    }
}
