import Foundation
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// The example in clusters/home is what a reader copies: it must come up as it is.
@Suite struct ExampleTests {
    private let bench = UnitBench()

    private func files() throws -> [String: String] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let folder = root.appendingPathComponent("clusters/home/hello")
        var files: [String: String] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            files["clusters/home/hello/\(name)"] = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
        }
        return files
    }

    @Test func `the example comes up, and a changed page rolls out before the old one goes`() async throws {
        var files = try files()
        bench.repository.push(files)
        let deployment = ObjectKey(group: "apps", kind: "Deployment", namespace: "hello", name: "web")
        try await bench.run { source in
            try await eventually("it is there", { await String(describing: bench.report()) }) { await bench.api.object(deployment) != nil }
            await bench.api.setStatus(deployment, Files.running(1))
            try await bench.phase(.ready)
            #expect(await bench.report()?.objectCount == 4)
            let pages = await pages()
            #expect(pages.count == 1)
            files["clusters/home/hello/index.html"] = "changed\n"
            let second = bench.repository.push(files)
            source.wake()
            try await bench.phase(.progressing, at: second)
            #expect(await self.pages().count == 2)
            let generation = try #require(await bench.api.object(deployment)?.generation)
            await bench.api.setStatus(deployment, Files.running(generation))
            try await eventually("the old page is gone") { await self.pages().count == 1 }
            #expect(await self.pages() != pages)
        }
    }

    private func pages() async -> [String] {
        await bench.api.keys.filter { $0.kind == "ConfigMap" && $0.namespace == "hello" }.map(\.name)
    }
}
