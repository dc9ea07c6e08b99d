import Foundation
import Git
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// How the Flux was told to run that the agent takes the place of.
extension UnitsTests {
    private static let flags = "clusters/home/flux-system/gotk-components.yaml"

    /// The repository of such a Flux, with one unit.
    private func files(_ arguments: [String], unit: String = "", name: String = "one") -> [String: String] {
        [
            Self.flags: Self.controller(arguments),
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: unit),
            "a/one.yaml": Files.config("one", name: name, namespace: "default"),
        ]
    }

    private func user(of name: String) async -> String? {
        await bench.api.requests.last { $0.verb == .apply && $0.name == name }?.user
    }

    @Test func `what the GitRepository of Flux' own repository leaves out is no part of it, from the first look on`() async throws {
        let sync = "clusters/home/flux-system/gotk-sync.yaml"
        var files = Self.bootstrappedByFlux
        files["clusters/home/old/one.yaml"] = Files.config("old", name: "old", namespace: "default")
        files["apps/draft.yaml"] = Files.config("draft", name: "draft", namespace: "default")
        let plain = files[sync]
        files[sync] = plain?.replacing("ref: {branch: main}}", with: "ref: {branch: main}, ignore: \"/clusters/home/old\\ndraft.yaml\"}")
        let ignoring = files[sync]
        try #require(plain != ignoring)
        func applied(since count: Int) async -> Set<String> {
            Set(await bench.api.requests.dropFirst(count).filter { $0.verb == .apply }.map(\.name))
        }
        let apps = ObjectKey(unit: Ownership(namespace: "flux-system", name: "apps"))
        func isReady(at commit: CommitInfo) async -> Bool {
            let status = await bench.api.object(apps).map { KustomizationStatus(of: $0) }
            return status?.conditions["Ready"]?.status == "True" && status?.lastAppliedRevision.hasSuffix(commit.id.hex) == true
        }
        try await bench.run { source in
            let first = bench.repository.push(files)
            source.wake()
            try await eventually("all is applied") { await isReady(at: first) }
            #expect(await applied(since: 0).isDisjoint(with: ["old", "draft"]))
            files[sync] = plain
            let second = bench.repository.push(files)
            source.wake()
            try await eventually("nothing is left out any more") { await isReady(at: second) }
            try await eventually("all is there") {
                let (old, draft) = (await bench.api.object(Self.config("old")), await bench.api.object(Self.config("draft")))
                return old != nil && draft != nil
            }
            files[sync] = ignoring
            bench.repository.push(files)
            source.wake()
            try await eventually("it goes again") {
                let (old, draft) = (await bench.api.object(Self.config("old")), await bench.api.object(Self.config("draft")))
                return old == nil && draft == nil
            }
        }
        let count = await bench.api.requests.count
        files["apps/two.yaml"] = Files.config("two", name: "two", namespace: "default")
        let third = bench.repository.push(files)
        try await bench.next.run { _ in try await eventually("the next agent goes on") { await isReady(at: third) } }
        let names = await applied(since: count)
        #expect(names.contains("two") && names.isDisjoint(with: ["old", "draft"]), "\(names)")
    }

    @Test func `a unit without a ServiceAccount has the rights of the one that Flux was told of`() async throws {
        try await bench.run { source in
            func push(_ files: [String: String]) async throws {
                let commit = bench.repository.push(files)
                source.wake()
                try await awaitReady("a", at: commit)
            }
            try await push(files(["--default-service-account=plain"]))
            #expect(await user(of: "one") == "system:serviceaccount:default:plain")
            try await push(files(["--default-service-account=plain"], unit: "serviceAccountName: own", name: "two"))
            #expect(await user(of: "two") == "system:serviceaccount:default:own")
            // The agent's own unit makes the others, with the agent's rights.
            #expect(await user(of: "a") == nil)
            try await push(files([], name: "three"))
            #expect(await user(of: "three") == nil)
        }
    }

    @Test func `after a restart on a commit that cannot be built, the units have the rights from before`() async throws {
        let commit = bench.repository.push(files(["--default-service-account=plain"]))
        try await bench.run { _ in try await awaitReady("a", at: commit) }
        #expect(await bench.report()?.flux.defaultServiceAccount == "plain")
        await bench.api.remove(Self.config("one"))
        let before = await bench.api.requests.count
        bench.repository.push(["clusters/home/broken.yaml": "a: [\n"])
        try await bench.run { _ in
            try await bench.phase(.buildFailed)
            try await eventually("it is put back") { await bench.api.object(Self.config("one")) != nil }
        }
        let users = await bench.api.requests.dropFirst(before).filter { $0.verb == .apply && $0.name == "one" }.map(\.user)
        #expect(!users.isEmpty && users.allSatisfy { $0 == "system:serviceaccount:default:plain" }, "\(users)")
    }

    @Test func `a unit keeps to sources of its own namespace where Flux was told so`() async throws {
        try await bench.run { source in
            bench.repository.push(files(["--no-cross-namespace-refs"]))
            source.wake()
            try await awaitReady("a", "False")
            #expect(await ready("a")?.reason == "AccessDenied")
            let message = await ready("a")?.message ?? ""
            #expect(message.hasPrefix("can't access 'GitRepository/homelab-system/home', cross-namespace references have been blocked"))
            #expect(await bench.api.object(Self.config("one")) == nil)
            let stalled = await bench.api.object(Self.key("a")).flatMap { KustomizationStatus(of: $0).conditions["Stalled"] }
            #expect(stalled?.status == "True" && stalled?.reason == "AccessDenied")
            let commit = bench.repository.push(files(["--no-cross-namespace-refs=false"]))
            source.wake()
            try await awaitReady("a", at: commit)
            // What was applied stays when that is forbidden later.
            bench.repository.push(files(["--no-cross-namespace-refs=true"]))
            source.wake()
            try await awaitReady("a", "False")
            #expect(await bench.api.object(Self.config("one")) != nil)
        }
    }

    @Test func `a unit that decrypts and names no keys has those that Flux was told of`() async throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        func fixture(_ name: String) throws -> String {
            try String(contentsOf: folder.appendingPathComponent("SOPSTests/Fixtures/" + name), encoding: .utf8)
        }
        var files = files(["--sops-age-secret=global"], unit: "targetNamespace: default\ndecryption: {provider: sops}")
        files["a/secret.yaml"] = try fixture("secret.yaml")
        let commit = bench.repository.push(files)
        try await bench.run { _ in
            try await awaitReady("a", "False")
            let message = await ready("a")?.message ?? ""
            #expect(message.contains("there is no Secret/flux-system/global"), "\(message)")
            _ = try await bench.api.create(Manifest(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "flux-system"]]))
            _ = try await bench.api.create(
                Manifest([
                    "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "global", "namespace": "flux-system"],
                    "data": ["age.agekey": .string(Data(try fixture("keys.txt").utf8).base64EncodedString())],
                ]))
            try await awaitReady("a", at: commit)
            let secret = await bench.api.object(ObjectKey(group: "", kind: "Secret", namespace: "default", name: "db"))
            #expect(secret?.value["sops"] == nil && secret?.value[path: "data", "user"] != nil)
        }
    }
}
