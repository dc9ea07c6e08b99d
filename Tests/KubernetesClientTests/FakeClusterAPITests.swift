import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

/// The cluster in memory does what the real one does, as far as tests lean on it.
struct FakeClusterAPITests {
    private let cluster = FakeClusterAPI()
    private let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")

    private func manifest(_ data: Value, namespace: String = "default") -> Manifest {
        Manifest(["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "x", "namespace": .string(namespace)], "data": data])
    }

    @Test func `apply owns, leaves others' fields, and takes away what it drops`() async throws {
        let first = try await cluster.apply(manifest(["a": "1", "b": "2"]), options: ApplyOptions())
        let same = try await cluster.apply(manifest(["a": "1", "b": "2"]), options: ApplyOptions())
        #expect(first.resourceVersion == same.resourceVersion && first.uid.isEmpty == false)
        await cluster.edit(first.key) { value in
            var data = value["data"] ?? .null
            data["mine"] = "yes"
            value["data"] = data
        }
        let later = try await cluster.apply(manifest(["a": "3"]), options: ApplyOptions())
        #expect(later.value["data"] == ["a": "3", "mine": "yes"])
        #expect(later.generation == 3)
        let dry = try await cluster.apply(manifest(["a": "9"]), options: ApplyOptions(dryRun: true))
        #expect(dry.value[path: "data", "a"] == "9")
        #expect(await cluster.object(first.key)?.value[path: "data", "a"] == "3")
    }

    @Test func `a conflict is one unless forced`() async throws {
        _ = try await cluster.apply(manifest(["a": "1"]), options: ApplyOptions(fieldManager: "other"))
        let error = await #expect(throws: ClusterError.self) {
            _ = try await cluster.apply(manifest(["a": "2"]), options: ApplyOptions(force: false))
        }
        #expect(error?.kind == .conflict)
        #expect(error?.message == "Apply failed with 1 conflict: conflict with \"other\": .data.a")
        #expect(try await cluster.apply(manifest(["a": "2"]), options: ApplyOptions()).value[path: "data", "a"] == "2")
    }

    @Test func `containers are matched by name`() async throws {
        func deployment(_ containers: Value) -> Manifest {
            Manifest([
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "d", "namespace": "default"],
                "spec": ["template": ["spec": ["containers": containers]]],
            ])
        }
        _ = try await cluster.apply(deployment([["name": "a", "image": "1"], ["name": "b", "image": "1"]]), options: ApplyOptions())
        let result = try await cluster.apply(deployment([["name": "b", "image": "2"]]), options: ApplyOptions())
        #expect(result.value[path: "spec", "template", "spec", "containers"] == [["name": "b", "image": "2"]])
        // Whichever of its fields comes first, an item is one.
        let ports: Value = [["containerPort": 53, "protocol": "UDP"]]
        let other = try await cluster.apply(deployment([["image": "1", "name": "c", "ports": ports]]), options: ApplyOptions())
        #expect(other.value[path: "spec", "template", "spec", "containers"] == [["name": "c", "image": "1", "ports": ports]])
    }

    @Test func `finalizers hold, namespaces empty themselves, owners take their own along`() async throws {
        await cluster.put(Manifest(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "web"]]))
        var held = manifest([:], namespace: "web")
        held.value["metadata"] = ["name": "x", "namespace": "web", "finalizers": ["example.org/hold"]]
        await cluster.put(held)
        let web = ObjectKey(group: "", kind: "Namespace", name: "web")
        #expect(
            try await cluster.delete(
                GroupVersionKind(group: "", version: "v1", kind: "Namespace"), namespace: "", name: "web", options: .init()))
        #expect(await cluster.object(web)?.isBeingDeleted == true)
        #expect(await cluster.object(held.key)?.isBeingDeleted == true)
        await cluster.edit(held.key) { $0["metadata"] = ["name": "x", "namespace": "web"] }
        #expect(await cluster.object(held.key) == nil)
        #expect(await cluster.object(web) == nil)
        let error = await #expect(throws: ClusterError.self) { _ = try await cluster.create(held) }
        #expect(error?.kind == .notFound)
    }

    @Test func `what it was not told is an error, what it was told to fail fails once`() async throws {
        await #expect(throws: ClusterError.self) { _ = try await cluster.raw("/version") }
        await #expect(throws: ClusterError.self) {
            _ = try await cluster.list(GroupVersionKind(group: "x", version: "v1", kind: "Y"), namespace: "", labelSelector: nil)
        }
        await cluster.fail(.apply, name: "x", with: ClusterError(.serverFailure, subject: "x", message: "down"))
        await #expect(throws: ClusterError.self) { _ = try await cluster.apply(manifest([:]), options: ApplyOptions()) }
        _ = try await cluster.apply(manifest([:]), options: ApplyOptions())
        #expect(await cluster.requests.filter { $0.verb == .apply }.count == 2)
    }
}
