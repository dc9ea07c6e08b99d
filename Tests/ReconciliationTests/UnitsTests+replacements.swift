import Git
import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// Nothing old goes before the new is there: replacements that cannot be made yet, moves to units that cannot be built.
extension UnitsTests {
    private static func text(_ title: String, _ name: String) -> String { Files.config(title, name: name, namespace: "default") }
    private static let immutable = ClusterError(
        .invalid, subject: "it", message: "it is invalid",
        causes: [.init(field: "spec.selector", reason: "FieldValueInvalid", message: "Invalid value: {}: field is immutable")])

    @Test func `what is replaced by an object of a kind to come stays until that one is there`() async throws {
        let route = GroupVersionKind(group: "gateway.networking.k8s.io", version: "v1", kind: "HTTPRoute")
        var files = [
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/old.yaml": Self.text("1", "old"), "a/keep.yaml": Self.text("1", "keep"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("a")
            files["a/old.yaml"] =
                "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: new, namespace: default}\nspec: {a: 1}\n"
            let second = bench.repository.push(files)
            source.wake()
            try await eventually("it waits") { await ready("a")?.message.contains("waits for the cluster to know HTTPRoute") == true }
            try await Task.sleep(for: .milliseconds(200))
            #expect(await bench.api.object(Self.config("old")) != nil)
            await bench.api.register(APIResource(kind: route, plural: "httproutes", isNamespaced: true))
            await bench.api.put(
                Manifest([
                    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                    "metadata": ["name": "httproutes.gateway.networking.k8s.io"],
                    "spec": [
                        "group": "gateway.networking.k8s.io", "names": ["kind": "HTTPRoute", "plural": "httproutes"],
                        "scope": "Namespaced", "versions": [["name": "v1", "served": true, "storage": true]],
                    ],
                ]))
            try await awaitReady("a", at: second)
            try await eventually("the old one goes") { await bench.api.object(Self.config("old")) == nil }
        }
    }

