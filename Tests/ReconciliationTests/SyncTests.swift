import Git
import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

@Suite struct SyncTests {
    let bench = UnitBench()

    @Test func `a commit is applied, recorded first, and shown`() async throws {
        let commit = bench.repository.push(Files.app())
        try await bench.run { _ in
            try await bench.phase(.ready, at: commit)
            let requests = await bench.api.requests
            let record = try #require(requests.firstIndex { $0.verb == .create && $0.name == "homelab-inventory-home" })
            let apply = try #require(requests.firstIndex { $0.verb == .apply && $0.name == "web" })
            #expect(record < apply)
            let live = try #require(await bench.api.object(Files.configKey))
            #expect(live.value[path: "data", "title"] == "one")
            #expect(Ownership(of: live) == bench.spec.owner)
            #expect(try await bench.recorded() == ["Namespace/web", "ConfigMap/web/site"])
            let report = try #require(await bench.report())
            #expect(report.objectCount == 2 && report.healthCounts == [.current: 2])
            #expect(report.source.author == "Ada" && report.source.summary == "Change 1")
            #expect(report.objects.contains { $0.origin == "clusters/home/config.yaml:1" })
        }
    }

    @Test func `a second agent on an unchanged commit applies nothing`() async throws {
        let commit = bench.repository.push(Files.app())
        try await bench.run { _ in try await bench.phase(.ready, at: commit) }
        await bench.api.forgetRequests()
        let next = bench.next
        try await next.run { source in
            try await eventually("it is ready") {
                next.monitor.value.unit.map { $0.phase == .ready && $0.appliedRevision == commit.id.hex } ?? false
            }
            let writes = await bench.api.requests.filter { [.apply, .create, .replace, .patch, .delete].contains($0.verb) }
            // What stands for the agent itself is written at every start.
            let others = writes.filter { !["homelab-status-home", "homelab-system", "home"].contains($0.name) && $0.kind.kind != "Event" }
            #expect(others.isEmpty, "\(others)")
        }
    }

    @Test func `only what changed is sent`() async throws {
        bench.repository.push(Files.app())
        try await bench.run { source in
            try await bench.phase(.ready)
            await bench.api.forgetRequests()
            let second = bench.repository.push(Files.app(title: "two"))
            source.wake()
            try await bench.phase(.ready, at: second)
            let applies = await bench.api.requests.filter { $0.verb == .apply && ["web", "site"].contains($0.name) }
            #expect(applies.map(\.name) == ["site"])
            #expect(!(await bench.api.requests.contains { $0.name == "homelab-inventory-home" }))
        }
    }

    @Test func `what is changed or deleted by hand is set right`() async throws {
        bench.repository.push(Files.app())
        try await bench.run { _ in
            try await bench.phase(.ready)
            await bench.api.edit(Files.configKey) { $0["data"] = ["title": "by hand"] }
            try await eventually("the title is back") { await bench.api.object(Files.configKey)?.value[path: "data", "title"] == "one" }
            // Before the agent has the answer to its repair it may hear that the object is gone.
            try await eventually("it is counted") { bench.monitor.value.driftRepairs == 1 }
            await bench.api.remove(Files.configKey)
            try await eventually("it is back") { await bench.api.object(Files.configKey) != nil }
            try await eventually("both are counted") { bench.monitor.value.driftRepairs == 2 }
            try await eventually("an event tells") {
                await bench.api.keys.contains { $0.kind == "Event" && $0.namespace == "web" }
            }
        }
    }

    @Test func `a change of a field nobody wants is no drift`() async throws {
        var files = Files.app()
        files["clusters/home/fence.yaml"] = Files.config("fence", name: "fence")
        bench.repository.push(files)
        let fence = ObjectKey(group: "", kind: "ConfigMap", namespace: "web", name: "fence")
        try await bench.run { _ in
            try await bench.phase(.ready)
            await bench.api.forgetRequests()
            await bench.api.edit(Files.configKey) { $0["data"]?["other"] = "mine" }
            await bench.api.edit(fence) { $0["data"]?["title"] = "by hand" }
            try await eventually("the later change is set right") {
                await bench.api.object(fence)?.value[path: "data", "title"] == "fence"
            }
            #expect(!(await bench.api.requests.contains { $0.verb == .apply && $0.name == "site" }))
            #expect(await bench.api.object(Files.configKey)?.value[path: "data", "other"] == "mine")
        }
    }

