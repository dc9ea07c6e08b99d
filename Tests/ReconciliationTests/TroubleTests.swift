import Diagnostics
import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Git
@testable import Reconciliation

/// What goes wrong, and what the agent makes of it.
@Suite struct TroubleTests {
    let bench = UnitBench()

    @Test func `a broken commit changes nothing and says where it is broken`() async throws {
        let good = bench.repository.push(Files.app())
        try await bench.run { source in
            try await bench.phase(.ready)
            let broken = bench.repository.push(["clusters/home/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: [\n"])
            source.wake()
            try await bench.phase(.buildFailed)
            let report = try #require(await bench.report())
            #expect(report.attemptedRevision == broken.id.hex && report.appliedRevision == good.id.hex)
            #expect(report.errors.first?.location?.file == "clusters/home/config.yaml", "\(report.errors)")
            #expect(await bench.api.object(Files.namespaceKey) != nil)
            await bench.api.remove(Files.configKey)
            try await eventually("the good commit is enforced on") { await bench.api.object(Files.configKey) != nil }
            let mended = bench.repository.push(Files.app(title: "two"))
            source.wake()
            try await bench.phase(.ready, at: mended)
        }
    }

    @Test func `what was shown as ready and is not any more is unhealthy, however soon`() async throws {
        let (config, record) = (ObjectKey(group: "", kind: "ConfigMap", namespace: "web", name: "config"), "homelab-inventory-home")
        var files = [
            "clusters/home/namespace.yaml": Files.namespace, "clusters/home/app.yaml": Files.deployment(),
            "clusters/home/config.yaml": Files.config("one", name: "config"),
        ]
        bench.repository.push(files)
        try await bench.run { _ in try await eventually("the Deployment") { await bench.api.object(Files.deploymentKey) != nil } }
        await bench.api.remove(config)
        files["clusters/home/app.yaml"] = Files.deployment(image: "web:2")
        files["clusters/home/config.yaml"] = nil
        bench.repository.push(files)
        // Health comes when the pass has looked for it and goes on, and goes when it has been shown and no other pass has been made.
        await bench.api.during(.replace, name: record) { api in
            await api.setStatus(Files.deploymentKey, Files.running(2))
            await api.during(.apply, name: "homelab-status-home") { api in
                await api.setStatus(Files.deploymentKey, ["observedGeneration": 2, "replicas": 1, "unavailableReplicas": 1])
            }
        }
        try await bench.run { _ in
            try await bench.phase(.unhealthy)
            let inventory = await bench.api.requests.count { $0.verb == .replace && $0.name == record }
            #expect(inventory > 0)
        }
    }

    @Test func `an agent that starts on a broken commit enforces the one before it`() async throws {
        bench.repository.push(Files.app())
        try await bench.run { _ in try await bench.phase(.ready) }
        bench.repository.push(["clusters/home/config.yaml": "a: [\n"])
        await bench.api.remove(Files.configKey)
        try await bench.run { _ in
            try await eventually("it is repaired") { await bench.api.object(Files.configKey) != nil }
            try await bench.phase(.buildFailed)
        }
    }

    @Test func `an object wanted twice is refused naming both places`() async throws {
        var files = Files.app()
        files["clusters/home/zzz.yaml"] = Files.config("other")
        bench.repository.push(files)
        try await bench.run { _ in
            try await bench.phase(.buildFailed)
            let text = await bench.report()?.errors.map(\.description).joined() ?? ""
            #expect(text.contains("config.yaml") && text.contains("zzz.yaml"), "\(text)")
            #expect(await bench.api.object(Files.namespaceKey) == nil)
        }
    }

