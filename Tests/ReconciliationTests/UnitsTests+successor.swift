import Git
import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// What an agent makes of what another has applied before it: after a restart, or when the lease has passed to it.
extension UnitsTests {
    private static func text(_ title: String, _ name: String) -> String { Files.config(title, name: name, namespace: "default") }

    private func awaitUnits(_ count: Int, _ bench: UnitBench) async throws {
        try await eventually("all are looked at", { "\(bench.monitor.value.units)" }) {
            bench.monitor.value.units.count { $0.value } == count && bench.monitor.value.unit?.phase == .ready
        }
        try await Task.sleep(for: .milliseconds(200))
    }

    private static func reporting(_ name: String, path: String) -> String {
        unit(name, path: path).replacing("namespace: default}", with: "namespace: default, annotations: {homelab.dev/drift: report}}")
    }

    @Test func `the next agent sends nothing of many units, and asks for none of their objects`() async throws {
        var files: [String: String] = [:]
        for name in ["a", "b", "c"] {
            files["clusters/home/\(name).yaml"] = Self.unit(name, path: name)
            files["\(name)/one.yaml"] = Self.text("one", "\(name)-1") + "---\n" + Self.text("two", "\(name)-2")
        }
        let commit = bench.repository.push(files)
        try await bench.run { _ in
            for name in ["a", "b", "c"] { try await awaitReady(name, at: commit) }
            try await bench.phase(.ready, at: commit)
        }
        await bench.api.forgetRequests()
        let next = bench.next
        try await next.run { _ in
            try await awaitUnits(3, next)
            let requests = await bench.api.requests.filter {
                [.apply, .get, .delete].contains($0.verb) && ($0.kind.kind == "ConfigMap" || $0.kind.kind == "Kustomization")
                    && $0.name != "home" && !$0.name.hasPrefix("homelab-")
            }
            #expect(requests.isEmpty, "\(requests)")
        }
    }

    @Test func `what an earlier agent was told of and left is told and left by the next`() async throws {
        let commit = bench.repository.push([
            "clusters/home/a.yaml": Self.reporting("a", path: "a"), "a/one.yaml": Self.text("git", "one"),
            "clusters/home/b.yaml": Self.unit("b", path: "b"),
            "b/two.yaml": Self.text("git", "two").replacing("metadata:", with: "metadata:\n  annotations: {homelab.dev/drift: report}"),
        ])
        try await bench.run { _ in
            try await awaitReady("a", at: commit)
            try await awaitReady("b", at: commit)
        }
        for name in ["one", "two"] { await bench.api.edit(Self.config(name)) { $0["data"]?["title"] = "by hand" } }
        let next = bench.next
        try await next.run { _ in
            for name in ["a", "b"] {
                try await eventually("\(name) tells it") { await ready(name)?.message.contains("1 drifted") == true }
            }
            for name in ["one", "two"] {
                #expect(await bench.api.object(Self.config(name))?.value[path: "data", "title"] == "by hand")
            }
        }
    }

    @Test func `what the server writes in its own way is not told as drift by the next agent`() async throws {
        let kind = GroupVersionKind(group: "admissionregistration.k8s.io", version: "v1", kind: "ValidatingWebhookConfiguration")
        await bench.api.register(APIResource(kind: kind, plural: "validatingwebhookconfigurations", isNamespaced: false))
        let commit = bench.repository.push([
            "clusters/home/a.yaml": Self.reporting("a", path: "a"),
            // A bundle that is none is not sent.
            "a/hook.yaml": """
            apiVersion: admissionregistration.k8s.io/v1
            kind: ValidatingWebhookConfiguration
            metadata: {name: hook}
            webhooks: [{name: a.example.org, clientConfig: {url: "https://example.org", caBundle: e30=}}]

            """,
        ])
        try await bench.run { _ in try await awaitReady("a", at: commit) }
        await bench.api.forgetRequests()
        let next = bench.next
        try await next.run { _ in
            try await awaitUnits(1, next)
            #expect(await ready("a")?.message.contains("drifted") == false)
            #expect(await events(of: "a", "DriftDetected").isEmpty)
            let applies = await bench.api.requests.filter { $0.verb == .apply && $0.name == "hook" }
            #expect(applies.map(\.isDryRun) == [true], "\(applies)")
            // Nor by a diff.
            let unit = try await UnitCatalog(of: bench.api).unit(named: "a")
            let files = GitFileTree(try await bench.repository.tree(of: commit.id, under: []))
            let plan = try await UnitPreview(of: unit, clusters: UnitClusters(home: bench.api)).plan(files)
            #expect(plan.drifted.isEmpty && !plan.hasChanges, "\(plan.text)")
        }
    }

    @Test func `what was applied in a version that the server has no more is deleted in the one it has instead`() async throws {
        func budgets(_ version: String) -> APIResource {
            APIResource(
                kind: GroupVersionKind(group: "policy", version: version, kind: "PodDisruptionBudget"), plural: "poddisruptionbudgets",
                isNamespaced: true)
        }
        func budget(_ version: String, _ name: String) -> String {
            "apiVersion: policy/\(version)\nkind: PodDisruptionBudget\nmetadata: {name: \(name), namespace: default}\nspec: {minAvailable: 1}\n"
        }
        func key(_ name: String) -> ObjectKey {
            ObjectKey(group: "policy", kind: "PodDisruptionBudget", namespace: "default", name: name)
        }
        await bench.api.register(budgets("v1beta1"))
        var files = [
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Self.text("one", "one"),
            "a/budget.yaml": budget("v1beta1", "first"), "clusters/home/b.yaml": Self.unit("b", path: "b"),
            "b/two.yaml": Self.text("two", "two"), "b/budget.yaml": budget("v1beta1", "second"),
        ]
        let commit = bench.repository.push(files)
        try await bench.run { _ in
            try await awaitReady("a", at: commit)
            try await awaitReady("b", at: commit)
        }
        await bench.api.register(budgets("v1"))
        files["a/budget.yaml"] = nil
        // One unit goes whole.
        files["clusters/home/b.yaml"] = nil
        let second = bench.repository.push(files)
        let next = bench.next
        try await next.run { _ in
            try await awaitReady("a", at: second)
            for name in ["first", "second"] {
                try await eventually("\(name) is gone") { await bench.api.object(key(name)) == nil }
            }
            try await eventually("it is forgotten") {
                await bench.api.object(Self.key("a")).map { KustomizationStatus(of: $0).inventory.keys } == [Self.config("one")]
            }
        }
    }
}
