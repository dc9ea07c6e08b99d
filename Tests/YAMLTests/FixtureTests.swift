import Foundation
import Testing
import YAML

/// Every folder of Fixtures is a YAML text (`in.yaml`) and the list of its documents as JSON (`expected.json`).
@Suite struct FixtureTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures").path
    static let cases = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { !$0.hasPrefix(".") }.sorted()

    @Test(arguments: cases) func reads(name: String) throws {
        let text = try String(contentsOfFile: "\(Self.folder)/\(name)/in.yaml", encoding: .utf8)
        let expected = try JSONReader.value(String(contentsOfFile: "\(Self.folder)/\(name)/expected.json", encoding: .utf8))
        #expect(try Value.array(YAMLReader.values(text, file: name)) == expected)
        #expect(try Value.array(YAMLReader.documents(text, file: name).map(\.value)) == expected)
    }
}
