import Diagnostics
import Foundation
import Git
import HomelabTestSupport
import KubernetesModel
import Kustomize
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// What a kustomization names by URL, fetched from a real `git http-backend`.
@Suite(.serialized) struct RemoteCommitsTests {
    let host: GitHost
    let root: String

    init() throws {
        host = try GitHost()
        root = try host.serve()
    }

    private func source(followsNames: Bool = false) -> RemoteCommits {
        RemoteCommits(directory: host.folder + "/mirrors", followsNames: followsNames) { url in
            HTTPGitTransport(url: url, transport: LoopbackHTTP()) { nil }
        }
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

    @Test func `force-pushes leave behind only what was read last`() async throws {
        let source = RemoteCommits(directory: host.folder + "/mirrors", packLimit: 2, commitLimit: 2) { url in
            HTTPGitTransport(url: url, transport: LoopbackHTTP()) { nil }
        }
        var commits: [String] = []
        for number in 0..<6 {
            commits.append(try host.push(["base/a.yaml": "a: \(number)\n"], rewriting: number > 0))
            _ = try await source.files(of: RemoteCommit(repository: root + "/open/home.git", commit: commits[number]))
        }
        let mirror = try #require(try FileManager.default.contentsOfDirectory(atPath: host.folder + "/mirrors").first)
        let repository = try await Repository(path: host.folder + "/mirrors/" + mirror)
        for commit in commits.suffix(2) { #expect(try await repository.commit(named: commit) != nil) }
        for commit in commits.prefix(2) { #expect(try await repository.commit(named: commit) == nil) }
    }

    @Test func `of the commits read last only those stay in memory that have room`() async throws {
        let source = RemoteCommits(directory: host.folder + "/mirrors", memoryLimit: 3000) { url in
            HTTPGitTransport(url: url, transport: LoopbackHTTP()) { nil }
        }
        var commits: [RemoteCommit] = []
        for number in 0..<3 {
            // With its path about 1300 bytes.
            let commit = try host.push(["base/a.yaml": "a: \(number)\(String(repeating: " ", count: 1000))\n"])
            commits.append(RemoteCommit(repository: root + "/open/home.git", commit: commit))
            _ = try await source.tree(of: commits[number])
        }
        #expect(await source.trees.map { $0.commit } == Array(commits.suffix(2)))
        _ = try await source.tree(of: commits[0])
        #expect(await source.trees.map { $0.commit } == [commits[2], commits[0]])
    }

    @Test func `a branch and a tag are followed where that is allowed`() async throws {
        _ = try push("one")
        try host.tag("v1", message: "One")
        let second = try push("two")
        let source = source(followsNames: true)
        #expect(try await build("v1", from: source) == ["one"], "the commit of the tag's object")
        #expect(try await build("main", from: source) == ["two"])
        #expect(try await source.commit(at: RemoteName(repository: root + "/open/home.git", reference: ""))?.commit == second)
        let error = await #expect(throws: (any Error).self) { _ = try await build("none", from: source) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("kustomization.yaml:1:13: error: cannot look up \"none\""), "\(text)")
    }

    @Test func `a unit is refused what is elsewhere, and told how to allow it`() async throws {
        let bench = UnitBench()
        bench.repository.push(["clusters/home/kustomization.yaml": "resources: ['\(root)/open/home.git//base?ref=main']\n"])
        try await bench.run { _ in
            try await bench.phase(.buildFailed)
            let text = await bench.report()?.errors.first?.description ?? ""
            #expect(text.contains("clusters/home/kustomization.yaml:1:13") && text.contains("agent.allowRemoteBases: true"), "\(text)")
        }
    }

    @Test func `a diff fetches what is elsewhere where that is allowed`() async throws {
        _ = try push("one")
        let bench = UnitBench()
        bench.repository.push(["clusters/home/a.yaml": UnitsTests.unit("a", path: "a"), "a/kustomization.yaml": "resources: []\n"])
        try await bench.run { _ in
            try await eventually("the unit") { await bench.api.object(UnitsTests.key("a")) != nil }
            let unit = try await UnitCatalog(of: bench.api).unit(named: "a")
            let files = MemoryFileTree([
                "a/kustomization.yaml": "namespace: default\nresources: ['\(root)/open/home.git//base?ref=main']\n"
            ])
            let clusters = UnitClusters(home: bench.api)
            let error = await #expect(throws: (any Error).self) { _ = try await UnitPreview(of: unit, clusters: clusters).plan(files) }
            #expect(error.map { "\($0)" }?.contains("add --allow-remote") == true, "\(String(describing: error))")
            let plan = try await UnitPreview(of: unit, clusters: clusters, remotes: source(followsNames: true)).plan(files)
            #expect(plan.text.contains("+ ConfigMap/default/one"), "\(plan.text)")
        }
    }

    @Test func `a unit follows a branch elsewhere, and keeps what it had while the host is away`() async throws {
        _ = try push("one")
        var bench = UnitBench()
        bench.spec.retryLimit = .milliseconds(1100)
        bench.manifests = KustomizeManifests(remotes: source(followsNames: true))
        let text = "namespace: default\nresources: ['\(root)/open/home.git//base?ref=main']\n"
        bench.repository.push(["clusters/home/kustomization.yaml": text])
        func key(_ name: String) -> ObjectKey { ObjectKey(group: "", kind: "ConfigMap", namespace: "default", name: name) }
        try await bench.run { _ in
            try await eventually("it is applied", { await String(describing: bench.report()) }) {
                await bench.api.object(key("one")) != nil
            }
            try GitHost.git("-C", host.bare, "update-ref", "refs/heads/kept", "main")
            try host.removeBranch()
            try await eventually("the missing branch is told", { "\(host.requests)" }) {
                for key in await bench.api.keys where key.kind == "Event" {
                    // By a look at the branch, or by a build that something else asked for.
                    let reason = await bench.api.object(key)?.value["reason"]?.string
                    if reason == "RemoteBaseUnreachable" || reason == "BuildFailed" { return true }
                }
                return false
            }
            #expect(await bench.api.object(key("one")) != nil)
            _ = try push("two")
            try await eventually("the push elsewhere counts") {
                let isThere = await bench.api.object(key("two")) != nil
                return await bench.api.object(key("one")) == nil && isThere
            }
        }
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