    @Test func `a refused object keeps no other back, and is tried again`() async throws {
        let refusal = ClusterError(.invalid, subject: "ConfigMap/web/site", message: "data.title: must be better")
        await bench.api.fail(.apply, kind: Files.configKey.groupKind, name: "site", with: refusal, times: .max)
        var files = Files.app()
        files["clusters/home/other.yaml"] = Files.config("x", name: "other")
        bench.repository.push(files)
        try await bench.run { _ in
            try await bench.phase(.applyFailed)
            let error = try #require(await bench.report()?.errors.first)
            #expect(error.location?.file == "clusters/home/config.yaml" && error.cause == "data.title: must be better")
            #expect(await bench.api.keys.contains { $0.name == "other" })
            await bench.api.mend()
            try await bench.phase(.ready)
        }
    }

    /// Nothing is to be sent of it any more, so nothing of it can fail.
    @Test func `a failure ends with what it was about`() async throws {
        bench.repository.push(Files.app())
        try await bench.run { source in
            try await bench.phase(.ready)
            let refusal = ClusterError(.invalid, subject: "ConfigMap/web/site", message: "data.title: must be better")
            await bench.api.fail(.apply, kind: Files.configKey.groupKind, name: "site", with: refusal, times: .max)
            let second = bench.repository.push(Files.app(title: "two"))
            source.wake()
            try await bench.phase(.applyFailed)
            await bench.api.edit(Files.configKey) {
                $0["metadata"]?["annotations"]?["kustomize.toolkit.fluxcd.io/reconcile"] = "disabled"
            }
            try await bench.phase(.ready, at: second)
        }
    }

    /// A key that was exchanged, or another interval, opens a repository anew.
    @Test func `a source that is opened anew is the same, and another branch is not`() async throws {
        let context = UnitContext(
            api: bench.api, clock: bench.clock, manifests: KustomizeManifests(),
            events: EventRecorder(api: bench.api, clock: bench.clock, node: "m1"), status: StatusWriter(api: bench.api),
            monitor: bench.monitor)
        func source(_ branch: String) -> GitSource {
            GitSource(repository: bench.repository, clock: bench.clock, pollInterval: .seconds(3600), reference: branch)
        }
        let bell = Bell()
        let unit = UnitReconciler(
            spec: bench.spec, context: context, source: source("main"),
            record: InventoryStore(api: bench.api, clock: bench.clock, unit: "home", bell: bell), bell: bell)
        await unit.use(source("main"))
        await unit.use(nil)
        await unit.use(source("main"))
        #expect(await !unit.hasNewSource)
        await unit.use(source("other"))
        #expect(await unit.hasNewSource)
    }

    @Test func `an object that gets no answer keeps no other back, as long as the server answers at all`() async throws {
        let silence = ClusterError(.timedOut, subject: "ConfigMap/web/site", message: "no answer within 70 s")
        await bench.api.fail(.apply, kind: Files.configKey.groupKind, name: "site", with: silence, times: .max)
        var files = Files.app()
        files["clusters/home/zz.yaml"] = Files.config("x", name: "zz")
        bench.repository.push(files)
        try await bench.run { _ in
            try await bench.phase(.applyFailed)
            #expect(await bench.report()?.errors.first?.cause == "no answer within 70 s")
            #expect(await bench.api.keys.contains { $0.name == "zz" })
            await bench.api.mend()
            try await bench.phase(.ready)
        }
        await bench.api.fail(.apply, kind: Files.configKey.groupKind, name: "site", with: silence, times: .max)
        await bench.api.fail(.raw, with: ClusterError(.timedOut, subject: "/readyz", message: "no answer within 30 s"), times: .max)
        let second = bench.repository.push(Files.app(title: "two"))
        try await bench.run { _ in
            try await eventually("nothing answers") { bench.monitor.value.unit?.phase == .unreachable }
            await bench.api.mend()
            try await bench.phase(.ready, at: second)
        }
    }

