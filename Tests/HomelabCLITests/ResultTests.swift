import ArgumentParser
import Diagnostics
import Foundation
import HomelabTestSupport
import KubernetesModel
import Reconciliation
import Synchronization
import Testing
import YAML

@testable import HomelabCLI

/// The forms a command's result is shown in.
@Suite struct ResultTests {
    private let console = Console(isTerminal: false, hasColour: false)

    private static func unit(_ name: String, ready: String = "True", entries: [String] = [], rule: String? = nil) -> Manifest {
        var spec: Value = ["path": .string("./\(name)"), "sourceRef": ["kind": "GitRepository", "name": "home"]]
        if let rule {
            spec["healthCheckExprs"] = [["apiVersion": "v1", "kind": "ConfigMap", "current": .string(rule)]]
        }
        return Manifest([
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": ["namespace": "default", "name": .string(name)], "spec": spec,
            "status": [
                "lastAppliedRevision": "main@sha1:0123456789abcdef",
                "conditions": [["type": "Ready", "status": .string(ready), "reason": "R", "message": .string("\(name) is \(ready)")]],
                "inventory": ["entries": .array(entries.map { ["id": .string($0), "v": "v1"] })],
            ],
        ])
    }

    private static func config(_ state: String) -> Manifest {
        Manifest([
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": [
                "namespace": "default", "name": "site",
                "labels": ["kustomize.toolkit.fluxcd.io/name": "app", "kustomize.toolkit.fluxcd.io/namespace": "default"],
            ],
            "data": ["state": .string(state)],
        ])
    }

    private static func cluster(_ objects: Manifest...) async -> FakeClusterAPI {
        let api = FakeClusterAPI()
        for definition in (try? FluxKinds.definitions) ?? [] { await api.put(definition) }
        for object in objects { await api.put(object) }
        return api
    }

    private func options(_ arguments: String...) throws -> ResultOptions { try ResultOptions.parse(arguments) }

    @Test func `a list of units in every form`() throws {
        let list = UnitList(kind: .units, objects: [Self.unit("app"), Self.unit("db", ready: "False")])
        #expect(
            try options().text(list, console, isFirst: true) == """
                NAMESPACE   NAME   READY   SUSPENDED   REVISION                 MESSAGE
                default     app    True    no          main@sha1:0123456789ab   app is True
                default     db     False   no          main@sha1:0123456789ab   db is False

                """)
        #expect(try options("-o", "wide").text(list, console, isFirst: true).contains("app    GitRepository/default/home   app is True"))
        let json = try JSONReader.value(try options("-o", "json").text(list, console, isFirst: true))
        #expect(json.array?.map { $0[path: "metadata", "name"]?.string } == ["app", "db"])
        let documents = try YAMLReader.values(try options("-o", "yaml").text(list, console, isFirst: true), file: "y")
        #expect(documents.map { Manifest($0).name } == ["app", "db"])
    }

    @Test func `a status tells each failure once`() throws {
        var unit = StatusReport(unit: "home")
        let refusal = Diagnostic(
            .error, "is refused", subject: "ConfigMap default/site",
            at: SourceLocation(file: "clusters/home/site.yaml", line: 4, column: 1), cause: "data is no map", remedy: "correct it")
        unit.phase = .buildFailed
        unit.errors = [refusal]
        unit.message = refusal.description
        var waiting = StatusReport(unit: "other")
        waiting.source.problem = "Unreachable"
        waiting.source.message = "no route to git.example.org; it is tried again"
        waiting.message = "no route to git.example.org"
        let failure = Diagnostic(
            .error, "k3s ended 5 times", subject: "node \"m2\"", cause: "status 203/EXEC", remedy: "look at its journal")
        let node = NodesReport.Node(
            name: "m2", role: "agent", phase: "Failed", isHealthy: false, message: "k3s ended 5 times: status 203/EXEC")
        let inventory = NodesReport(revision: "c1", nodes: [node], errors: [failure])
        let text = try options().text(ClusterSnapshot(nodes: [], inventory: inventory, units: [unit, waiting]), console, isFirst: true)
        for words in ["data is no map", "correct it", "no route to git.example.org", "203/EXEC", "look at its journal"] {
            let times = text.components(separatedBy: words).count - 1
            #expect(times == 1, "\(words) is told \(times) times in\n\(text)")
        }
        #expect(text.contains("Failed") && text.contains("k3s ended 5 times\n"), "\(text)")
        unit.errors = []
        unit.phase = .unhealthy
        unit.message = "Deployment web is InProgress"
        let alone = try options().text(ClusterSnapshot(nodes: [], inventory: nil, units: [unit]), console, isFirst: true)
        #expect(alone.contains("  Deployment web is InProgress"), "\(alone)")
        unit.phase = .artifactFailed
        (unit.appliedRevision, unit.attemptedRevision) = ("1111111", "2222222")
        unit.message = "commit 2222222 is held"
        (unit.source.problem, unit.source.message) = ("HistoryRewritten", unit.message)
        let held = try options().text(ClusterSnapshot(nodes: [], inventory: nil, units: [unit]), console, isFirst: true)
        #expect(held.components(separatedBy: "commit 2222222 is held").count == 2 && !held.contains("working on"), "\(held)")
    }

    @Test func `whether all is well is answered in every form`() throws {
        let (well, ill) = (HealthAnswer(complaint: ""), HealthAnswer(complaint: "home: Unhealthy: web is InProgress"))
        #expect(try options().text(well, console, isFirst: true) == "healthy\n")
        #expect(try options().text(ill, console, isFirst: true) == "home: Unhealthy: web is InProgress\n")
        #expect(try JSONReader.value(try options("-o", "json").text(well, console, isFirst: true)) == ["healthy": true])
        let answer: Value = ["healthy": false, "reason": "home: Unhealthy: web is InProgress"]
        #expect(try JSONReader.value(try options("-o", "json").text(ill, console, isFirst: true)) == answer)
        #expect(try YAMLReader.values(try options("-o", "yaml").text(ill, console, isFirst: true), file: "y") == [answer])
    }

    @Test func `a Flux that runs beside the agent is told with the status, which is no worse for it`() async throws {
        func controller(_ label: String) -> Manifest {
            Manifest([
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": [
                    "namespace": "flux-system", "name": "kustomize-controller", "labels": ["app.kubernetes.io/part-of": .string(label)],
                ],
                "status": ["readyReplicas": 1],
            ])
        }
        var report = StatusReport(unit: "home")
        report.phase = .ready
        let api = await Self.cluster(report.manifest, controller("flux"), LeaseRecord.held(by: "m1_1"))
        let told = try await ClusterSnapshot(of: api)
        let stop = "kubectl -n flux-system scale deployment kustomize-controller --replicas=0"
        let text = try options().text(told, console, isFirst: true)
        #expect(text.contains("warning: namespace flux-system: Flux runs here, too") && text.contains(stop), "\(text)")
        #expect(told.value["warnings"]?.array?.count == 1 && told.isHealthy)
        // One that may not list Deployments has a status all the same.
        let deployments = GroupKind(group: "apps", kind: "Deployment")
        await api.fail(.list, kind: deployments, with: ClusterError(.forbidden, subject: "", message: "no"))
        #expect(try await ClusterSnapshot(of: api).warnings.isEmpty)
        await api.put(controller("other"))
        #expect(try await ClusterSnapshot(of: api).warnings.isEmpty)
    }

    @Test func `a suspended unit says until when and why, and a commit is as short as in the other columns`() throws {
        var unit = Self.unit("app")
        unit.value["spec"]?["suspend"] = true
        #expect(UnitList.standing(of: unit) == "suspended")
        var drifted = unit
        let condition: Value = [
            "type": "Drifted", "status": "True", "reason": "DriftDetected", "message": "1 drifted: ConfigMap/a/b data.c",
        ]
        drifted.value["status"]?["conditions"] = .array((unit.value[path: "status", "conditions"]?.array ?? []) + [condition])
        #expect(UnitList.standing(of: drifted) == "suspended; 1 drifted: ConfigMap/a/b data.c")
        unit.value["metadata"]?["annotations"] = [
            "homelab.dev/suspend-until": "2026-11-24T06:00:00Z", "homelab.dev/suspend-reason": "moving disks",
        ]
        let text = try options().text(UnitList(kind: .units, objects: [unit]), console, isFirst: true)
        #expect(text.contains("yes         main@sha1:0123456789ab   suspended until 2026-11-24T06:00:00Z: moving disks"), "\(text)")
        let commit = "0123456789abcdef0123456789abcdef01234567"
        #expect(UnitList.brief("Applied revision: main@sha1:\(commit); 2 drifted") == "Applied revision: main@sha1:0123456789ab; 2 drifted")
        #expect(UnitList.brief("'main@sha1:\(commit)'  is  old") == "'main@sha1:0123456789ab'  is  old")
    }

    @Test func `watched results stand apart, json on one line each`() throws {
        let list = UnitList(kind: .units, objects: [Self.unit("app")])
        let json = try options("-w", "-o", "json")
        #expect(json.text(list, console, isFirst: true).count { $0 == "\n" } == 1)
        let text = try options("--watch")
        #expect(text.text(list, console, isFirst: false).hasPrefix("\nNAMESPACE"))
        #expect(text.text(list, Console(isTerminal: true, hasColour: false), isFirst: false).hasPrefix("\u{1B}[H\u{1B}[2JNAMESPACE"))
        #expect(try options("-w", "-o", "yaml").text(list, console, isFirst: false).hasPrefix("---\n"))
    }

    @Test func `a tree tells the health of objects, by the rules of their unit`() async throws {
        let id = "default_site__ConfigMap"
        let api = await Self.cluster(
            Self.unit("all", entries: ["default_app_kustomize.toolkit.fluxcd.io_Kustomization"]),
            Self.unit("app", ready: "False", entries: [id, "default_gone__ConfigMap"], rule: "data.state == 'done'"),
            Self.config("begun"))
        let catalog = try await UnitCatalog(of: api)
        var tree = UnitTree(of: try catalog.unit(named: "all"), in: catalog)
        let text = try options().text(tree, console, isFirst: true)
        let expected = """
            default/all
            └── Kustomization.kustomize.toolkit.fluxcd.io/default/app  app is False
                ├── ConfigMap/default/gone
                └── ConfigMap/default/site

            """
        #expect(text == expected, "\(text)")
        try await tree.look(UnitClusters(home: api), catalog)
        let wide = try options("-o", "wide").text(tree, console, isFirst: true)
        #expect(wide.contains("gone  NotFound: is not there") && wide.contains("site  InProgress: none of its healthCheckExprs holds yet"))
        let app = try #require(tree.value["objects"]?.array?.first)
        #expect(app["ready"] == "False" && app["objects"]?.array?.map { $0["health"]?.string } == ["NotFound", "InProgress"])
        var trace = ObjectTrace(of: Self.config("done"), in: catalog, HealthContext())
        #expect(trace.health.status == .current && trace.value[path: "unit", "name"] == "app" && trace.value["repository"] == nil)
        #expect(trace.text(console, isWide: false).hasSuffix("repository  not there"))
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await trace.look(in: folder.path, UnitClusters(home: api))
        #expect(trace.value["file"] == nil, "no files are at hand")
        try FileManager.default.createDirectory(at: folder.appendingPathComponent("app"), withIntermediateDirectories: true)
        try "# A\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: site, namespace: default}\n".write(
            to: folder.appendingPathComponent("app/site.yaml"), atomically: true, encoding: .utf8)
        try await trace.look(in: folder.path, UnitClusters(home: api))
        #expect(trace.value["file"] == ["path": "app/site.yaml", "line": 2])
        #expect(trace.text(console, isWide: false).contains("\nfile        app/site.yaml:2\n"))
    }

    private static let unsettled = [
        Manifest([
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": ["namespace": "default", "name": "data"],
            "status": ["phase": "Pending"],
        ]),
        Manifest([
            "apiVersion": "v1", "kind": "Service", "metadata": ["namespace": "default", "name": "web"],
            "spec": ["type": "LoadBalancer", "clusterIP": "10.43.0.7"],
        ]),
        Manifest([
            "apiVersion": "v1", "kind": "Pod",
            "metadata": ["namespace": "default", "name": "task", "creationTimestamp": "2020-01-01T00:00:00Z"],
            "status": [
                "phase": "Pending",
                "conditions": [["type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no such node"]],
            ],
        ]),
    ]
    private static let unsettledIDs = ["default_data__PersistentVolumeClaim", "default_web__Service", "default_task__Pod"]

    /// Gives volumes at the first pod, and addresses to load balancers, as k3s does.
    private static let furnished = [
        Manifest([
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "volumeBindingMode": "WaitForFirstConsumer",
            "metadata": ["name": "local-path", "annotations": ["storageclass.kubernetes.io/is-default-class": "true"]],
        ]),
        Manifest(["apiVersion": "v1", "kind": "ServiceAccount", "metadata": ["namespace": "kube-system", "name": "svclb"]]),
    ]

    @Test func `health is told as the agent judges it, by what the cluster has`() async throws {
        let api = await Self.cluster(Self.unit("app", entries: Self.unsettledIDs))
        for object in Self.unsettled + Self.furnished { await api.put(object) }
        let (catalog, clusters) = (try await UnitCatalog(of: api), UnitClusters(home: api))
        let expected = [
            "PersistentVolumeClaim/default/data": "Current: waits for its first pod (class local-path)",
            "Service/default/web": "InProgress: waits for an external address (no class)",
            "Pod/default/task": "Failed: no node takes it: no such node",
        ]
        var tree = UnitTree(of: try catalog.unit(named: "app"), in: catalog)
        try await tree.look(clusters, catalog)
        let wide = tree.text(console, isWide: true)
        for (object, health) in expected { #expect(wide.contains("\(object)  \(health)"), "\(wide)") }
        let chain = ReasonChain(clusters: clusters, catalog: catalog)
        let reasons = try await chain.links(of: try catalog.unit(named: "app")).map(\.description)
        #expect(reasons.count == 3 && !reasons.contains { $0.contains("PersistentVolumeClaim") }, "\(reasons)")
        #expect(reasons.contains { $0.hasSuffix("Pod/default/task: Failed: no node takes it: no such node") }, "\(reasons)")
        for object in Self.unsettled {
            let health = try #require(expected[object.key.description])
            #expect(try await chain.links(ofObject: object).map(\.reason) == [health])
            let context = try await clusters.homeCluster.health
            #expect(ObjectTrace(of: object, in: catalog, context).health.description == health)
        }
    }

    @Test func `what the server refuses to show ends neither a tree nor a chain`() async throws {
        let deployment = Manifest([
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["namespace": "default", "name": "web"],
            "spec": ["replicas": 1, "selector": ["matchLabels": ["app": "web"]]],
        ])
        let api = await Self.cluster(
            Self.unit("app", entries: ["default_broken__ConfigMap", "default_gone__ConfigMap", "default_web_apps_Deployment"]), deployment)
        let (catalog, clusters) = (try await UnitCatalog(of: api), UnitClusters(home: api))
        let unit = try catalog.unit(named: "app")
        let failure = ClusterError(.serverFailure, subject: "ConfigMap", message: "the conversion webhook failed")
        await api.fail(.get, name: "broken", with: failure, times: 2)
        let refusal = ClusterError(.forbidden, subject: "Pod", message: "no right to list them")
        await api.fail(.list, kind: GroupKind(group: "", kind: "Pod"), with: refusal)
        let reasons = try await ReasonChain(clusters: clusters, catalog: catalog).links(of: unit).map(\.description)
        #expect(
            reasons.prefix(3) == [
                "default/app: ready", "  └ ConfigMap/default/broken: Unknown: cannot be looked at: the conversion webhook failed",
                "  └ ConfigMap/default/gone: is not there",
            ], "\(reasons)")
        #expect(reasons.last == "    └ its pods: cannot be looked at: no right to list them", "\(reasons)")
        var tree = UnitTree(of: unit, in: catalog)
        try await tree.look(clusters, catalog)
        let wide = tree.text(console, isWide: true)
        #expect(wide.contains("broken  Unknown: cannot be looked at: the conversion webhook failed"), "\(wide)")
        #expect(wide.contains("gone  NotFound: is not there") && wide.contains("web  InProgress"), "\(wide)")
        // A cluster that does not answer at all is asked no further.
        await api.fail(.get, name: "broken", with: ClusterError(.unreachable, subject: "", message: "connection refused"))
        await #expect(throws: ClusterError.self) { try await catalog.objects(of: unit, on: clusters.homeCluster, home: api) }
    }

    @Test(arguments: [false, true]) func `a Job that was cleared away is nothing that is missing`(isAgentsOwn: Bool) async throws {
        var unit = Self.unit("app", entries: ["default_begun_batch_Job", "default_done_batch_Job", "default_left__ConfigMap"])
        let completed: Value = ["homelab.dev/completed-jobs": "default_done_batch_Job v1 0123\n"]
        var left = Manifest(["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["namespace": "default", "name": "left"]])
        left.value["metadata"]?["annotations"] = ["kustomize.toolkit.fluxcd.io/ssa": "Ignore"]
        left.value["status"] = ["conditions": [["type": "Ready", "status": "False", "message": "nobody works on it"]]]
        let api = await Self.cluster(left)
        if isAgentsOwn {
            var report = StatusReport(unit: "home")
            report.owner = Ownership(namespace: "default", name: "app")
            await api.put(report.manifest)
            await api.put(
                Manifest([
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": ["namespace": "homelab-system", "name": "homelab-inventory-home", "annotations": completed],
                ]))
        } else {
            unit.value["metadata"]?["annotations"] = completed
        }
        await api.put(unit)
        let (catalog, clusters) = (try await UnitCatalog(of: api), UnitClusters(home: api))
        let reasons = try await ReasonChain(clusters: clusters, catalog: catalog).links(of: unit).map(\.description)
        #expect(reasons == ["default/app: ready", "  └ Job/default/begun: is not there"])
        var tree = UnitTree(of: unit, in: catalog)
        try await tree.look(clusters, catalog)
        let wide = tree.text(console, isWide: true)
        #expect(wide.contains("done  Current: ran to its end, and was cleared away") && wide.contains("left  InProgress"), "\(wide)")
    }

    @Test func `objects are looked at side by side`() async throws {
        let api = await Self.cluster(Self.unit("app", entries: (1...8).map { "default_c\($0)__ConfigMap" }))
        let (catalog, clusters) = (try await UnitCatalog(of: api), UnitClusters(home: api))
        let most = Mutex(0)
        await api.during(.get, name: "c1") { api in
            let deadline = ContinuousClock.now + .seconds(20)
            while most.withLock({ $0 }) < 8, ContinuousClock.now < deadline {
                let asked = await api.requests.count { $0.verb == .get && $0.kind.kind == "ConfigMap" }
                most.withLock { $0 = asked }
                try? await Task.sleep(for: .milliseconds(5))
            }
        }
        let objects = try await catalog.objects(of: try catalog.unit(named: "app"), on: clusters.homeCluster, home: api)
        #expect(most.withLock { $0 } == 8 && objects.count == 8)
    }

    @Test func `health on another cluster is judged by what that has`() async throws {
        let (api, other) = (await Self.cluster(), FakeClusterAPI(name: "-other"))
        for object in Self.furnished { await api.put(object) }
        for object in Self.unsettled { await other.put(object) }
        var unit = Self.unit("far", entries: Self.unsettledIDs)
        unit.value["spec"]?["kubeConfig"] = ["secretRef": ["name": "far"]]
        await api.put(unit)
        let kubeconfig = """
            {current-context: c, clusters: [{name: c, cluster: {server: "https://far:6443"}}], users: [{name: u, user: {token: t}}],
            contexts: [{name: c, context: {cluster: c, user: u}}]}
            """
        await api.put(
            Manifest([
                "apiVersion": "v1", "kind": "Secret", "metadata": ["namespace": "default", "name": "far"],
                "data": ["value": .string(Data(kubeconfig.utf8).base64EncodedString())],
            ]))
        let catalog = try await UnitCatalog(of: api)
        let chain = ReasonChain(clusters: UnitClusters(home: api) { _ in other }, catalog: catalog)
        let reasons = try await chain.links(of: try catalog.unit(named: "far")).map(\.description)
        #expect(reasons.contains { $0.contains("PersistentVolumeClaim/default/data: InProgress") }, "\(reasons)")
        #expect(reasons.count == 3 && reasons.contains { $0.contains("Pod/default/task: Failed") }, "\(reasons)")
    }

    @Test func `what a person may not read of the cluster leaves the health as it is without`() async throws {
        let api = await Self.cluster()
        for object in Self.furnished { await api.put(object) }
        let refusal = ClusterError(.forbidden, subject: "", message: "no")
        await api.fail(.list, kind: GroupKind(group: "storage.k8s.io", kind: "StorageClass"), with: refusal)
        await api.fail(.get, kind: GroupKind(group: "", kind: "ServiceAccount"), with: refusal)
        let context = try await UnitClusters(home: api).homeCluster.health
        #expect(context.now != nil && context == HealthContext(now: context.now))
    }

    private static func event(_ reason: String, _ time: String) -> Manifest {
        Manifest([
            "lastTimestamp": .string(time), "type": "Normal", "reason": .string(reason), "message": "m",
            "source": ["component": "homelab-agent", "host": "m1"],
            "involvedObject": ["kind": "Kustomization", "namespace": "default", "name": "app"],
        ])
    }

    @Test func `events go on where they were`() throws {
        let first = EventList([Self.event("A", "2026-01-01T00:00:01Z")], about: "default/app")
        let later = EventList([Self.event("B", "2026-01-01T00:00:02Z"), Self.event("A", "2026-01-01T00:00:01Z")], about: "app")
        #expect(first.news(since: first) == nil && EventList([Self.event("A", "t")], about: "other").entries.isEmpty)
        let news = try #require(later.news(since: first))
        #expect(
            try options("-w").text(news, console, isFirst: false)
                == "2026-01-01T00:00:02Z   Normal   B        Kustomization/default/app   m\n")
        #expect(try options("-o", "wide").text(first, console, isFirst: true).contains("COUNT   NODE"))
    }

    @Test func `what is followed is shown again when it changes`() async throws {
        let api = await Self.cluster(Self.unit("app"))
        let look: @Sendable (FakeClusterAPI) async throws -> UnitList = {
            UnitList(kind: .units, objects: try await UnitCatalog(of: $0).units)
        }
        let first = try await look(api)
        let shown = Mutex<[String]>([])
        let following = Task {
            await ResultOptions().follow(ResultOptions.Followed.units, api, first, look) { list in
                shown.withLock { $0.append(list.objects.first?.readiness.message ?? "") }
            }
        }
        // Nothing has changed yet, and the change comes while it is followed.
        try await Task.sleep(for: .milliseconds(50))
        await api.put(Self.unit("app", ready: "False"))
        let deadline = ContinuousClock.now + .seconds(60)
        while shown.withLock({ $0.isEmpty }), ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(10)) }
        following.cancel()
        let last = await following.value
        #expect(shown.withLock { $0 } == ["app is False"] && last.objects.count == 1)
    }
}
