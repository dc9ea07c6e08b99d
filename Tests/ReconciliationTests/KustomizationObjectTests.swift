import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

struct KustomizationObjectTests {
    private let key = UnitsTests.key("far")

    private func made(_ status: Value = [:]) async throws -> (api: FakeClusterAPI, object: Manifest) {
        let api = FakeClusterAPI()
        await api.register(APIResource(kind: FluxKinds.kustomization, plural: "kustomizations", isNamespaced: true))
        await api.put(
            Manifest([
                "apiVersion": .string(FluxKinds.kustomization.apiVersion), "kind": "Kustomization",
                "metadata": ["namespace": .string(key.namespace), "name": .string(key.name), "annotations": ["a": "old"]],
                "status": status,
            ]))
        return (api, try #require(await api.object(key)))
    }

    @Test func `what the watch brings late is not taken for somebody's wish`() async throws {
        let (api, old) = try await made()
        let object = KustomizationObject(old, api: api, clock: ManualClock())
        try await object.annotate("a", "new")
        try await object.annotate("b", "new")
        let changed = try #require(await api.object(key))
        #expect(await !object.take(old), "it was so before")
        #expect(await object.annotation("a") == "new")
        #expect(await object.annotation("b") == "new")
        #expect(await !object.take(changed), "it is known")
        await api.edit(key) { $0["metadata"]?["annotations"]?["b"] = nil }
        let wish = try #require(await api.object(key))
        #expect(await object.take(wish))
        #expect(await object.annotation("b") == nil)
    }

    @Test func `after a restore an older version counts, and nothing that was recorded before or since is forgotten`() async throws {
        let (api, old) = try await made(["inventory": ["entries": [["id": "default_old__ConfigMap", "v": "v1"]]]])
        let snapshot = await api.snapshot()
        let object = KustomizationObject(old, api: api, clock: ManualClock())
        try await object.write(ResourceInventory([UnitsTests.config("new"): ResourceInventory.Entry(version: "v1")]))
        try await object.annotate("a", "new")
        await api.restore(snapshot)
        #expect(await !object.take(old), "it may still be on its way")
        await object.noteSetBack()
        #expect(await object.take(old))
        #expect(await object.annotation("a") == "old")
        let both = [UnitsTests.config("new"), UnitsTests.config("old")]
        #expect(await object.inventory.keys == both)
        let isWritten = try await object.show(of: 1) { _ in }
        #expect(isWritten)
        #expect(await api.object(key).map { KustomizationStatus(of: $0).inventory.keys } == both)
    }
}
