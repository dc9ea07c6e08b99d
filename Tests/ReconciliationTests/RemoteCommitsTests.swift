import Git
import HomelabTestSupport
import KubernetesModel
import Kustomize
import Testing

@testable import Reconciliation

/// What a kustomization names by URL, fetched from a real `git http-backend`.
@Suite(.serialized) struct RemoteCommitsTests {
    let host: GitHost
    let root: String

    init() throws {
        host = try GitHost()
        root = try host.serve()
    }

    private func source() -> RemoteCommits {
        RemoteCommits(directory: host.folder + "/mirrors") { url in HTTPGitTransport(url: url, transport: LoopbackHTTP()) { nil } }
    }

    private func build(_ commit: String, from source: RemoteCommits) async throws -> [String] {
        let files = MemoryFileTree(["kustomization.yaml": "resources: ['\(root)/open/home.git//base?ref=\(commit)']\n"])
        return try await KustomizeBuild(files: files, options: BuildOptions()).result("", from: source).manifests.map(\.name)
    }

    private func push(_ name: String) throws -> String {
        try host.push([
            "base/kustomization.yaml": "resources: [map.yaml]\n",
            "base/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \(name)}\n",
        ])
    }

    @Test func `a pinned commit is built as it was, and read from the mirror ever after`() async throws {
        let first = try push("one")
        let second = try push("two")
        #expect(try await build(first, from: source()) == ["one"], "no branch is at it any more")
        #expect(try await build(second, from: source()) == ["two"])
        let asked = host.requests.count
        #expect(try await build(first, from: source()) == ["one"])
        #expect(host.requests.count == asked, "the mirror has it")
    }

    @Test func `a commit that no branch contains is told with its repository`() async throws {
        _ = try push("one")
        let missing = String(repeating: "a1", count: 20)
        let error = await #expect(throws: (any Error).self) { _ = try await build(missing, from: source()) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("no branch or tag of \(root)/open/home.git contains commit \(missing)"), "\(text)")
        #expect(text.contains("kustomization.yaml:1:13"), "\(text)")
    }
}
