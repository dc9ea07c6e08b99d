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

    @Test func `after a restore nothing is known of Jobs that have come to their end since`() {
        let job = Manifest([
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": [
                "namespace": "default", "name": "one",
                "annotations": .object(Object([.init(key: DesiredObject.digestAnnotation, value: "d")])),
            ],
            "status": ["conditions": [["type": "Complete", "status": "True"]]],
        ])
        var objects = LiveObjects()
        objects.noteCompletion(of: job)
        #expect(objects.completedJobs == [job.key: "d"])
        objects.forgetVersions(of: job.key.groupKind)
        #expect(objects.completedJobs.isEmpty)
    }

    @Test func `what a list says an object is makes it no other one`() {
        let inList = config()
        let metadata = inList.value["metadata"] ?? [:]
        let looked = Manifest(["kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata])
        #expect(LiveObjects.mark(of: looked) == LiveObjects.mark(of: inList))
        var changed = looked
        changed.value["data"] = ["title": "other"]
        #expect(LiveObjects.mark(of: changed) != LiveObjects.mark(of: looked))
    }

    @Test func `what is applied in one version of a kind is not compared with what is read in another`() throws {
        let now = Timestamp(secondsSinceEpoch: 0)
        let scaler = Manifest([
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": ["namespace": "default", "name": "web", "uid": "u"],
            "spec": ["maxReplicas": 3, "metrics": [["type": "Resource"]]],
        ])
        let wanted = DesiredObject(scaler, owner: unit)
        func live(_ resourceVersion: String, _ change: (inout Value) -> Void = { _ in }) -> Manifest {
            var manifest = wanted.manifest
            manifest.value["metadata"]?["resourceVersion"] = .string(resourceVersion)
            change(&manifest.value)
            return manifest
        }
        func inVersionOne(_ value: inout Value) {
            value["apiVersion"] = "autoscaling/v1"
            value["spec"] = ["maxReplicas": 3, "targetCPUUtilizationPercentage": 80]
        }
        var objects = LiveObjects()
        objects.setDesired([wanted], of: unit)
        objects.settle(live("1"), with: wanted, now: now)
        let isNews = objects.take(live("2", inVersionOne), now: now)
        #expect(!isNews)
        let settled = try #require(objects.observation(of: wanted.key).present)
        #expect(settled.isCompared && settled.differences.isEmpty, "\(settled)")
        objects.take(live("3") { $0["spec"]?["maxReplicas"] = 5 }, now: now)
        #expect(objects.observation(of: wanted.key).present?.differences.map(\.path) == ["spec.maxReplicas"])
        // As after a start: it is seen before anybody says in which version it is wanted.
        var others = LiveObjects()
        others.take(live("4", inVersionOne), now: now)
        others.setDesired([wanted], of: unit)
        let first = try #require(others.observation(of: wanted.key).present)
        #expect(!first.isCompared && first.differences.isEmpty, "\(first)")
    }

    @Test func `a kind that is watched in one version is not known in another by that, and watched there too`() async throws {
        func resource(_ version: String) -> APIResource {
            APIResource(
                kind: GroupVersionKind(group: "autoscaling", version: version, kind: "HorizontalPodAutoscaler"),
                plural: "horizontalpodautoscalers", isNamespaced: true)
        }
        let (one, two) = (resource("v1"), resource("v2"))
        let api = FakeClusterAPI()
        await api.register(one)
        let live = LiveState(api: api, clock: ManualClock())
        let running = Task { await live.run() }
        defer { running.cancel() }
        #expect(try await live.follow([one]).isEmpty)
        #expect(try await live.resources(for: [two.kind]).isEmpty)
        #expect(try await live.resources(forRecorded: [two.kind]) == [one.kind.groupKind: one])
        await api.register(two)
        #expect(try await live.resources(for: [two.kind]) == [two.kind: two])
        #expect(try await live.follow([two]).isEmpty)
        try await eventually("it is watched") { await api.requests.contains { $0.verb == .watch && $0.kind == two.kind } }
    }

    @Test func `what was cleared away before the answer to its apply came does not come back`() async throws {
        let job = Manifest([
            "apiVersion": "batch/v1", "kind": "Job", "metadata": ["namespace": "default", "name": "one"], "spec": ["template": [:]],
        ])
        let wanted = DesiredObject(job, owner: unit)
        let resource = APIResource(kind: job.groupVersionKind, plural: "jobs", isNamespaced: true)
        let api = FakeClusterAPI()
        await api.register(resource)
        let live = LiveState(api: api, clock: ManualClock())
        let running = Task { await live.run() }
        defer { running.cancel() }
        await live.setDesired([wanted], of: unit)
        #expect(try await live.follow([resource]).isEmpty)
        await api.put(wanted.manifest)
        try await eventually("it is seen") { await live.observations(of: [job.key])[job.key]?.present != nil }
        let answer = try #require(await api.object(job.key))
        await api.remove(job.key)
        try await eventually("it is gone") { await live.observations(of: [job.key])[job.key] == .absent }
        await live.settle(answer, with: wanted, by: unit, keepsAdditions: false)
        #expect(await live.observations(of: [job.key])[job.key] == .absent)
        await api.put(wanted.manifest)
        let other = try #require(await api.object(job.key))
        await live.settle(other, with: wanted, by: unit, keepsAdditions: false)
        #expect(await live.observations(of: [job.key])[job.key]?.present != nil, "one made anew is another one")
    }

    @Test func `what comes back under its own UID is not gone`() async throws {
        let wanted = DesiredObject(config(), owner: unit)
        let resource = APIResource(kind: config().groupVersionKind, plural: "configmaps", isNamespaced: true)
        let api = FakeClusterAPI()
        let live = LiveState(api: api, clock: SystemClock())
        let running = Task { await live.run() }
        defer { running.cancel() }
        await live.setDesired([wanted], of: unit)
        #expect(try await live.follow([resource]).isEmpty)
        await api.put(wanted.manifest)
        func awaitSeen(_ isSeen: Bool) async throws {
            try await eventually("it is \(isSeen ? "" : "not ")seen") { (await live.uid(of: key) != nil) == isSeen }
        }
        try await awaitSeen(true)
        let snapshot = await api.snapshot()
        await api.remove(key)
        try await awaitSeen(false)
        await api.restore(snapshot)
        try await awaitSeen(true)
        var answer = try #require(await api.object(key))
        answer.value["metadata"]?["resourceVersion"] = "999"
        await live.settle(answer, with: wanted, by: unit, keepsAdditions: false)
        #expect(await live.resourceVersions(of: [key]) == [key: "999"])
    }
}
