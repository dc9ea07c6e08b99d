import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// What is known of the objects in the cluster, and from where.
@Suite struct LiveStateTests {
    private let key = ObjectKey(group: "", kind: "ConfigMap", namespace: "default", name: "one")
    private let unit = Ownership(namespace: "default", name: "a")

    private func config() -> Manifest {
        Manifest(["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["namespace": "default", "name": "one"]])
    }

    @Test func `what nobody follows is not kept after a look`() async throws {
        let api = FakeClusterAPI()
        await api.put(config())
        let live = LiveState(api: api, clock: ManualClock())
        let kind = config().groupVersionKind
        #expect(try await live.lookUp(kind, key).present != nil)
        #expect(await live.observations(of: [key])[key] == .absent)
        await live.setInterests([key], of: unit)
        #expect(try await live.lookUp(kind, key).present != nil)
        #expect(await live.observations(of: [key])[key]?.present != nil)
        #expect(await live.resourceVersions(of: [key]).isEmpty, "no watch sees it")
        await live.setInterests([], of: unit)
        #expect(await live.observations(of: [key])[key] == .absent)
    }

    @Test func `a list of what carries labels says nothing of what does not`() {
        var objects = LiveObjects()
        objects.setDesired([DesiredObject(config(), owner: unit)], of: unit)
        objects.take(config(), now: Timestamp(secondsSinceEpoch: 0))
        objects.replace(key.groupKind, with: [], now: Timestamp(secondsSinceEpoch: 0))
        #expect(objects.observation(of: key).present != nil)
        objects.setDesired([], of: unit)
        #expect(objects.observation(of: key) == .absent)
    }
}
