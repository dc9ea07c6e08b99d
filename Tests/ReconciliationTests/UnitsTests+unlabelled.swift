import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// Objects that a unit wants, and finds to be somebody else's: they carry no owner label, by which the watches go.
extension UnitsTests {
    private static let siteKey = ObjectKey(group: "apps", kind: "Deployment", namespace: "default", name: "site")

    /// As git has it, or somebody else.
    private static func object(_ head: String, title: String, annotations: [String: String] = [:]) throws -> Manifest {
        var manifest = Manifest(try #require(try YAMLReader.values(head, file: "o.yaml").first))
        manifest.value["data"] = ["title": .string(title)]
        for (name, value) in annotations {
            var all = manifest.value[path: "metadata", "annotations"] ?? [:]
            all["kustomize.toolkit.fluxcd.io/" + name] = .string(value)
            manifest.value["metadata"]?["annotations"] = all
        }
        return manifest
    }

    private static let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: default}\n"

    private static let onlyIfAbsent =
        "apiVersion: v1\nkind: ConfigMap\n"
        + "metadata: {name: one, namespace: default, annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}}\n"

    private func title() async -> Value? { await bench.api.object(Self.config("one"))?.value[path: "data", "title"] }

    @Test func `what is made only where it is not there is made when somebody else's goes, also after a restart`() async throws {
        bench.repository.push(["clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Self.onlyIfAbsent + "data: {title: git}\n"])
        await bench.api.put(try Self.object(Self.head, title: "theirs"))
        try await bench.run { _ in
            try await awaitReady("a")
            #expect(await title() == "theirs")
            await bench.api.remove(Self.config("one"))
            try await eventually("it is made") { await title() == "git" }
        }
        await bench.api.remove(Self.config("one"))
        await bench.api.put(try Self.object(Self.head, title: "theirs again"))
        await bench.api.forgetRequests()
        let next = bench.next
        try await next.run { _ in
            try await eventually("it was looked at") {
                await bench.api.requests.contains { $0.verb == .get && $0.name == "one" } && next.monitor.value.passes > 2
            }
            #expect(await title() == "theirs again")
            await bench.api.remove(Self.config("one"))
            try await eventually("it is made again") { await title() == "git" }
        }
    }

    @Test func `what a person keeps from being reconciled is taken over when that ends`() async throws {
        bench.repository.push(["clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Self.head + "data: {title: git}\n"])
        await bench.api.put(try Self.object(Self.head, title: "theirs", annotations: ["reconcile": "disabled"]))
        try await bench.run { _ in
            try await awaitReady("a")
            #expect(await title() == "theirs")
            await bench.api.edit(Self.config("one")) { $0["metadata"]?["annotations"] = nil }
            try await eventually("it is taken over") { await title() == "git" }
            #expect(await bench.api.object(Self.config("one")).flatMap { Ownership(of: $0)?.name } == "a")
        }
    }

    @Test func `the health of what is somebody else's and checked is followed`() async throws {
        let text = Files.deployment().replacing("  namespace: web", with: "  namespace: default")
        let check = "healthChecks: [{apiVersion: apps/v1, kind: Deployment, name: site, namespace: default}]"
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: check),
            "a/d.yaml": text.replacing(
                "  namespace: default",
                with: "  namespace: default\n  annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}"),
        ])
        await bench.api.put(Manifest(try #require(try YAMLReader.values(text, file: "d.yaml").first)))
        try await bench.run { _ in
            try await eventually("it is waited for", { await String(describing: ready("a")) }) {
                await ready("a")?.message.hasPrefix("Deployment/default/site is InProgress") == true
            }
            await bench.api.setStatus(Self.siteKey, Files.running(1))
            try await awaitReady("a")
            var ill = Files.running(1)
            (ill["readyReplicas"], ill["availableReplicas"]) = (0, 0)
            await bench.api.setStatus(Self.siteKey, ill)
            try await eventually("it is not ready any more", { await String(describing: ready("a")) }) {
                await ready("a")?.message.hasPrefix("Deployment/default/site is ") == true
            }
            #expect(await bench.api.object(Self.siteKey).flatMap { Ownership(of: $0) } == nil)
        }
    }

    @Test func `the status of what is somebody else's costs no look, and its end is noticed`() async throws {
        let text = Files.deployment().replacing("  namespace: web", with: "  namespace: default")
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a"),
            "a/d.yaml": text.replacing(
                "  namespace: default",
                with: "  namespace: default\n  annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}"),
        ])
        await bench.api.put(Manifest(try #require(try YAMLReader.values(text, file: "d.yaml").first)))
        try await bench.run { _ in
            try await awaitReady("a")
            try await eventually("it is followed") {
                await bench.api.requests.contains { $0.verb == .watch && $0.kind.kind == "Deployment" && $0.namespace == "default" }
            }
            try await Task.sleep(for: .milliseconds(200))
            await bench.api.forgetRequests()
            for generation in Int64(1)...5 {
                await bench.api.setStatus(Self.siteKey, Files.running(generation))
                try await Task.sleep(for: .milliseconds(60))
            }
            #expect(await bench.api.requests.count { $0.verb == .get && $0.name == "site" } == 0)
            await bench.api.remove(Self.siteKey)
            try await eventually("it is made") { await bench.api.object(Self.siteKey).flatMap { Ownership(of: $0)?.name } == "a" }
        }
    }
}