    @Test func `nothing goes while an object is made anew`() async throws {
        var files = [
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: "force: true"), "a/n.yaml": Files.namespace,
            "a/d.yaml": Files.deployment(), "a/old.yaml": Files.config("1", name: "old"),
        ]
        let old = ObjectKey(group: "", kind: "ConfigMap", namespace: "web", name: "old")
        bench.repository.push(files)
        try await bench.run { source in
            try await eventually("it is there") { await bench.api.object(Files.deploymentKey) != nil }
            await bench.api.setStatus(Files.deploymentKey, Files.running(1))
            try await awaitReady("a")
            let uid = await bench.api.object(Files.deploymentKey)?.uid
            await bench.api.fail(.apply, name: "site", with: Self.immutable)
            files["a/d.yaml"] = Files.deployment(image: "web:2")
            files["a/old.yaml"] = nil
            bench.repository.push(files)
            source.wake()
            try await eventually("it is made anew") {
                let new = await bench.api.object(Files.deploymentKey)?.uid
                return new != nil && new != uid
            }
            try await Task.sleep(for: .milliseconds(200))
            #expect(await bench.api.object(old) != nil)
            await bench.api.setStatus(Files.deploymentKey, Files.running(1))
            try await eventually("the old one goes") { await bench.api.object(old) == nil }
        }
    }

    @Test func `what moves to a unit that cannot be built stays until it can be, or a person lets it go`() async throws {
        var files = [
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "clusters/home/b.yaml": Self.unit("b", path: "b"),
            "a/keep.yaml": Self.text("1", "keep"), "a/moves.yaml": Self.text("1", "moves"), "b/other.yaml": Self.text("1", "other"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("a")
            try await awaitReady("b")
            let uid = await bench.api.object(Self.config("moves"))?.uid
            files["b/moves.yaml"] = files.removeValue(forKey: "a/moves.yaml")
            files["b/broken.yaml"] = "kind: [\n"
            let broken = bench.repository.push(files)
            source.wake()
            try await eventually("both say so", { "\(String(describing: await ready("a")))" }) {
                let (reason, message) = (await ready("b")?.reason, await ready("a")?.message)
                return reason == "BuildFailed" && message?.contains("default/b, which may want it, cannot be built") == true
            }
            #expect(await ready("a")?.message.contains("homelab.dev/confirm-prune=\(broken.id.hex.prefix(12))") == true)
            #expect(await bench.api.object(Self.config("moves"))?.uid == uid)
            files["b/broken.yaml"] = nil
            let mended = bench.repository.push(files)
            source.wake()
            try await awaitReady("b", at: mended)
            let moved = try #require(await bench.api.object(Self.config("moves")))
            #expect(moved.uid == uid && Ownership(of: moved)?.name == "b")
            // Something that nobody wants any more, beside a unit that cannot be built.
            files["a/keep.yaml"] = Self.text("1", "kept")
            files["b/broken.yaml"] = "kind: [\n"
            let third = bench.repository.push(files)
            source.wake()
            try await eventually("it stays") { await ready("a")?.message.contains("cannot be built") == true }
            #expect(await bench.api.object(Self.config("keep")) != nil)
            await bench.api.edit(Self.key("a")) {
                $0["metadata"]?["annotations"]?["homelab.dev/confirm-prune"] = .string(String(third.id.hex.prefix(12)))
            }
            try await eventually("it goes") { await bench.api.object(Self.config("keep")) == nil }
        }
    }

    @Test func `a unit that is merged into one that cannot be built keeps its objects until a person lets them go`() async throws {
        var files = [
            "clusters/home/old.yaml": Self.unit("old", path: "old"), "clusters/home/b.yaml": Self.unit("b", path: "b"),
            "old/one.yaml": Self.text("1", "one"), "b/other.yaml": Self.text("1", "other"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("old")
            try await awaitReady("b")
            let uid = await bench.api.object(Self.config("one"))?.uid
            files["b/one.yaml"] = files.removeValue(forKey: "old/one.yaml")
            files["clusters/home/old.yaml"] = nil
            files["b/broken.yaml"] = "kind: [\n"
            let second = bench.repository.push(files)
            source.wake()
            // Its maker does not prune either.
            try await eventually("the maker waits", { await String(describing: bench.report()) }) {
                await bench.report()?.exceptions.contains { $0.key == Self.key("old") && $0.message.contains("cannot be built") } == true
            }
            let confirmed = Value.string(String(second.id.hex.prefix(12)))
            _ = try await bench.api.delete(FluxKinds.kustomization, namespace: "default", name: "old", options: DeleteOptions())
            try await eventually("the unit waits", { "\(String(describing: await ready("old")))" }) {
                await ready("old")?.message.contains("default/b, which may want them, cannot be built") == true
            }
            #expect(await bench.api.object(Self.config("one"))?.uid == uid)
            await bench.api.edit(Self.key("old")) { $0["metadata"]?["annotations"]?["homelab.dev/confirm-prune"] = confirmed }
            try await eventually("it goes with its objects") {
                let unit = await bench.api.object(Self.key("old"))
                return await bench.api.object(Self.config("one")) == nil && unit == nil
            }
        }
    }

    @Test func `neither a suspended maker nor a unit that never comes holds up what others delete`() throws {
        let board = UnitBoard()
        func unit(_ name: String) -> Ownership { Ownership(namespace: "default", name: name) }
        let commit = try #require(ObjectID(String(repeating: "1", count: 40)))
        for (name, isIdle) in [("a", false), ("maker", true), ("active", false)] {
            board.register(unit(name), bell: Bell(), source: nil, cluster: nil, dependsOn: [], isIdle: isIdle)
        }
        for name in ["a", "active"] { board.built(unit(name), commit, generation: 1, claims: []) }
        board.setChildren(of: unit("maker"), wanted: [unit("b")], leaving: [])
        #expect(board.laggard(before: unit("a"), at: commit) == nil, "the maker is suspended")
        board.setChildren(of: unit("active"), wanted: [unit("c")], leaving: [])
        #expect(board.laggard(before: unit("a"), at: commit) == Laggard(unit("active")))
        board.sent(unit("active"), commit)
        #expect(board.laggard(before: unit("a"), at: commit) == Laggard(unit("c")))
        board.tell([unit("c"): .stays], of: unit("active"))
        #expect(board.laggard(before: unit("a"), at: commit) == nil, "nothing is done about it")
        board.built(unit("active"), commit, generation: 1, claims: nil)
        #expect(board.laggard(before: unit("a"), at: commit) == Laggard(unit("active"), isBroken: true))
        board.end(unit("active"))
        board.end(unit("a"))
        #expect(board.laggard(before: unit("a"), at: commit) == nil, "two that end do not wait for each other")
    }

    @Test func `whoever waits for a unit hears that it has begun, and that it has looked at a commit and wants the same as before`() throws
    {
        let board = UnitBoard()
        func unit(_ name: String) -> Ownership { Ownership(namespace: "default", name: name) }
        let cluster = ClusterMark()
        func register(_ name: String, _ bell: Bell, dependsOn: [Ownership] = []) {
            board.register(unit(name), bell: bell, source: nil, cluster: cluster, dependsOn: dependsOn, isIdle: false)
        }
        let (one, two) = (Bell(), Bell())
        register("one", one, dependsOn: [unit("two")])
        _ = one.takeWholeLook()
        register("two", two)
        #expect(one.takeWholeLook(), "the dependency is there")
        let commits = try ["1", "2"].map { try #require(ObjectID(String(repeating: $0, count: 40))) }
        let manifest = PackedManifest(Manifest(["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["namespace": "a", "name": "a"]]))
        board.built(unit("one"), commits[0], generation: 1, claims: [manifest])
        board.built(unit("two"), commits[0], generation: 1, claims: [manifest])
        board.built(unit("one"), commits[1], generation: 1, claims: [manifest])
        #expect(board.rivals(of: unit("one"), for: [manifest.key])[manifest.key]?.isBehind == true)
        _ = one.takeWholeLook()
        board.built(unit("two"), commits[1], generation: 1, claims: [manifest])
        #expect(board.rivals(of: unit("one"), for: [manifest.key])[manifest.key]?.isBehind == false && one.takeWholeLook())
    }

    @Test func `a claim is not deleted because its unit is forced, only when it is marked itself`() async throws {
        let key = ObjectKey(group: "", kind: "PersistentVolumeClaim", namespace: "default", name: "data")
        func claim(_ size: String, _ more: String = "") -> String {
            """
            apiVersion: v1
            kind: PersistentVolumeClaim
            metadata: {name: data, namespace: default\(more)}
            spec: {storageClassName: fast, resources: {requests: {storage: \(size)}}}

            """
        }
        var files = ["clusters/home/a.yaml": Self.unit("a", path: "a", more: "force: true"), "a/claim.yaml": claim("1Gi")]
        bench.repository.push(files)
        try await bench.run { source in
            try await eventually("it is there") { await bench.api.object(key) != nil }
            await bench.api.setStatus(key, ["phase": "Bound"])
            try await awaitReady("a")
            let uid = await bench.api.object(key)?.uid
            await bench.api.fail(.apply, name: "data", with: Self.immutable)
            files["a/claim.yaml"] = claim("2Gi")
            bench.repository.push(files)
            source.wake()
            try await eventually("it is refused", { "\(String(describing: await ready("a")))" }) {
                await ready("a")?.message.contains("annotate the PersistentVolumeClaim itself in git with `homelab.dev/force: enabled`")
                    == true
            }
            try await eventually("the server takes it after all") {
                await bench.api.object(key)?.value[path: "spec", "resources", "requests", "storage"] == "2Gi"
            }
            #expect(await bench.api.object(key)?.uid == uid)
            await bench.api.fail(.apply, name: "data", with: Self.immutable)
            files["a/claim.yaml"] = claim("3Gi", ", annotations: {homelab.dev/force: enabled}")
            bench.repository.push(files)
            source.wake()
            try await eventually("it is made anew") {
                let new = await bench.api.object(key)?.uid
                return new != nil && new != uid
            }
        }
    }

    @Test(arguments: [
        ("migrate", "migrate"), ("backup-" + String(repeating: "x", count: 56), "backup-" + String(repeating: "x", count: 31)),
        (String(repeating: "x", count: 36) + "-.-abc", String(repeating: "x", count: 36)),
    ])
    func `the name of a trial is one that any kind takes`(_ name: String, _ beginning: String) {
        let trial = UnitReconciler.trialName(of: name)
        #expect(trial.count <= 52 && trial == beginning + "-homelab-trial")
    }
}
