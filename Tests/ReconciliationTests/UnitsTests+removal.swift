import Git
import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// How units end, and what is there before they begin.
extension UnitsTests {
    private static func text(_ title: String, _ name: String) -> String { Files.config(title, name: name, namespace: "default") }

    @Test func `a deletion that is refused keeps no other object of a unit that ends, and is said`() async throws {
        let fence = ["clusters/home/fence.yaml": Self.unit("fence", path: "fence"), "fence/one.yaml": Self.text("1", "fence")]
        let unit = [
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Self.text("1", "one"), "a/two.yaml": Self.text("1", "two"),
            "a/three.yaml": Self.text("1", "three"),
        ]
        bench.repository.push(fence.merging(unit) { $1 })
        let error = ClusterError(.forbidden, subject: "two", message: "a webhook says no")
        try await bench.run { source in
            try await awaitReady("a")
            try await awaitReady("fence")
            await bench.api.fail(.delete, name: "two", with: error, times: 2)
            bench.repository.push(fence)
            source.wake()
            try await eventually("it is said", { "\(String(describing: await ready("a")))" }) {
                let condition = await ready("a")
                return condition?.reason == "PruneFailed" && condition?.message.contains("a webhook says no") == true
            }
            #expect(await bench.api.object(Self.config("one")) == nil)
            #expect(await bench.api.object(Self.config("three")) == nil)
            try await eventually("an Event says it") { await events(of: "a", "PruneFailed").contains { $0.contains("a webhook says no") } }
            try await eventually("all is gone") {
                let unit = await bench.api.object(Self.key("a"))
                return await bench.api.object(Self.config("two")) == nil && unit == nil
            }
        }
    }

    @Test func `what leaves the repository and is not to be deleted is nobody's, and no later setting deletes it`() async throws {
        func unit(_ prune: Bool, more: String = "") -> String {
            Self.unit("a", path: "a", more: more).replacing("prune: true", with: "prune: \(prune)")
        }
        let fence = Self.fence()
        var files = fence.merging([
            "clusters/home/a.yaml": unit(false), "a/one.yaml": Self.text("1", "one"), "a/two.yaml": Self.text("1", "two"),
            "a/three.yaml": Self.text("1", "three").replacing("metadata:", with: "metadata:\n  annotations: {homelab.dev/prune: disabled}"),
        ]) { $1 }
        bench.repository.push(files)
        func recorded() async -> [ObjectKey]? {
            await bench.api.object(Self.key("a")).map { KustomizationStatus(of: $0).inventory.keys }
        }
        try await bench.run { source in
            try await awaitReady("a")
            files["a/two.yaml"] = nil
            bench.repository.push(files)
            source.wake()
            try await eventually("it is forgotten") { await recorded() == [Self.config("one"), Self.config("three")] }
            files["clusters/home/a.yaml"] = unit(true, more: "deletionPolicy: Delete")
            files["a/three.yaml"] = nil
            let third = bench.repository.push(files)
            source.wake()
            try await awaitReady("a", at: third)
            try await eventually("so is what is marked") { await recorded() == [Self.config("one")] }
            bench.repository.push(fence)
            source.wake()
            try await eventually("the unit is gone") { await bench.api.object(Self.key("a")) == nil }
            #expect(await bench.api.object(Self.config("one")) == nil)
            for name in ["two", "three"] { #expect(await bench.api.object(Self.config(name)) != nil, "\(name)") }
        }
    }

    private static func fence() -> [String: String] {
        ["clusters/home/fence.yaml": unit("fence", path: "fence"), "fence/one.yaml": text("1", "fence")]
    }

    @Test func `a unit that leaves counts with all that would go with it`() async throws {
        let fence = Self.fence()
        var files = fence.merging([
            "clusters/home/apps.yaml": Self.unit("apps", path: "apps"), "apps/inner.yaml": Self.unit("inner", path: "inner"),
        ]) { $1 }
        for number in 0..<25 { files["inner/\(number).yaml"] = Self.text("1", "n\(number)") }
        bench.repository.push(files)
        try await bench.run { source in
            for name in ["apps", "inner", "fence"] { try await awaitReady(name) }
            let second = bench.repository.push(fence)
            source.wake()
            let refusal = "27 of 28 applied objects would go, 26 of them with \(Self.key("apps")); the budget is"
            try await eventually("it is refused", { await String(describing: bench.report()) }) {
                await bench.report()?.message.contains(refusal) == true
            }
            #expect(await bench.api.object(Self.config("n24")) != nil)
            let record = ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: "homelab-inventory-home")
            await bench.api.edit(record) {
                $0["metadata"]?["annotations"] = ["homelab.dev/confirm-prune": .string(String(second.id.hex.prefix(12)))]
            }
            try await eventually("all of it goes") {
                let units = [await bench.api.object(Self.key("apps")), await bench.api.object(Self.key("inner"))]
                return await bench.api.object(Self.config("n24")) == nil && units.allSatisfy { $0 == nil }
            }
        }
    }

