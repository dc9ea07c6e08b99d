import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

struct KustomizationObjectTests {
    @Test func `what the watch brings late is not taken for somebody's wish`() async throws {
        let api = FakeClusterAPI()
        await api.register(APIResource(kind: FluxKinds.kustomization, plural: "kustomizations", isNamespaced: true))
        let key = UnitsTests.key("far")
        await api.put(
            Manifest([
                "apiVersion": .string(FluxKinds.kustomization.apiVersion), "kind": "Kustomization",
                "metadata": ["namespace": .string(key.namespace), "name": .string(key.name), "annotations": ["a": "old"]],
            ]))
        let old = try #require(await api.object(key))
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
}
