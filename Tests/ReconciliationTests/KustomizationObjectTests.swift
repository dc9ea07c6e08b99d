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

    @Test func `a suspension that was extended meanwhile is not ended`() async throws {
        let (api, old) = try await made()
        let object = KustomizationObject(old, api: api, clock: ManualClock())
        await api.edit(key) { $0["metadata"]?["annotations"]?[KustomizationObject.suspendedUntil] = "2030-01-01T00:00:00Z" }
        let error = await #expect(throws: ClusterError.self) { try await object.resume() }
        #expect(error?.kind == .conflict)
        #expect(await object.take(try #require(await api.object(key))))
        try await object.resume()
        #expect(await api.object(key)?.annotation(KustomizationObject.suspendedUntil) == nil)
    }

    @Test func `a status whose answer did not come is written again, although it is the one before`() async throws {
        let (api, old) = try await made()
        let object = KustomizationObject(old, api: api, clock: ManualClock())
        let writer = StatusWriter(api: api)
        func show(_ request: String) async throws -> Bool { try await object.show(of: 1) { $0.lastHandledReconcileAt = request } }
        func write(_ text: String) async throws -> Bool {
            let metadata: Value = ["namespace": "homelab-system", "name": "status"]
            return try await writer.write(
                Manifest(["apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": ["a": .string(text)]]))
        }
        func both(_ text: String) async throws -> [Bool] { [try await show(text), try await write(text)] }
        #expect(try await both("one") == [true, true])
        #expect(try await both("one") == [false, false])
        let error = ClusterError(.timedOut, subject: "the server", message: "no answer")
        await api.fail(.patch, name: key.name, with: error, times: 1)
        await api.fail(.apply, name: "status", with: error, times: 1)
        await #expect(throws: ClusterError.self) { _ = try await show("two") }
        await #expect(throws: ClusterError.self) { _ = try await write("two") }
        #expect(try await both("one") == [true, true])
        #expect(try await both("one") == [false, false])
    }
}