    @Test func `what another unit takes over from one that leaves does not count`() async throws {
        var files = Self.fence()
        files["clusters/home/a.yaml"] = Self.unit("old", path: "a")
        for number in 0..<25 { files["a/\(number).yaml"] = Self.text("1", "n\(number)") }
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("old")
            try await awaitReady("fence")
            let uid = await bench.api.object(Self.config("n24"))?.uid
            files["clusters/home/a.yaml"] = Self.unit("new", path: "a")
            let second = bench.repository.push(files)
            source.wake()
            try await awaitReady("new", at: second)
            try await eventually("the old unit is gone") { await bench.api.object(Self.key("old")) == nil }
            #expect(await bench.api.object(Self.config("n24"))?.uid == uid)
            #expect(await events(of: "home", "PruneRefused").isEmpty)
        }
    }

    @Test func `a unit that waits for the end of its objects waits no longer than its timeout`() async throws {
        let clock = ForwardClock()
        var bench = bench
        bench.clock = clock
        let fence = ["clusters/home/fence.yaml": Self.unit("fence", path: "fence"), "fence/one.yaml": Self.text("1", "fence")]
        let unit = [
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: "timeout: 2m\ndeletionPolicy: WaitForTermination"),
            "a/one.yaml": Self.text("1", "one")
                .replacing("metadata:", with: "metadata:\n  finalizers: [example.org/hold]"),
        ]
        bench.repository.push(fence.merging(unit) { $1 })
        try await bench.run { source in
            try await awaitReady("a")
            try await awaitReady("fence")
            bench.repository.push(fence)
            source.wake()
            try await eventually("its deletion is asked for") { await bench.api.object(Self.config("one"))?.isBeingDeleted == true }
            // The unit's time begins when it is seen to wait, not when its object is asked to go.
            try await eventually("it waits") { await ready("a")?.message.contains("waits until these are gone") == true }
            clock.advance(by: .seconds(100))
            try await Task.sleep(for: .milliseconds(100))
            #expect(await bench.api.object(Self.key("a")) != nil)
            clock.advance(by: .seconds(30))
            try await eventually("it goes") { await bench.api.object(Self.key("a")) == nil }
            try await eventually("an Event says so") {
                await events(of: "a", "TerminationTimeout").contains { $0.contains("ConfigMap/default/one") }
            }
        }
    }

    @Test func `what was made with kubectl is taken over with what others have set in it, or left alone where it says so`() async throws {
        let site = ObjectKey(group: "apps", kind: "Deployment", namespace: "web", name: "site")
        var deployment = Manifest(try #require(try YAMLReader.values(Files.deployment(), file: "d.yaml").first))
        deployment.value["spec"]?["replicas"] = 5
        await bench.api.put(Manifest(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "web"]]))
        await bench.api.put(deployment, manager: "kubectl")
        await bench.api.put(
            Manifest([
                "apiVersion": "v1", "kind": "ConfigMap", "data": ["title": "mine"],
                "metadata": ["name": "left", "namespace": "default", "annotations": ["kustomize.toolkit.fluxcd.io/reconcile": "disabled"]],
            ]), manager: "kubectl")
        await bench.api.put(
            Manifest([
                "apiVersion": "v1", "kind": "ConfigMap", "data": ["title": "old"], "metadata": ["name": "taken", "namespace": "default"],
            ]), manager: "kubectl")
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: "ignore: [{paths: [/spec/replicas], target: {kind: Deployment}}]"),
            "a/d.yaml": Files.deployment(image: "web:2"), "a/left.yaml": Self.text("git", "left"),
            "a/taken.yaml": Self.text("git", "taken"), "a/new.yaml": Self.text("git", "new"),
        ])
        try await bench.run { _ in
            try await eventually("it is taken over") {
                await bench.api.object(site).flatMap { Ownership(of: $0)?.name } == "a"
            }
            try await eventually("the other too") { await bench.api.object(Self.config("taken"))?.value[path: "data", "title"] == "git" }
            try await awaitReady("a")
            #expect(await bench.api.object(site)?.value[path: "spec", "replicas"] == 5)
            let left = try #require(await bench.api.object(Self.config("left")))
            #expect(left.value[path: "data", "title"] == "mine" && Ownership(of: left) == nil)
            // Of what is not there nothing is asked first.
            let requests = await bench.api.requests.filter { $0.name == "new" }
            #expect(requests.map(\.verb) == [.apply], "\(requests)")
        }
    }

    @Test func `another agent that applies something else is a fight`() async throws {
        bench.repository.push(["clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Self.text("git", "one")])
        try await bench.run { _ in
            try await awaitReady("a")
            let clock = ContinuousClock()
            var begin = clock.now
            for round in 1...3 {
                begin = clock.now
                await bench.api.edit(Self.config("one")) {
                    $0["metadata"]?["annotations"]?[DesiredObject.digestAnnotation] = .string("other")
                    $0["metadata"]?["labels"]?[Ownership.nameLabel] = "theirs"
                    $0["data"] = ["title": .string("theirs \(round)")]
                }
                try await eventually("repair \(round)") { bench.monitor.value.driftRepairs == round }
            }
            await bench.api.edit(Self.config("one")) { $0["metadata"]?["annotations"]?[DesiredObject.digestAnnotation] = "other" }
            let passes = bench.monitor.value.passes
            try await eventually("it was looked at") { bench.monitor.value.passes > passes }
            let repairs = bench.monitor.value.driftRepairs
            // The next one comes two seconds after the third; on a slow host they may be over by now.
            let isDue = clock.now - begin >= Duration.seconds(2)
            #expect(repairs == 3 || (isDue && repairs == 4))
            try await eventually("it is repaired later") { bench.monitor.value.driftRepairs == 4 }
        }
    }

    @Test func `a load balancer is waited for where something serves it`() async throws {
        let key = ObjectKey(group: "", kind: "Service", namespace: "default", name: "web")
        let service = """
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: default}
            spec: {type: LoadBalancer, clusterIP: 10.43.0.7, ports: [{port: 80}]}

            """
        await bench.api.put(
            Manifest(["apiVersion": "v1", "kind": "ServiceAccount", "metadata": ["name": "svclb", "namespace": "kube-system"]]))
        bench.repository.push(["clusters/home/a.yaml": Self.unit("a", path: "a", more: "wait: true"), "a/s.yaml": service])
        try await bench.run { _ in
            try await eventually("it waits") { await ready("a")?.message.contains("waits for an external address") == true }
            await bench.api.setStatus(key, ["loadBalancer": ["ingress": [["ip": "192.0.2.7"]]]])
            try await awaitReady("a")
        }
    }
}
