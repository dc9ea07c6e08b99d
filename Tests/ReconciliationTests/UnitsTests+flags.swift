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
        // Made by hand, a unit waits for no maker that would have read the rules.
        await bench.api.put(Manifest(try #require(try YAMLReader.values(Self.unit("hand", path: "hand"), file: "hand.yaml").first)))
        files["hand/kept.yaml"] = Files.config("kept", name: "kept", namespace: "default")
        files["hand/draft.yaml"] = Files.config("by-hand", name: "by-hand", namespace: "default")
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
            try await eventually("all is applied", bench.standing) { await isReady(at: first) }
            try await awaitReady("hand", at: first)
            try await eventually("none of it stays") { await bench.api.object(Self.config("by-hand")) == nil }
            #expect(await applied(since: 0).isDisjoint(with: ["old", "draft", "by-hand"]))
            files[sync] = plain
            let second = bench.repository.push(files)
            source.wake()
            try await eventually("nothing is left out any more") { await isReady(at: second) }
            try await eventually("all is there") {
                let (old, draft) = (await bench.api.object(Self.config("old")), await bench.api.object(Self.config("draft")))
                return await bench.api.object(Self.config("by-hand")) != nil && old != nil && draft != nil
            }
            files[sync] = ignoring
            bench.repository.push(files)
            source.wake()
            try await eventually("it goes again") {
                let (old, draft) = (await bench.api.object(Self.config("old")), await bench.api.object(Self.config("draft")))
                return await bench.api.object(Self.config("by-hand")) == nil && old == nil && draft == nil
            }
        }
        let count = await bench.api.requests.count
        files["apps/two.yaml"] = Files.config("two", name: "two", namespace: "default")
        let third = bench.repository.push(files)
        try await bench.next.run { _ in try await eventually("the next agent goes on") { await isReady(at: third) } }
        let names = await applied(since: count)
        #expect(names.contains("two") && names.isDisjoint(with: ["old", "draft", "by-hand"]), "\(names)")
    }

    @Test func `what the GitRepository of Flux' own repository says in vain is told, and the repository is followed`() async throws {
        let sync = "clusters/home/flux-system/gotk-sync.yaml"
        let key = ObjectKey(group: FluxKinds.gitRepository.group, kind: "GitRepository", namespace: "flux-system", name: "flux-system")
        var files = Self.bootstrappedByFlux
        let plain = try #require(files[sync])
        func condition() async -> FluxCondition? {
            await bench.api.object(key).flatMap { FluxConditions($0.value[path: "status", "conditions"])["Ready"] }
        }
        func message() async -> String { await condition()?.message ?? "" }
        func push(_ spec: String, _ title: String) {
            files[sync] = plain.replacing("ref: {branch: main}}", with: spec + "}")
            files["apps/one.yaml"] = Files.config(title, name: "one", namespace: "default")
            bench.repository.push(files)
        }
        try await bench.run { source in
            push("ref: {branch: main}, secretRef: {name: flux-system}", "login")
            source.wake()
            try await eventually("the login is told", message) { await message().contains("'; spec.secretRef is not used for the repos") }
            #expect(await condition()?.status == "True")
            let rules = "secretRef: {name: flux-system}, recurseSubmodules: true, sparseCheckout: [apps]"
            push("ref: {branch: other}, suspend: true, include: [{repository: {name: b}}], \(rules)", "rules")
            source.wake()
            try await eventually("it is not as its author wants", message) { await condition()?.status == "False" }
            for field in ["ref", "suspend", "include", "recurseSubmodules", "sparseCheckout"] {
                #expect(await message().contains("spec.\(field) does not hold for the repository"), "\(field)")
            }
            #expect(await message().contains("which is at main"))
            try await eventually("it is followed") { await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "rules" }
        }
    }

    @Test(arguments: [
        ("--watch-label-selector=team in (a,b),!paused", ["team": "a"], ["team": "a", "paused": "yes"], "default"),
        ("--watch-all-namespaces=false", [:], [:], "elsewhere"),
    ])
    func `units that Flux was told to leave alone stay as they are, until they or the argument are others`(
        argument: String, kept: [String: String], left: [String: String], namespace: String
    ) async throws {
        func unit(_ name: String, _ labels: [String: String], in namespace: String) -> String {
            let labels = labels.map { "\($0.key): \"\($0.value)\"" }.joined(separator: ", ")
            return Self.unit(name, path: name).replacing(
                "metadata: {name: \(name), namespace: default}",
                with: "metadata: {name: \(name), namespace: \(namespace), labels: {\(labels)}}")
        }
        // The namespace of the controller is the one that it keeps to.
        let controller = Self.controller([argument]).replacing("namespace: flux-system", with: "namespace: default")
        var files = [
            Self.flags: controller, "clusters/home/a.yaml": unit("a", kept, in: "default"),
            "clusters/home/b.yaml": unit("b", left, in: namespace),
            "a/one.yaml": Files.config("one", name: "one", namespace: "default"),
            "b/two.yaml": Files.config("two", name: "two", namespace: "default"),
        ]
        let other = ObjectKey(unit: Ownership(namespace: namespace, name: "b"))
        let root = ObjectKey(unit: Ownership(namespace: "homelab-system", name: "home"))
        func message() async -> String {
            await bench.api.object(root).map { KustomizationStatus(of: $0).conditions["Ready"]?.message ?? "" } ?? ""
        }
        await bench.api.put(Manifest(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "elsewhere"]]))
        func isThere(_ name: String) async -> Bool { await bench.api.object(Self.config(name)) != nil }
        try await bench.run { source in
            var commit = bench.repository.push(files)
            source.wake()
            try await awaitReady("a", at: commit)
            try await eventually("it is said", message) {
                let words = await message()
                return words.contains("these units are left alone, as Flux ran with \(argument)") && words.contains("\(namespace)/b")
            }
            let object = try #require(await bench.api.object(other))
            #expect(object.value["status"] == nil && object.value[path: "metadata", "finalizers"] == nil)
            #expect(await !isThere("two"))
            // Told otherwise, the agent keeps it; told again, it leaves it with all that it has.
            files[Self.flags] = nil
            commit = bench.repository.push(files)
            source.wake()
            try await eventually("it is kept") { await isThere("two") }
            try await eventually("nothing more is said", message) { await !message().contains("left alone") }
            files[Self.flags] = controller
            files["b/two.yaml"] = Files.config("new", name: "two", namespace: "default")
            commit = bench.repository.push(files)
            source.wake()
            try await awaitReady("a", at: commit)
            try await eventually("it is said again", message) { await message().contains("left alone") }
            try await Task.sleep(for: .milliseconds(100))
            #expect(await bench.api.object(Self.config("two"))?.value[path: "data", "title"] != "new")
            files["clusters/home/b.yaml"] = unit("b", kept, in: "default")
            bench.repository.push(files)
            source.wake()
            try await eventually("one that is as Flux was told to watch is kept") {
                await bench.api.object(Self.config("two"))?.value[path: "data", "title"] == "new"
            }
        }
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
        try await bench.run { _ in
            try await awaitReady("a", at: commit)
            try await bench.phase(.ready, at: commit)
        }
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
