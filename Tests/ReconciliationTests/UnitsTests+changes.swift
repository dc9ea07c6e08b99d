import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// What changes while a pass is under way, or while nobody can hear of it.
extension UnitsTests {
    private static let record = ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: "homelab-inventory-home")

    private func title() async -> Value? { await bench.api.object(Self.config("one"))?.value[path: "data", "title"] }

    /// Made by hand, so that no unit puts back what is changed of it.
    private func putUnit(_ more: String = "") async throws {
        let text = Self.unit("app", path: "a", more: more)
        await bench.api.put(Manifest(try #require(try YAMLReader.values(text, file: "app.yaml").first)))
    }

    @Test func `another path that is given to a unit while it builds is built`() async throws {
        bench.repository.push([
            "clusters/home/other.yaml": Files.config("other", name: "other", namespace: "default"),
            "a/one.yaml": Files.config("a", name: "one", namespace: "default"),
            "b/one.yaml": Files.config("b", name: "one", namespace: "default"),
        ])
        try await putUnit()
        bench.held.update { $0 = ["./a", "a"] }
        try await bench.run { _ in
            try await bench.phase(.ready)
            try await Task.sleep(for: .milliseconds(200))
            #expect(await title() == nil)
            await bench.api.edit(Self.key("app")) { $0["spec"]?["path"] = "./b" }
            try await Task.sleep(for: .milliseconds(100))
            bench.held.update { $0 = [] }
            try await eventually("the other path's", bench.standing) { await title() == "b" }
        }
    }

    @Test func `variables that are given to a unit while those before are read are put in`() async throws {
        bench.repository.push([
            "clusters/home/other.yaml": Files.config("other", name: "other", namespace: "default"),
            "a/one.yaml": Files.config("${title}", name: "one", namespace: "default"),
        ])
        await bench.api.put(
            Manifest(try #require(try YAMLReader.values(Files.config("x", name: "vars", namespace: "default"), file: "v").first)))
        try await putUnit("postBuild: {substitute: {title: old}, substituteFrom: [{kind: ConfigMap, name: vars}]}")
        await bench.api.edit(Self.config("vars")) { $0["data"] = ["more": "1"] }
        await bench.api.during(.get, name: "vars") {
            await $0.edit(Self.key("app")) { $0["spec"]?["postBuild"]?["substitute"] = ["title": "new"] }
        }
        try await bench.run { _ in
            try await eventually("the new ones", bench.standing) { await title() == "new" }
        }
    }

    @Test func `a record that is deleted while nothing is watched is written anew`() async throws {
        bench.repository.push(["clusters/home/one.yaml": Files.config("one", name: "one", namespace: "default")])
        try await bench.run { _ in
            try await bench.phase(.ready)
            let recorded = try await bench.recorded()
            await bench.api.setReachable(false)
            await bench.api.remove(Self.record)
            await bench.api.setReachable(true)
            try await eventually("it is there again", bench.standing) {
                guard await bench.api.object(Self.record) != nil else { return false }
                return try await bench.recorded() == recorded
            }
        }
    }
}