    @Test func `a kind that cannot be listed keeps no other back, and is named`() async throws {
        let ingress = GroupKind(group: "networking.k8s.io", kind: "Ingress")
        let error = ClusterError(.serverFailure, subject: "Ingress", message: "conversion webhook failed: no endpoints available")
        await bench.api.fail(.list, kind: ingress, with: error, times: .max)
        let manifest = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: front, namespace: web}\nspec: {}\n"
        let key = ObjectKey(group: "networking.k8s.io", kind: "Ingress", namespace: "web", name: "front")
        let left = ObjectKey(group: "", kind: "ConfigMap", namespace: "web", name: "left")
        var files = Files.app()
        files["clusters/home/left.yaml"] = Files.config("x", name: "left")
        bench.repository.push(files)
        try await bench.run { source in
            try await bench.phase(.ready)
            files["clusters/home/left.yaml"] = nil
            files["clusters/home/front.yaml"] = manifest
            files["clusters/home/more.yaml"] = Files.config("x", name: "more")
            let commit = bench.repository.push(files)
            source.wake()
            try await bench.phase(.applyFailed)
            let message = await bench.report()?.message
            #expect(
                message
                    == "Ingress/web/front waits, because the cluster does not list Ingress.networking.k8s.io: "
                    + "conversion webhook failed: no endpoints available")
            #expect(await bench.api.keys.contains { $0.name == "more" })
            #expect(await bench.api.object(key) == nil)
            #expect(await bench.api.object(left) != nil, "what left goes when all of the commit is there")
            await bench.api.mend()
            try await bench.phase(.ready, at: commit)
            #expect(await bench.api.object(key) != nil)
            try await eventually("it went") { await bench.api.object(left) == nil }
        }
    }

    @Test func `an object of an unknown kind waits for its definition, the rest does not`() async throws {
        var files = Files.app()
        files["clusters/home/widget.yaml"] =
            "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: one, namespace: web}\nspec: {a: 1}\n"
        bench.repository.push(files)
        let widget = ObjectKey(group: "example.org", kind: "Widget", namespace: "web", name: "one")
        try await bench.run { _ in
            try await bench.phase(.progressing)
            try await eventually("the rest is there") { await bench.api.object(Files.configKey) != nil }
            #expect(await bench.report()?.message.contains("Widget") == true)
            await bench.api.register(
                APIResource(
                    kind: GroupVersionKind(group: "example.org", version: "v1", kind: "Widget"), plural: "widgets", isNamespaced: true))
            await bench.api.put(
                Manifest([
                    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                    "metadata": ["name": "widgets.example.org"],
                    "spec": ["group": "example.org", "names": ["kind": "Widget", "plural": "widgets"], "scope": "Namespaced"],
                ]))
            try await eventually("the widget is there") { await bench.api.object(widget) != nil }
            try await bench.phase(.ready)
        }
    }

    /// The process dies in the middle; what it had sent is left in the cluster, and the commit is reverted before the next one starts.
    @Test func `nothing that was applied before a crash is forgotten`() async throws {
        bench.repository.push(["clusters/home/namespace.yaml": Files.namespace])
        try await bench.run { _ in try await bench.phase(.ready) }
        let gone = ClusterError(.unreachable, subject: "", message: "connection refused")
        await bench.api.fail(.apply, kind: Files.configKey.groupKind, name: "second", with: gone, times: 1000)
        var files = Files.app()
        files["clusters/home/second.yaml"] = Files.config("x", name: "second")
        bench.repository.push(files)
        try await bench.run { _ in
            try await eventually("the first is there") { await bench.api.object(Files.configKey) != nil }
            try await bench.phase(.unreachable)
        }
        let after = bench.repository.push(["clusters/home/namespace.yaml": Files.namespace])
        try await bench.run { _ in
            try await bench.phase(.ready, at: after)
            try await eventually("it is gone") { await bench.api.object(Files.configKey) == nil }
            try await eventually("the record is clean") { try await bench.recorded() == ["Namespace/web"] }
        }
    }

    @Test func `an API server that went away is found again`() async throws {
        bench.repository.push(Files.app())
        try await bench.run { source in
            try await bench.phase(.ready)
            await bench.api.setReachable(false)
            let second = bench.repository.push(Files.app(title: "two"))
            source.wake()
            try await eventually("it is noticed") { bench.monitor.value.unit?.phase == .unreachable }
            await bench.api.setReachable(true)
            try await bench.phase(.ready, at: second)
            #expect(await bench.api.object(Files.configKey)?.value[path: "data", "title"] == "two")
        }
    }

    @Test func `watches that expired are begun anew, and what happened meanwhile is seen`() async throws {
        bench.repository.push(Files.app())
        try await bench.run { _ in
            try await bench.phase(.ready)
            await bench.api.endWatches(throwing: ClusterError(.expired, subject: "", message: "too old"))
            await bench.api.remove(Files.configKey)
            await bench.api.compact()
            try await eventually("it is repaired") { await bench.api.object(Files.configKey) != nil }
        }
    }

    @Test func `a cluster that is set back to a snapshot is brought to where it was`() async throws {
        func key(_ name: String) -> ObjectKey { ObjectKey(group: "", kind: "ConfigMap", namespace: "web", name: name) }
        var files = Files.app()
        files["clusters/home/old.yaml"] = Files.config("x", name: "old")
        bench.repository.push(files)
        try await bench.run { source in
            try await bench.phase(.ready)
            let snapshot = await bench.api.snapshot()
            files = Files.app(title: "two")
            files["clusters/home/new.yaml"] = Files.config("x", name: "new")
            let second = bench.repository.push(files)
            source.wake()
            try await bench.phase(.ready, at: second)
            try await eventually("what left is gone") { await bench.api.object(key("old")) == nil }
            // The versions do not get there again within this test: not to the last that was seen of the objects, nor of the record.
            let metadata: Value = [
                "namespace": "homelab-system", "name": "other",
                "labels": [
                    "homelab.dev/inventory": "home", "kustomize.toolkit.fluxcd.io/name": "other",
                    "kustomize.toolkit.fluxcd.io/namespace": "default",
                ],
            ]
            for number in 0..<500 {
                await bench.api.put(
                    Manifest([
                        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": ["number": .string("\(number)")],
                    ]))
            }
            await bench.api.restore(snapshot)
            await bench.api.forgetRequests()
            try await eventually("it is there again", { await String(describing: bench.api.keys) }) {
                let title = await bench.api.object(key("site"))?.value[path: "data", "title"]
                let (new, old) = (await bench.api.object(key("new")), await bench.api.object(key("old")))
                return title == "two" && new != nil && old == nil
            }
            try await eventually("it is recorded") {
                let recorded = try await bench.recorded()
                return recorded.contains("ConfigMap/web/new") && !recorded.contains("ConfigMap/web/old")
            }
            let third = bench.repository.push(Files.app(title: "three"))
            source.wake()
            try await bench.phase(.ready, at: third)
            #expect(await bench.api.object(key("site"))?.value[path: "data", "title"] == "three")
            let applies = await bench.api.requests.count { $0.verb == .apply && $0.name == "site" }
            #expect(applies <= 3, "one for each commit, not again and again")
        }
    }

    @Test func `an emptied tree deletes nothing until a person says so`() async throws {
        bench.repository.push(Files.app())
        try await bench.run { source in
            try await bench.phase(.ready)
            let empty = bench.repository.push(["clusters/home/kustomization.yaml": "resources: []\n"])
            source.wake()
            try await eventually("it is refused", { await String(describing: bench.report()) }) {
                await bench.report()?.errors.contains { $0.summary.contains("nothing is deleted") || $0.summary.contains("empty") } == true
            }
            #expect(await bench.api.object(Files.configKey) != nil)
            let record = ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: "homelab-inventory-home")
            await bench.api.edit(record) {
                $0["metadata"]?["annotations"] = ["homelab.dev/confirm-prune": .string(String(empty.id.hex.prefix(12)))]
            }
            try await eventually("it is gone", { await String(describing: bench.report()) }) {
                await bench.api.object(Files.configKey) == nil
            }
        }
    }

    @Test func `rewritten history is not followed until a person says so`() async throws {
        let first = bench.repository.push(Files.app())
        try await bench.run { source in
            try await bench.phase(.ready, at: first)
            let other = bench.repository.push(Files.app(title: "rewritten"), onto: .some(nil))
            source.wake()
            try await eventually("it is told") { await bench.report()?.source.problem == "HistoryRewritten" }
            let report = try #require(await bench.report())
            #expect(report.phase == .artifactFailed && report.attemptedRevision == other.id.hex && report.appliedRevision == first.id.hex)
            #expect(report.message.contains("kubectl annotate configmap -n homelab-system homelab-inventory-home"), "\(report.message)")
            #expect(await bench.api.object(Files.configKey)?.value[path: "data", "title"] == "one")
            await bench.api.remove(Files.configKey)
            try await eventually("the old commit is enforced on") { await bench.api.object(Files.configKey) != nil }
            let record = ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: "homelab-inventory-home")
            await bench.api.edit(record) { $0["metadata"]?["annotations"] = ["homelab.dev/accept-history": .string(other.id.hex)] }
            try await bench.phase(.ready, at: other)
            #expect(await bench.report()?.source.problem == "")
        }
    }

    @Test func `a fight over a field is named and slowed down`() async throws {
        let clock = ManualClock()
        var bench = bench
        bench.clock = clock
        bench.repository.push(Files.app())
        try await bench.run { _ in
            try await bench.phase(.ready)
            for round in 1...3 {
                await bench.api.edit(Files.configKey) { $0["data"] = ["title": .string("by another \(round)")] }
                try await eventually("repair \(round)") { bench.monitor.value.driftRepairs == round }
            }
            // So that no pass is under way when the clock is advanced: it would hold the repair back, and then find no wait to end.
            try await eventually("it rests") {
                let passes = bench.monitor.value.passes
                try await Task.sleep(for: .milliseconds(100))
                return bench.monitor.value.passes == passes
            }
            let passes = bench.monitor.value.passes
            await bench.api.edit(Files.configKey) { $0["data"] = ["title": "by another again"] }
            try await eventually("it was looked at, and waits") {
                bench.monitor.value.passes > passes && bench.monitor.value.unit?.phase == .progressing
            }
            #expect(bench.monitor.value.driftRepairs == 3)
            clock.advance(by: .seconds(3))
            try await eventually("it is repaired later") { bench.monitor.value.driftRepairs == 4 }
            try await eventually("it is named", { await String(describing: bench.report()) }) {
                await bench.report()?.message.contains("kubectl-edit") == true
                    || bench.monitor.value.unit?.message.contains("keeps changing") == true
            }
        }
    }

    @Test func `a record deleted by hand is written anew`() async throws {
        bench.repository.push(Files.app())
        try await bench.run { _ in
            try await bench.phase(.ready)
            await bench.api.remove(ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: "homelab-inventory-home"))
            try await eventually("it is back") { try await bench.recorded() == ["Namespace/web", "ConfigMap/web/site"] }
        }
    }

    @Test func `a value that the server writes in its own way is applied once after a restart, and is no drift`() async throws {
        let api = FakeClusterAPI()
        await api.register(
            APIResource(kind: GroupVersionKind(group: "example.org", version: "v1", kind: "Widget"), plural: "widgets", isNamespaced: true))
        let bench = UnitBench(api: api)
        bench.repository.push([
            "clusters/home/w.yaml":
                "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: one, namespace: default}\nspec: {items: []}\n"
        ])
        try await bench.run { _ in
            try await bench.phase(.ready)
            #expect(bench.monitor.value.driftRepairs == 0)
        }
    }
}
