import Git
import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// What people set in objects besides what git says.
extension UnitsTests {
    private func files(more: String = "") -> [String: String] {
        [
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: more),
            "a/one.yaml": Files.config("git", name: "one", namespace: "default"),
        ]
    }

    /// Adds a key by hand; the server counts who set it.
    private func addByHand(_ name: String = "one") async {
        await bench.api.edit(Self.config(name)) {
            $0["data"]?["extra"] = "by hand"
            $0["metadata"]?["managedFields"] = [
                ["manager": "homelab", "operation": "Apply", "fieldsV1": ["f:data": ["f:title": [:]]]],
                ["manager": "kubectl-edit", "operation": "Update", "fieldsV1": ["f:data": ["f:extra": [:]]]],
            ]
        }
    }

    private func extra() async -> String? { await bench.api.object(Self.config("one"))?.value[path: "data", "extra"]?.string }

    private func looks(_ kind: String = "ConfigMap") async -> Int {
        await bench.api.requests.count { $0.verb == .get && $0.kind.kind == kind && $0.namespace == "default" }
    }

    @Test func `a field that was added by hand is taken away, and that is told`() async throws {
        bench.repository.push(files())
        try await bench.run { _ in
            try await awaitReady("a")
            for round in 1...2 {
                await addByHand()
                try await eventually("it is gone") { await extra() == nil && bench.monitor.value.driftRepairs == round }
            }
            #expect(await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "git")
            try await eventually("an Event says who had set it") {
                for key in await bench.api.keys where key.kind == "Event" && key.name.hasPrefix("one.") {
                    let message = await bench.api.object(key)?.value["message"]?.string ?? ""
                    if message.contains("data.extra: set by kubectl-edit") { return true }
                }
                return false
            }
        }
    }

    @Test func `an object that may not be read hides no other`() async throws {
        var files = files()
        files["a/other.yaml"] = Files.config("git", name: "other", namespace: "default")
        bench.repository.push(files)
        try await bench.run { _ in
            try await awaitReady("a")
            let refused = ClusterError(.forbidden, subject: "configmap other", message: "cannot get it")
            await bench.api.fail(.get, name: "other", with: refused, times: 1000)
            await addByHand("other")
            await addByHand()
            try await eventually("the other is put back") { await extra() == nil }
        }
    }

    @Test func `where drift is only told, so is a field that was added`() async throws {
        bench.repository.push(reportingFiles())
        try await bench.run { _ in
            try await awaitReady("a")
            await addByHand()
            try await eventually("it is told", { "\(String(describing: await ready("a")))" }) {
                await ready("a")?.message.contains("data.extra: set by kubectl-edit") == true
            }
            // Other news of the object do not make it forgotten.
            await bench.api.edit(Self.config("one")) { $0["metadata"]?["annotations"]?["example.org/note"] = "x" }
            try await Task.sleep(for: .milliseconds(300))
            #expect(await ready("a")?.message.contains("data.extra: set by kubectl-edit") == true)
            #expect(await extra() == "by hand")
        }
    }

    @Test func `a mark keeps what was added, and nobody looks`() async throws {
        var files = files()
        files["a/one.yaml"] = files["a/one.yaml"]?.replacing("metadata:", with: "metadata:\n  annotations: {homelab.dev/ssa: Merge}")
        bench.repository.push(files)
        try await bench.run { _ in
            try await awaitReady("a")
            await bench.api.forgetRequests()
            await addByHand()
            try await Task.sleep(for: .milliseconds(300))
            #expect(await extra() == "by hand")
            #expect(await looks() == 0)
        }
    }

    @Test func `what controllers write costs no look, or one in a while`() async throws {
        let key = ObjectKey(group: "apps", kind: "Deployment", namespace: "default", name: "site")
        var files = files()
        files["a/d.yaml"] = Files.deployment().replacing("namespace: web", with: "namespace: default")
        bench.repository.push(files)
        try await bench.run { _ in
            try await eventually("it is there") { await bench.api.object(key) != nil }
            await bench.api.setStatus(key, Files.running(1))
            try await awaitReady("a")
            await bench.api.forgetRequests()
            await bench.api.setStatus(key, Files.running(2))
            await bench.api.edit(key) { $0["metadata"]?["annotations"]?["deployment.kubernetes.io/revision"] = "2" }
            try await Task.sleep(for: .milliseconds(300))
            #expect(await looks("Deployment") == 0)
            for number in 1...5 {
                await bench.api.edit(key) { $0["spec"]?["minReadySeconds"] = .int(Int64(number)) }
                try await Task.sleep(for: .milliseconds(60))
            }
            try await eventually("a look") { await looks("Deployment") > 0 }
            #expect(await looks("Deployment") == 1)
            #expect(await bench.api.object(key)?.value[path: "spec", "minReadySeconds"] == 5)
        }
    }

    private func reportingFiles() -> [String: String] {
        var files = files()
        files["clusters/home/a.yaml"] = files["clusters/home/a.yaml"]?.replacing(
            "namespace: default}\n", with: "namespace: default, annotations: {homelab.dev/drift: report}}\n")
        return files
    }

    private func isTold() async -> Bool { await ready("a")?.message.contains("data.extra: set by kubectl-edit") == true }

    private func count(_ verb: FakeClusterAPI.Verb) async -> Int {
        await bench.api.requests.count { $0.verb == verb && $0.name == "one" }
    }

    @Test func `a field that the server does not let go stays theirs, and the unit is well`() async throws {
        bench.repository.push(files())
        try await bench.run { _ in
            try await awaitReady("a")
            await bench.api.forgetRequests()
            // While the field passes to the agent; from then on an apply would take it away.
            await bench.api.during(.patch, name: "one") { api in
                let refusal = ClusterError(.invalid, subject: "one", message: "field is immutable")
                await api.fail(.apply, name: "one", with: refusal, times: 1000)
            }
            await addByHand()
            try await eventually("it is given back") { await count(.patch) == 2 }
            try await Task.sleep(for: .milliseconds(300))
            #expect(await extra() == "by hand")
            let writers = await bench.api.object(Self.config("one"))?.value[path: "metadata", "managedFields"]?.array ?? []
            #expect(writers.map { $0["manager"]?.string } == ["homelab", "kubectl-edit"])
            #expect(await count(.apply) == 2, "it is no drift any more")
            #expect(await count(.patch) == 2)
            #expect(await events(of: "one", "ApplyFailed").isEmpty)
            #expect(await ready("a")?.status == "True")
        }
    }

    @Test func `an added field that is only told is told after a restart, too`() async throws {
        var files = reportingFiles()
        bench.repository.push(files)
        try await bench.run { _ in
            try await awaitReady("a")
            await addByHand()
            try await eventually("it is told") { await isTold() }
        }
        files["a/two.yaml"] = Files.config("two", name: "two", namespace: "default")
        let commit = bench.repository.push(files)
        try await bench.next.run { _ in
            try await eventually("it is told at the new commit", { "\(String(describing: await ready("a")))" }) {
                let status = await bench.api.object(Self.key("a")).map { KustomizationStatus(of: $0) }
                let isApplied = status?.lastAppliedRevision == "main@sha1:\(commit.id.hex)"
                return await isTold() && isApplied
            }
            #expect(await extra() == "by hand")
        }
    }

    @Test func `what is only told and changes all the time costs one look in a while`() async throws {
        bench.repository.push(reportingFiles())
        try await bench.run { _ in
            try await awaitReady("a")
            await bench.api.forgetRequests()
            await addByHand()
            try await eventually("it is told") { await isTold() }
            for number in 1...5 {
                await bench.api.edit(Self.config("one")) { $0["data"]?["extra"] = .string("by hand \(number)") }
                try await Task.sleep(for: .milliseconds(60))
            }
            try await Task.sleep(for: .milliseconds(200))
            #expect(await looks() == 1)
            #expect(await isTold())
        }
    }
}
