import Diagnostics
import Foundation
import Testing

@testable import Provisioning

@Suite struct JoinDiagnosisTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/journals")
    static let cases = (try? FileManager.default.contentsOfDirectory(atPath: folder.path))?.sorted() ?? []

    static func lines(_ name: String) throws -> [String] {
        try String(contentsOf: folder.appending(path: name + "/journal"), encoding: .utf8).split(separator: "\n").map(String.init)
    }

    @Test(arguments: cases) func journalTellsTheCause(name: String) throws {
        let expected = try String(contentsOf: Self.folder.appending(path: name + "/cause"), encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(JoinDiagnosis(journal: try Self.lines(name))?.cause.rawValue ?? "none" == expected)
    }

    /// Each cause has a journal that shows it, and tells a person what to do.
    @Test(arguments: JoinDiagnosis.Cause.allCases) func everyCauseIsShownAndHasItsRemedy(_ cause: JoinDiagnosis.Cause) throws {
        let told = try Self.cases.compactMap { JoinDiagnosis(journal: try Self.lines($0)) }.filter { $0.cause == cause }
        #expect(!told.isEmpty)
        for diagnosis in told {
            let text = diagnosis.diagnostic(node: "m2").description
            #expect(text.hasPrefix("error: node \"m2\": \(diagnosis.summary): \(diagnosis.evidence)\n    "), "\(text)")
        }
    }

    @Test func diagnosticNamesNodeEvidenceAndRemedy() throws {
        let diagnosis = try #require(JoinDiagnosis(journal: try Self.lines("node-password-rejected")))
        let text = diagnosis.diagnostic(node: "m2").description
        #expect(text.contains("node \"m2\""))
        #expect(text.contains("Node password rejected, duplicate hostname"))
        #expect(text.contains("kubectl delete node m2"))
        #expect(!text.contains("level=info"))
    }

    @Test func messageKeepsEscapedQuotes() {
        #expect(JoinDiagnosis.message(in: #"x k3s[1]: time="t" level=info msg="say \"hi\" now" error="no""#) == #"say "hi" now"#)
        #expect(JoinDiagnosis.message(in: "Nov 24 m1 systemd[1]: Started it") == "Started it")
        #expect(JoinDiagnosis.message(in: #"m1 k3s[7]: {"level":"warn","msg":"no \"leader\"","x":1}"#) == #"no "leader""#)
        #expect(JoinDiagnosis.message(in: "m1 k3s[7]: E1124 06:34:32.551737     534 node.go:161] Failed to list") == "Failed to list")
        #expect(JoinDiagnosis.message(in: "m1 k3s[7]: sending [{a}] b") == "sending [{a}] b")
    }
}
