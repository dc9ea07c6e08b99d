import Git
import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// Many units: Kustomizations in the repository, each with a directory of its own.
@Suite struct UnitsTests {
    let bench = UnitBench()

    static func unit(_ name: String, path: String, more: String = "") -> String {
        """
        apiVersion: kustomize.toolkit.fluxcd.io/v1
        kind: Kustomization
        metadata: {name: \(name), namespace: default}
        spec:
          interval: 10m
          path: ./\(path)
          prune: true
          sourceRef: {kind: GitRepository, name: home, namespace: homelab-system}
        \(more.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))

        """
    }

    static func key(_ name: String) -> ObjectKey { ObjectKey(unit: Ownership(namespace: "default", name: name)) }

    static func config(_ name: String) -> ObjectKey { ObjectKey(group: "", kind: "ConfigMap", namespace: "default", name: name) }

    func ready(_ name: String) async -> FluxCondition? {
        await bench.api.object(Self.key(name)).flatMap { KustomizationStatus(of: $0).conditions["Ready"] }
    }

    func awaitReady(_ name: String, _ status: String = "True", at commit: CommitInfo? = nil) async throws {
        try await eventually("\(name) ready \(status)", { await String(describing: bench.api.object(Self.key(name))?.value["status"]) }) {
            guard let object = await bench.api.object(Self.key(name)) else { return false }
            let state = KustomizationStatus(of: object)
            return state.conditions["Ready"]?.status == status
                && (commit == nil || state.lastAppliedRevision == "main@sha1:\(commit?.id.hex ?? "")")
        }
    }

    /// The messages of the events of a unit, with a reason.
    func events(of name: String, _ reason: String) async -> [String] {
        var found: [String] = []
        for key in await bench.api.keys where key.kind == "Event" && key.name.hasPrefix(name + ".") {
            let event = await bench.api.object(key)
            if event?.value["reason"]?.string == reason { found.append(event?.value["message"]?.string ?? "") }
        }
        return found
    }

    @Test func `a Kustomization in the repository is a unit, and its status is Flux'`() async throws {
        let commit = bench.repository.push([
            "clusters/home/apps.yaml": Self.unit("apps", path: "apps", more: "namePrefix: a-\nwait: true"),
            "apps/one.yaml": Files.config("one", name: "one", namespace: "default"),
        ])
        try await bench.run { _ in
            try await awaitReady("apps", at: commit)
            try await bench.phase(.ready, at: commit)
            let object = try #require(await bench.api.object(Self.key("apps")))
            let status = KustomizationStatus(of: object)
            #expect(status.inventory.keys == [Self.config("a-one")])
            #expect(status.observedGeneration == object.generation)
            #expect(status.conditions["Ready"]?.reason == "ReconciliationSucceeded")
            #expect(status.conditions["Ready"]?.message == "Applied revision: main@sha1:\(commit.id.hex)")
            #expect(status.conditions["Healthy"]?.status == "True" && status.conditions["Reconciling"] == nil)
            #expect(status.history.first?.revision == status.lastAppliedRevision && status.history.count == 1)
            #expect(object.value[path: "metadata", "finalizers"]?.array == ["finalizers.fluxcd.io"])
            let live = try #require(await bench.api.object(Self.config("a-one")))
            #expect(Ownership(of: live) == Ownership(namespace: "default", name: "apps"))
            let requests = await bench.api.requests
            let record = try #require(requests.firstIndex { $0.verb == .patch && $0.name == "apps" })
            let apply = try #require(requests.firstIndex { $0.verb == .apply && $0.name == "a-one" })
            #expect(record < apply)
            let source = ObjectKey(
                group: FluxKinds.gitRepository.group, kind: "GitRepository", namespace: "homelab-system", name: "home")
            try await eventually("an event with the revision") {
                for key in await bench.api.keys where key.kind == "Event" && key.name.hasPrefix("apps.") {
                    let event = await bench.api.object(key)
                    if event?.value["reason"] == "ReconciliationSucceeded" {
                        return event?.annotation("kustomize.toolkit.fluxcd.io/revision") == "main@sha1:\(commit.id.hex)"
                    }
                }
                return false
            }
            try await eventually("the repository's artifact") {
                await bench.api.object(source)?.value[path: "status", "artifact", "revision"] == .string("main@sha1:\(commit.id.hex)")
            }
        }
    }