    @Test func `what leaves the repository is deleted and forgotten, a namespace only when confirmed`() async throws {
        var files = Files.app()
        files["clusters/home/more.yaml"] = Files.config("more", name: "more", namespace: "default")
        bench.repository.push(files)
        try await bench.run { source in
            try await bench.phase(.ready)
            let second = bench.repository.push(["clusters/home/more.yaml": Files.config("more", name: "more", namespace: "default")])
            source.wake()
            try await bench.phase(.ready, at: second)
            try await eventually("the config is gone") { await bench.api.object(Files.configKey) == nil }
            try await eventually("the record is short") {
                try await bench.recorded() == ["Namespace/web", "ConfigMap/default/more"]
            }
            let kept = try #require(await bench.report()?.exceptions.first)
            #expect(kept.key == Files.namespaceKey && kept.message.contains("homelab.dev/prune=confirmed"))
            await bench.api.edit(Files.namespaceKey) { $0["metadata"]?["annotations"]?["homelab.dev/prune"] = "confirmed" }
            try await eventually("the namespace is gone") { await bench.api.object(Files.namespaceKey) == nil }
            try await eventually("the record is shorter") { try await bench.recorded() == ["ConfigMap/default/more"] }
        }
    }

    @Test func `nothing old goes before the new is healthy`() async throws {
        var files = Files.app()
        files["clusters/home/deployment.yaml"] = Files.deployment()
        bench.repository.push(files)
        try await bench.run { source in
            try await bench.phase(.progressing)
            try await eventually("it is there") { await bench.api.object(Files.deploymentKey) != nil }
            await bench.api.setStatus(Files.deploymentKey, Files.running(1))
            try await bench.phase(.ready)
            files["clusters/home/config.yaml"] = nil
            files["clusters/home/deployment.yaml"] = Files.deployment(image: "web:2")
            let second = bench.repository.push(files)
            source.wake()
            try await eventually("the new image is there") { await bench.report()?.appliedRevision == second.id.hex }
            let report = try #require(await bench.report())
            #expect(report.phase == .progressing)
            #expect(report.exceptions.first?.message.contains("Deployment/web/site") == true)
            #expect(await bench.api.object(Files.configKey) != nil)
            await bench.api.setStatus(Files.deploymentKey, Files.running(2))
            try await eventually("the old config is gone") { await bench.api.object(Files.configKey) == nil }
            try await bench.phase(.ready, at: second)
        }
    }

    @Test func `a newer commit does not wait for the health of an older one`() async throws {
        var files = Files.app()
        files["clusters/home/deployment.yaml"] = Files.deployment()
        bench.repository.push(files)
        try await bench.run { source in
            try await bench.phase(.progressing)
            let second = bench.repository.push(Files.app())
            source.wake()
            try await bench.phase(.ready, at: second)
            try await eventually("the deployment is gone") { await bench.api.object(Files.deploymentKey) == nil }
        }
    }

    @Test func `a ConfigMap goes only when no pod reads it any more`() async throws {
        var files = Files.app()
        bench.repository.push(files)
        let pod = ObjectKey(group: "", kind: "Pod", namespace: "web", name: "old")
        try await bench.run { source in
            try await bench.phase(.ready)
            _ = try await bench.api.create(
                Manifest([
                    "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "old", "namespace": "web"],
                    "spec": ["containers": [["name": "a", "envFrom": [["configMapRef": ["name": "site"]]]]]],
                    "status": ["phase": "Running"],
                ]))
            files["clusters/home/config.yaml"] = Files.config("two", name: "site-2")
            let second = bench.repository.push(files)
            source.wake()
            try await bench.phase(.ready, at: second)
            try await eventually("it says who uses it") {
                await bench.report()?.exceptions.contains { $0.key == Files.configKey && $0.message.contains("Pod/web/old") } == true
            }
            #expect(await bench.api.object(Files.configKey) != nil)
            await bench.api.remove(pod)
            bench.repository.push(files.merging(["README.md": "x"]) { $1 })
            source.wake()
            try await eventually("it is gone") { await bench.api.object(Files.configKey) == nil }
        }
    }
}
