import Diagnostics
import FileSystem
import Foundation
import KubernetesModel
import Kustomize
import Testing

/// Every folder of Fixtures is one behaviour: what `in` builds to (`expected.yaml`, byte for byte) or why it does not (`error.txt`).
@Suite struct FixtureTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures").path
    static let cases = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { !$0.hasPrefix(".") }.sorted()

    @Test func thereAreCases() { #expect(Self.cases.count >= 60) }

    @Test(arguments: cases) func builds(name: String) throws {
        let folder = Self.folder + "/" + name
        let build = KustomizeBuild(files: try DiskFileTree(root: folder), options: BuildOptions(displayBase: ""))
        let outcome: Result<[Manifest], Diagnostics> = Result { () throws(Diagnostics) in try build.build("in") }
        switch outcome {
        case .success(let manifests):
            var output: [UInt8] = []
            KustomizeBuild.write(manifests) { output += $0 }
            #expect(String(decoding: output, as: UTF8.self) == (try text(folder + "/expected.yaml")))
        case .failure(let diagnostics):
            #expect(diagnostics.description + "\n" == (try text(folder + "/error.txt")))
        }
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }
}
