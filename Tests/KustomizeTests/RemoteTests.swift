import Diagnostics
import KubernetesModel
import Kustomize
import Synchronization
import Testing

@Suite struct RemoteTests {
    private static let commit = String(repeating: "a1", count: 20)

    /// A repository elsewhere that notes what it is asked for.
    private final class Host: RemoteSource {
        private let files: [String: String]
        private let asked = Mutex<[RemoteCommit]>([])

        init(_ files: [String: String]) { self.files = files }

        var requests: [RemoteCommit] { asked.withLock { $0 } }

        func tree(of commit: RemoteCommit) async throws -> any FileTree {
            asked.withLock { $0.append(commit) }
            guard !commit.repository.hasSuffix("gone") else { throw FileTreeError("no such repository") }
            return MemoryFileTree(files)
        }
    }

    private static func map(_ name: String) -> String { "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \(name)}\n" }

    private let host = Host([
        "base/kustomization.yaml": "resources: [x.yaml, ../shared]\n", "base/x.yaml": map("x"),
        "shared/kustomization.yaml": "resources: [y.yaml]\n", "shared/y.yaml": map("y"), "out.yaml": map("out"),
        "out/kustomization.yaml": "resources: [z.yaml]\n", "out/z.yaml": map("z"),
    ])

    private func build(_ resources: String) async throws(Diagnostics) -> [String] {
        let files = MemoryFileTree(["kustomization.yaml": "resources: \(resources)\n"])
        let build = KustomizeBuild(files: files, options: BuildOptions(order: .none))
        return try await build.result("", from: host).manifests.map(\.name)
    }

    @Test func directoriesAndFilesOfACommit() async throws {
        let names = try await build(
            "['https://example.org/o/r//base?ref=\(Self.commit)', 'https://raw.githubusercontent.com/o/r/\(Self.commit)/out.yaml']")
        #expect(names == ["x", "y", "out"])
        #expect(
            Set(host.requests) == [
                RemoteCommit(repository: "https://example.org/o/r", commit: Self.commit),
                RemoteCommit(repository: "https://github.com/o/r", commit: Self.commit),
            ])
    }

    @Test(arguments: [
        ("github.com/o/r//base", "https://github.com/o/r"), ("github.com/o/r/base", "https://github.com/o/r"),
        ("https://example.org/a/b/c.git/base", "https://example.org/a/b/c.git"),
        ("git@example.org:o/r.git//base", "git@example.org:o/r.git"),
        ("ssh://git@example.org:22/o/r//base", "ssh://git@example.org:22/o/r"),
        ("git::https://example.org/o/r//base", "https://example.org/o/r"),
        ("https://dev.azure.com/o/p/_git/r/base", "https://dev.azure.com/o/p/_git/r"), ("file:///srv/r.git//base", "file:///srv/r.git"),
    ]) func spellings(url: String, repository: String) async throws {
        #expect(try await build("['\(url)?ref=\(Self.commit)']") == ["x", "y"])
        #expect(host.requests.map(\.repository) == [repository])
    }

    @Test(arguments: [
        ("github.com/o/r//base?ref=main", "\"main\" may move"), ("github.com/o/r//base", "the default branch moves"),
        ("https://raw.githubusercontent.com/o/r/main/out.yaml", "\"main\" may move"),
        ("https://example.org/all.yaml", "only files of repositories can be pinned"),
    ]) func whatMovesIsRefused(url: String, reason: String) async {
        let error = await #expect(throws: Diagnostics.self) { try await build("['\(url)']") }
        #expect(error?.description.contains(reason) == true)
        #expect(host.requests.isEmpty)
    }

    /// A host whose branches may be named.
    private struct Following: RemoteSource {
        let host: Host

        func tree(of commit: RemoteCommit) async throws -> any FileTree { try await host.tree(of: commit) }

        func commit(at name: RemoteName) async throws -> RemoteCommit? {
            guard name.reference != "gone" else { throw FileTreeError("no such branch") }
            return RemoteCommit(repository: name.repository, commit: RemoteTests.commit)
        }
    }

    @Test func branchesAreFollowedWhereTheSourceDoes() async throws {
        let files = MemoryFileTree(["kustomization.yaml": "resources: ['github.com/o/r//base?ref=main', 'github.com/o/s//out?ref=']\n"])
        let options = BuildOptions(order: .none)
        let result = try await KustomizeBuild(files: files, options: options).result("", from: Following(host: host))
        #expect(result.manifests.map(\.name) == ["x", "y", "z"])
        let main = RemoteName(repository: "https://github.com/o/r", reference: "main")
        #expect(result.followed[main]?.commit == Self.commit && result.followed.count == 2)
        let gone = MemoryFileTree(["kustomization.yaml": "resources: ['github.com/o/r//base?ref=gone']\n"])
        let error = await #expect(throws: Diagnostics.self) {
            try await KustomizeBuild(files: gone, options: options).result("", from: Following(host: host))
        }
        #expect(error?.description.contains("kustomization.yaml:1:13: error: cannot look up \"gone\"") == true)
    }

    @Test func whatCannotBeHadIsToldWithItsPlace() async {
        let reference = "?ref=\(Self.commit)"
        let error = await #expect(throws: Diagnostics.self) { try await build("['github.com/o/gone\(reference)']") }
        #expect(error?.description.contains("kustomization.yaml:1:13: error: cannot fetch commit") == true)
        let other = await #expect(throws: Diagnostics.self) { try await build("['github.com/o/r//none\(reference)']") }
        #expect(other?.description.contains("no directory \"none\" at that commit") == true)
        let outside = await #expect(throws: Diagnostics.self) { try await build("['github.com/o/r//../x\(reference)']") }
        #expect(outside?.hasErrors == true)
    }

    @Test func commitsWithoutEndAreRefused() async {
        let urls = (0..<70).map { "'github.com/o/r\($0)//base?ref=\(Self.commit)'" }.joined(separator: ", ")
        let error = await #expect(throws: Diagnostics.self) { try await build("[\(urls)]") }
        #expect(error?.description.contains("more than 64 commits") == true)
        #expect(host.requests.isEmpty)
    }
}