    @Test func `nothing is sent once all is as it should be`() async throws {
        bench.repository.push([
            "clusters/home/apps.yaml": Self.unit("apps", path: "apps"),
            "apps/one.yaml": Files.config("one", name: "one", namespace: "default"),
        ])
        try await bench.run { _ in
            try await awaitReady("apps")
            try await bench.phase(.ready)
            try await eventually("silence", { "\(await bench.api.requests)" }) {
                await bench.api.forgetRequests()
                try await Task.sleep(for: .milliseconds(1500))
                return await bench.api.requests.isEmpty
            }
        }
    }

    @Test func `a unit waits for what it depends on, and goes on by its event`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("first", path: "first", more: "wait: true"),
            "clusters/home/b.yaml": Self.unit("second", path: "second", more: "dependsOn: [{name: first}]"),
            "first/d.yaml": Files.namespace + "---\n" + Files.deployment(),
            "second/c.yaml": Files.config("c", name: "c", namespace: "default"),
        ])
        try await bench.run { _ in
            try await awaitReady("second", "False")
            #expect(await ready("second")?.reason == "DependencyNotReady")
            #expect(await ready("second")?.message == "dependency 'default/first' is not ready")
            #expect(await bench.api.object(Self.config("c")) == nil)
            try await eventually("it is there") { await bench.api.object(Files.deploymentKey) != nil }
            await bench.api.setStatus(Files.deploymentKey, Files.running(1))
            try await awaitReady("second")
            #expect(await bench.api.object(Self.config("c")) != nil)
        }
    }

    @Test func `dependencies in a circle are named`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: "dependsOn: [{name: b}]"),
            "clusters/home/b.yaml": Self.unit("b", path: "a", more: "dependsOn: [{name: a}]"),
            "a/c.yaml": Files.config("c", name: "c", namespace: "default"),
        ])
        try await bench.run { _ in
            try await eventually("the circle") {
                await ready("a")?.message == "the dependencies lead in a circle: default/a → default/b → default/a"
            }
        }
    }

    @Test func `an object moves between units with its life`() async throws {
        var files = [
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "clusters/home/b.yaml": Self.unit("b", path: "b"),
            "a/keep.yaml": Files.config("keep", name: "keep", namespace: "default"),
            "a/moves.yaml": Files.config("moves", name: "moves", namespace: "default"),
            "b/other.yaml": Files.config("other", name: "other", namespace: "default"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("a")
            try await awaitReady("b")
            let uid = await bench.api.object(Self.config("moves"))?.uid
            files["b/moves.yaml"] = files.removeValue(forKey: "a/moves.yaml")
            let second = bench.repository.push(files)
            source.wake()
            try await awaitReady("a", at: second)
            try await awaitReady("b", at: second)
            try await eventually("the record of a is short") {
                await bench.api.object(Self.key("a")).map { KustomizationStatus(of: $0).inventory.keys } == [Self.config("keep")]
            }
            let moved = try #require(await bench.api.object(Self.config("moves")))
            #expect(moved.uid == uid && Ownership(of: moved)?.name == "b")
        }
    }

    @Test func `a renamed unit keeps its objects alive`() async throws {
        var files = [
            "clusters/home/a.yaml": Self.unit("old", path: "a"), "clusters/home/fence.yaml": Self.unit("fence", path: "fence"),
            "a/one.yaml": Files.config("one", name: "one", namespace: "default"),
            "fence/fence.yaml": Files.config("fence", name: "fence", namespace: "default"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("old")
            try await awaitReady("fence")
            let uid = await bench.api.object(Self.config("one"))?.uid
            files["clusters/home/a.yaml"] = Self.unit("new", path: "a")
            let second = bench.repository.push(files)
            source.wake()
            try await awaitReady("new", at: second)
            try await eventually("the old unit is gone") { await bench.api.object(Self.key("old")) == nil }
            let live = try #require(await bench.api.object(Self.config("one")))
            #expect(live.uid == uid && Ownership(of: live)?.name == "new")
        }
    }

    @Test func `an object that two units want is refused, naming both files`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("a", name: "one", namespace: "default"),
        ])
        try await bench.run { source in
            try await awaitReady("a")
            bench.repository.push([
                "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("a", name: "one", namespace: "default"),
                "clusters/home/b.yaml": Self.unit("b", path: "b"), "b/two.yaml": Files.config("b", name: "one", namespace: "default"),
            ])
            source.wake()
            try await awaitReady("b", "False")
            let message = await ready("b")?.message ?? ""
            #expect(message.contains("b/two.yaml:1") && message.contains("a/one.yaml:1"), "\(message)")
            #expect(await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "a")
        }
    }

    @Test func `a unit that leaves the repository takes its objects along`() async throws {
        let fence = [
            "clusters/home/fence.yaml": Self.unit("fence", path: "fence"),
            "fence/fence.yaml": Files.config("fence", name: "fence", namespace: "default"),
        ]
        let unit = [
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("one", name: "one", namespace: "default"),
        ]
        bench.repository.push(fence.merging(unit) { $1 })
        try await bench.run { source in
            try await awaitReady("a")
            try await awaitReady("fence")
            bench.repository.push(fence)
            source.wake()
            try await eventually("the object is gone") { await bench.api.object(Self.config("one")) == nil }
            try await eventually("the unit is gone") { await bench.api.object(Self.key("a")) == nil }
            #expect(await bench.api.object(Self.config("fence")) != nil)
        }
    }

    @Test func `a suspended unit does nothing, and catches up when it is resumed`() async throws {
        var files = [
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("one", name: "one", namespace: "default"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("a")
            await bench.api.edit(Self.key("a")) { $0["spec"]?["suspend"] = true }
            try await eventually("the agent has seen it") {
                bench.monitor.value.units[Ownership(namespace: "default", name: "a")] == false
            }
            files["a/one.yaml"] = Files.config("two", name: "one", namespace: "default")
            let second = bench.repository.push(files)
            source.wake()
            try await bench.phase(.ready, at: second)
            #expect(await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "one")
            await bench.api.edit(Self.key("a")) { $0["spec"]?["suspend"] = false }
            try await awaitReady("a", at: second)
            #expect(await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "two")
        }
    }

    @Test func `what is changed while a unit is suspended is told and left, by the next agent too, and set right afterwards`() async throws
    {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("one", name: "one", namespace: "default"),
            "a/two.yaml": Files.config("two", name: "two", namespace: "default"),
        ])
        func drift() async -> FluxCondition? {
            await bench.api.object(Self.key("a")).flatMap { KustomizationStatus(of: $0).conditions["Drifted"] }
        }
        try await bench.run { _ in
            try await awaitReady("a")
            await bench.api.edit(Self.key("a")) { $0["spec"]?["suspend"] = true }
            try await eventually("the agent has seen it") {
                bench.monitor.value.units[Ownership(namespace: "default", name: "a")] == false
            }
            #expect(await drift() == nil)
            let before = await bench.api.object(Self.key("a"))?.value[path: "status", "observedGeneration"]
            await bench.api.edit(Self.config("one")) { $0["data"]?["title"] = "by hand" }
            try await eventually("the drift is told") { await drift()?.message.contains("data.title") == true }
            #expect(await drift()?.message.hasPrefix("1 drifted: ConfigMap/default/one") == true)
            #expect(await ready("a")?.status == "True")
            #expect(await bench.api.object(Self.key("a"))?.value[path: "status", "observedGeneration"] == before)
            try await eventually("an event says so") { await events(of: "a", "DriftDetected").contains { $0.contains("data.title") } }
        }
        _ = try await bench.api.delete(
            GroupVersionKind(group: "", version: "v1", kind: "ConfigMap"), namespace: "default", name: "two", options: DeleteOptions())
        try await bench.run { _ in
            try await eventually("the next agent tells both", { await String(describing: bench.api.object(Self.key("a"))?.value) }) {
                await drift()?.message.hasPrefix("2 drifted") == true
            }
            #expect(await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "by hand")
            #expect(await bench.api.object(Self.config("two")) == nil)
            await bench.api.edit(Self.key("a")) { $0["spec"]?["suspend"] = false }
            try await eventually("both are set right") {
                let two = await bench.api.object(Self.config("two"))
                return await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "one" && two != nil
            }
            try await eventually("nothing is said of drift any more") { await drift() == nil }
        }
    }

    @Test func `variables come from the unit and from ConfigMaps that other units make`() async throws {
        let from = "postBuild: {substitute: {size: large}, substituteFrom: [{kind: ConfigMap, name: settings}]}"
        var files = [
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: from),
            "clusters/home/settings.yaml":
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\ndata: {domain: example.org}\n",
            "a/one.yaml": Files.config("${size} at ${domain}", name: "one", namespace: "default"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await eventually("the variables are in") {
                await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "large at example.org"
            }
            files["clusters/home/settings.yaml"] =
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\ndata: {domain: example.com}\n"
            bench.repository.push(files)
            source.wake()
            try await eventually("the new variables are in") {
                await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "large at example.com"
            }
        }
    }

    @Test func `a reconcile that is asked for is answered`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("one", name: "one", namespace: "default"),
        ])
        try await bench.run { _ in
            try await awaitReady("a")
            await bench.api.edit(Self.key("a")) { $0["metadata"]?["annotations"] = ["reconcile.fluxcd.io/requestedAt": "now"] }
            try await eventually("the answer") {
                await bench.api.object(Self.key("a")).map { KustomizationStatus(of: $0).lastHandledReconcileAt } == "now"
            }
        }
    }

    /// What `flux bootstrap` leaves in a repository, and a unit.
    static let bootstrappedByFlux = [
        "clusters/home/flux-system/gotk-components.yaml": """
        apiVersion: v1
        kind: Namespace
        metadata: {name: flux-system, labels: {app.kubernetes.io/part-of: flux}}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: kustomize-controller, namespace: flux-system, labels: {app.kubernetes.io/part-of: flux}}
        spec: {}
        """,
        "clusters/home/flux-system/gotk-sync.yaml": """
        apiVersion: source.toolkit.fluxcd.io/v1
        kind: GitRepository
        metadata: {name: flux-system, namespace: flux-system}
        spec: {interval: 1m, url: "ssh://git@example.org/me/home", ref: {branch: main}}
        ---
        apiVersion: kustomize.toolkit.fluxcd.io/v1
        kind: Kustomization
        metadata: {name: flux-system, namespace: flux-system}
        spec: {interval: 10m, path: ./clusters/home, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
        """,
        "clusters/home/apps.yaml": """
        apiVersion: kustomize.toolkit.fluxcd.io/v1
        kind: Kustomization
        metadata: {name: apps, namespace: flux-system}
        spec: {interval: 1m, path: ./apps, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
        """,
        "apps/one.yaml": Files.config("one", name: "one", namespace: "default"),
    ]

    @Test func `a repository that Flux was bootstrapped from runs without Flux`() async throws {
        let commit = bench.repository.push(Self.bootstrappedByFlux)
        try await bench.run { _ in
            try await bench.phase(.ready, at: commit)
            #expect(await bench.api.object(Self.config("one")) != nil)
            let names = await bench.api.keys.filter { $0.namespace == "flux-system" }.map(\.description).sorted()
            #expect(
                !names.contains {
                    $0.contains("kustomize-controller") || $0.hasSuffix("Kustomization.kustomize.toolkit.fluxcd.io/flux-system/flux-system")
                }, "\(names)")
            let kept = await bench.report()?.exceptions.filter { $0.message.contains("Flux itself") }
            #expect(kept?.count == 2, "\(String(describing: kept))")
        }
    }

    @Test func `what people label as a part of Flux is theirs`() async throws {
        var files = Self.bootstrappedByFlux
        files["clusters/home/flux-system/kustomization.yaml"] = """
            resources: [gotk-components.yaml, gotk-sync.yaml, mine.yaml]
            """
        files["clusters/home/flux-system/mine.yaml"] = """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: dashboards, namespace: flux-system, labels: {app.kubernetes.io/part-of: flux}}
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: web, namespace: flux-system, labels: {app.kubernetes.io/part-of: flux}}
            spec: {}
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: source-controller-shard1, namespace: flux-system, labels: {app.kubernetes.io/part-of: flux}}
            spec: {}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: webhook-receiver, namespace: flux-system, labels: {app.kubernetes.io/part-of: flux}}
            spec: {}
            """
        bench.repository.push(files)
        try await bench.run { _ in
            try await eventually("it is there") {
                await bench.api.keys.contains { $0.kind == "ConfigMap" && $0.name == "dashboards" }
            }
            try await eventually("the other too") { await bench.api.keys.contains { $0.kind == "Deployment" && $0.name == "web" } }
            func left() async -> [String]? {
                await bench.report()?.exceptions.filter { $0.message.contains("Flux itself") }.map(\.key.name).sorted()
            }
            let components = ["flux-system", "kustomize-controller", "source-controller-shard1", "webhook-receiver"]
            try await eventually("what is left out is told", { await String(describing: left()) }) { await left() == components }
        }
    }

    /// Flux' controller with these arguments.
    static func controller(_ arguments: [String]) -> String {
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: kustomize-controller, namespace: flux-system, labels: {app.kubernetes.io/part-of: flux}}
        spec: {template: {spec: {containers: [{name: manager, args: [\(arguments.map { "\"\($0)\"" }.joined(separator: ", "))]}]}}}

        """
    }

    @Test func `an older repository of Flux runs, with the rights that it gave`() async throws {
        var files = Self.bootstrappedByFlux
        files["clusters/home/flux-system/gotk-components.yaml"] =
            """
            apiVersion: v1
            kind: Namespace
            metadata: {name: flux-system, labels: {app.kubernetes.io/part-of: flux}}
            ---
            apiVersion: v1
            kind: ServiceAccount
            metadata: {name: kustomize-controller, namespace: flux-system, labels: {app.kubernetes.io/part-of: flux}}
            ---
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: kustomizations.kustomize.toolkit.fluxcd.io, labels: {app.kubernetes.io/part-of: flux}}
            spec:
              group: kustomize.toolkit.fluxcd.io
              names: {kind: Kustomization, plural: kustomizations}
              versions: [{name: v1beta2, served: true, storage: true}]
            ---

            """ + Self.controller(["--watch-label-selector=team in", "--no-remote-bases=true", "--sops-age-secret="])
        files["clusters/home/apps.yaml"] = """
            apiVersion: kustomize.toolkit.fluxcd.io/v1beta2
            kind: Kustomization
            metadata: {name: apps, namespace: flux-system}
            spec:
              interval: 1m
              path: ./apps
              prune: true
              validation: client
              serviceAccountName: kustomize-controller
              sourceRef: {kind: GitRepository, name: flux-system}
              patchesStrategicMerge: [{apiVersion: v1, kind: ConfigMap, metadata: {name: one, namespace: default}, data: {more: "2"}}]
            """
        let commit = bench.repository.push(files)
        try await bench.run { _ in
            try await bench.phase(.ready, at: commit)
            let one = await bench.api.object(Self.config("one"))
            #expect(one?.value[path: "data", "more"] == "2" && one?.value[path: "data", "title"] == "one")
            let user = "system:serviceaccount:flux-system:kustomize-controller"
            #expect(await bench.api.requests.contains { $0.verb == .apply && $0.name == "one" && $0.user == user })
            let account = ObjectKey(group: "", kind: "ServiceAccount", namespace: "flux-system", name: "kustomize-controller")
            #expect(await bench.api.object(account) != nil)
            let left = await bench.report()?.exceptions.filter { $0.message.contains("Flux itself") }.map(\.key.kind)
            #expect(left?.sorted() == ["CustomResourceDefinition", "Deployment", "Kustomization"], "\(String(describing: left))")
            let root = ObjectKey(unit: Ownership(namespace: "homelab-system", name: "home"))
            try await eventually("word of the flag") {
                let message = await bench.api.object(root).map { KustomizationStatus(of: $0).conditions["Ready"]?.message ?? "" } ?? ""
                return message.contains("Flux ran with --watch-label-selector=team in, which cannot be read")
                    && !message.contains("--no-remote-bases") && !message.contains("--sops-age-secret")
            }
        }
    }

    @Test func `a definition that an agent installed is brought up to date, one of Flux stays`() async throws {
        let definitions = try FluxKinds.definitions
        for (definition, manager) in zip(definitions, ["homelab-agent", "kubectl-client-side-apply", "flux"]) {
            var older = definition
            older.value["spec"]?["names"]?["categories"] = []
            older.value["metadata"]?["managedFields"] = [["manager": .string(manager), "operation": "Apply", "fieldsV1": ["f:spec": [:]]]]
            await bench.api.put(older)
        }
        try await FluxAPI(api: bench.api, clock: SystemClock()).ensure()
        var categories: [Int?] = []
        for definition in definitions {
            categories.append(await bench.api.object(definition.key)?.value[path: "spec", "names", "categories"]?.array?.count)
        }
        #expect(categories == [3, 0, 0])
    }

    @Test func `the agent's own unit is called as the inventory says, and what it had under another name stays`() async throws {
        var files = Self.bootstrappedByFlux
        files["clusters/home/two.yaml"] = Files.config("two", name: "two", namespace: "default")
        let commit = bench.repository.push(files)
        try await bench.run { _ in try await bench.phase(.ready, at: commit) }
        let before = try #require(await bench.api.object(Self.config("two")))
        var named = bench
        let flux = Ownership(namespace: "flux-system", name: "flux-system")
        named.spec = UnitSpec(owner: flux, path: "clusters/home", records: "home")
        try await named.run { source in
            try await eventually("the unit of that name") {
                await bench.api.object(ObjectKey(unit: flux)).map { KustomizationStatus(of: $0).conditions["Ready"]?.status } == "True"
            }
            let two = try #require(await bench.api.object(Self.config("two")))
            #expect(two.uid == before.uid && Ownership(of: two) == flux)
            #expect(await bench.report()?.owner == flux)
            #expect(await bench.api.object(Self.config("one")) != nil)
            // What it was called before can go.
            let former = ObjectKey(unit: Ownership(namespace: "homelab-system", name: "home"))
            try await eventually("word of it") {
                let message = await bench.api.object(former).map { KustomizationStatus(of: $0).conditions["Ready"]?.message ?? "" } ?? ""
                return message.contains("covers the directory of flux-system/flux-system") && message.contains("delete this Kustomization")
            }
            _ = try await bench.api.delete(
                FluxKinds.kustomization, namespace: former.namespace, name: former.name, options: DeleteOptions())
            try await eventually("its end") { await bench.api.object(former) == nil }
            let next = bench.repository.push(Self.bootstrappedByFlux)
            source.wake()
            try await named.phase(.ready, at: next)
            // Which waits for the other units to be built from that commit.
            try await eventually("what leaves the repository, known by its record still, goes") {
                await bench.api.object(Self.config("two")) == nil
            }
            #expect(await bench.api.object(Self.config("one")) != nil)
        }
    }

    @Test func `what cannot be done is said`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: "kubeConfig: {}"),
            "a/one.yaml": Files.config("one", name: "one", namespace: "default"),
        ])
        try await bench.run { _ in
            try await awaitReady("a", "False")
            #expect(await ready("a")?.reason == "InvalidSpec")
            #expect(await ready("a")?.message.contains("spec.kubeConfig names nothing") == true)
            try await eventually("an event says so") {
                await events(of: "a", "InvalidSpec").contains { $0.contains("spec.kubeConfig names nothing") }
            }
            #expect(await bench.api.object(Self.config("one")) == nil)
        }
    }

    @Test func `a suspension with an end ends by itself`() async throws {
        let past = "2020-01-01T00:00:00Z"
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("one", name: "one", namespace: "default"),
        ])
        try await bench.run { _ in
            try await awaitReady("a")
            await bench.api.edit(Self.key("a")) {
                $0["metadata"]?["annotations"] = ["homelab.dev/suspend-until": .string(past), "homelab.dev/suspend-reason": "a look"]
                $0["spec"]?["suspend"] = true
            }
            try await eventually("it goes on") {
                let object = await bench.api.object(Self.key("a"))
                return object?.isSuspended == false && object?.annotation("homelab.dev/suspend-until") == nil
            }
            // Resumed by another tool, which knows nothing of the end: it must not end the next suspension.
            await bench.api.edit(Self.key("a")) {
                $0["metadata"]?["annotations"] = ["homelab.dev/suspend-until": "2099-01-01T00:00:00Z", "homelab.dev/suspend-reason": "b"]
            }
            try await eventually("what is left of it goes") {
                let object = await bench.api.object(Self.key("a"))
                return object?.annotation("homelab.dev/suspend-until") == nil && object?.annotation("homelab.dev/suspend-reason") == nil
            }
        }
    }
}
