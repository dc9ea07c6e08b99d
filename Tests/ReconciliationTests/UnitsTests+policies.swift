import Git
import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// Rights, fields left alone, reported drift, steps that run once, and what is followed by name.
extension UnitsTests {
    private static let deployment = Files.deployment().split(separator: "\n", omittingEmptySubsequences: false).map {
        $0 == "  namespace: web" ? "  namespace: default" : String($0)
    }.joined(separator: "\n")
    private static let deploymentKey = ObjectKey(group: "apps", kind: "Deployment", namespace: "default", name: "site")
    private static let jobKey = ObjectKey(group: "batch", kind: "Job", namespace: "default", name: "migrate")

    private static func job(_ image: String) -> String {
        """
        apiVersion: batch/v1
        kind: Job
        metadata: {name: migrate, namespace: default}
        spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: "\(image)"}]}}}

        """
    }

    private func image(_ key: ObjectKey) async -> Value? {
        await bench.api.object(key)?.value[path: "spec", "template", "spec", "containers"]?.array?.first?["image"]
    }

    @Test func `a unit applies and deletes with the rights of its ServiceAccount`() async throws {
        var files = [
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: "serviceAccountName: deployer"),
            "a/one.yaml": Files.config("1", name: "one", namespace: "default"),
            "a/two.yaml": Files.config("2", name: "two", namespace: "default"),
        ]
        bench.repository.push(files)
        let user = "system:serviceaccount:default:deployer"
        try await bench.run { source in
            try await awaitReady("a")
            files["a/two.yaml"] = nil
            await bench.api.fail(
                .apply, name: "one",
                with: ClusterError(.forbidden, subject: "one", message: "User \"\(user)\" cannot patch resource \"configmaps\""))
            files["a/one.yaml"] = Files.config("3", name: "one", namespace: "default")
            bench.repository.push(files)
            source.wake()
            // Before that it may be said to wait for its maker.
            try await eventually("it is refused", { await String(describing: ready("a")) }) {
                let found = await ready("a")
                let words = "acts as ServiceAccount default/deployer; bind a Role to it"
                return found?.status == "False" && found?.message.contains(words) == true
            }
            try await awaitReady("a")
            try await eventually("it is pruned") { await bench.api.object(Self.config("two")) == nil }
        }
        let requests = await bench.api.requests.filter { ["one", "two"].contains($0.name) && [.apply, .delete].contains($0.verb) }
        #expect(requests.count >= 4 && requests.allSatisfy { $0.user == user }, "\(requests)")
        #expect(await bench.api.requests.contains { $0.verb == .apply && $0.name == "a" && $0.user == nil })
    }

    @Test func `a field that is left alone is neither repaired nor reset by the next commit`() async throws {
        var files = [
            "clusters/home/a.yaml": Self.unit(
                "a", path: "a", more: "ignore: [{paths: [/spec/replicas], target: {kind: Deploy.*}}]"),
            "a/d.yaml": Self.deployment,
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("a")
            await bench.api.edit(Self.deploymentKey) { $0["spec"]?["replicas"] = 5 }
            files["a/d.yaml"] = Self.deployment.replacing("web:1", with: "web:2")
            bench.repository.push(files)
            source.wake()
            try await eventually("the new image") { await image(Self.deploymentKey) == "web:2" }
            #expect(await bench.api.object(Self.deploymentKey)?.value[path: "spec", "replicas"] == 5)
            #expect(bench.monitor.value.driftRepairs == 0)
        }
    }

    @Test func `an apply that fails is an Event of the unit and of the object, each with the revision`() async throws {
        func events(_ kind: String, _ reason: String) async -> [Manifest] {
            var found: [Manifest] = []
            for key in await bench.api.keys where key.kind == "Event" {
                guard let event = await bench.api.object(key), event.value["reason"]?.string == reason else { continue }
                if event.value[path: "involvedObject", "kind"]?.string == kind { found.append(event) }
            }
            return found
        }
        func isOf(_ key: ObjectKey, at commit: CommitInfo, _ event: Manifest) async -> Bool {
            let uid = await bench.api.object(key)?.uid
            return uid != nil && event.value[path: "involvedObject", "uid"]?.string == uid
                && event.annotation("kustomize.toolkit.fluxcd.io/revision") == "main@sha1:\(commit.id.hex)"
        }
        var files = ["clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("1", name: "one", namespace: "default")]
        let first = bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("a", at: first)
            await bench.api.edit(Self.config("one")) { $0["data"]?["title"] = "by hand" }
            try await eventually("the Event of the repair") { await events("ConfigMap", "DriftRepaired").count == 1 }
            let repair = try #require(await events("ConfigMap", "DriftRepaired").first)
            #expect(await isOf(Self.config("one"), at: first, repair), "\(repair.value)")
            let refusal = ClusterError(.forbidden, subject: "one", message: "denied by a webhook")
            await bench.api.fail(.apply, name: "one", with: refusal, times: 1000)
            files["a/one.yaml"] = Files.config("2", name: "one", namespace: "default")
            let second = bench.repository.push(files)
            source.wake()
            try await eventually("the Event of the object") { await events("ConfigMap", "ApplyFailed").count == 1 }
            let failure = try #require(await events("ConfigMap", "ApplyFailed").first)
            #expect(await isOf(Self.config("one"), at: second, failure), "\(failure.value)")
            try await eventually("the Event of the unit") { await events("Kustomization", "ReconciliationFailed").count == 1 }
            let told = try #require(await events("Kustomization", "ReconciliationFailed").first)
            #expect(await isOf(Self.key("a"), at: second, told), "\(told.value)")
            #expect(told.value["type"] == "Warning" && told.value["message"]?.string?.contains("denied by a webhook") == true)
            try await eventually("the status says so, too") { await ready("a")?.reason == "ReconciliationFailed" }
            // Another failure is news, though the unit failed before.
            await bench.api.fail(.apply, name: "two", with: refusal, times: 1000)
            files["a/two.yaml"] = Files.config("2", name: "two", namespace: "default")
            bench.repository.push(files)
            source.wake()
            try await eventually("an Event that names both") {
                await events("Kustomization", "ReconciliationFailed").contains {
                    let message = $0.value["message"]?.string ?? ""
                    return message.contains("ConfigMap/default/one") && message.contains("ConfigMap/default/two")
                }
            }
        }
    }

    @Test func `a target that cannot be read stalls the unit and is said`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: "ignore: [{paths: [/spec/replicas], target: {kind: 'De('}}]"),
            "a/d.yaml": Self.deployment,
        ])
        try await bench.run { _ in
            try await awaitReady("a", "False")
            #expect(await ready("a")?.message.hasPrefix("spec.ignore: target: kind \"De(\" is no regular expression") == true)
        }
    }

    @Test func `what the status of a suspended unit says still holds for the units that depend on it`() async throws {
        var files = [
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("1", name: "one", namespace: "default"),
            "b/two.yaml": Files.config("1", name: "two", namespace: "default"),
        ]
        let text = Self.unit("b", path: "b", more: "dependsOn: [{name: a}]")
        let dependent = Manifest(try #require(try YAMLReader.values(text, file: "b.yaml").first))
        func suspend(_ isSuspended: Bool) async {
            await bench.api.edit(Self.key("a")) { $0["spec"]?["suspend"] = .bool(isSuspended) }
        }
        let first = bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("a", at: first)
            await suspend(true)
            try await eventually("the agent has seen it") {
                bench.monitor.value.units[Ownership(namespace: "default", name: "a")] == false
            }
            // Made by hand, it needs no commit that the other one does not take up.
            await bench.api.put(dependent)
            try await awaitReady("b", at: first)
            func push(_ number: String) -> CommitInfo {
                files["a/one.yaml"] = Files.config(number, name: "one", namespace: "default")
                files["b/two.yaml"] = Files.config(number, name: "two", namespace: "default")
                let commit = bench.repository.push(files)
                source.wake()
                return commit
            }
            let second = push("2")
            try await eventually("the revision is waited for", { await String(describing: ready("b")) }) {
                await ready("b")?.message == "dependency 'default/a' revision is not up to date"
            }
            await suspend(false)
            try await awaitReady("b", at: second)
            let refusal = ClusterError(.forbidden, subject: "one", message: "denied by a webhook")
            await bench.api.fail(.apply, name: "one", with: refusal, times: 1000)
            _ = push("3")
            try await awaitReady("a", "False")
            await suspend(true)
            try await Task.sleep(for: .milliseconds(500))
            try await eventually("it is not ready", { await String(describing: ready("b")) }) {
                await ready("b")?.message == "dependency 'default/a' is not ready"
            }
        }
    }

    @Test func `drift is told and left where a unit says so`() async throws {
        let unit = Self.unit("a", path: "a")
            .replacing("namespace: default}", with: "namespace: default, annotations: {homelab.dev/drift: report}}")
        bench.repository.push(["clusters/home/a.yaml": unit, "a/one.yaml": Files.config("git", name: "one", namespace: "default")])
        try await bench.run { source in
            try await awaitReady("a")
            await bench.api.edit(Self.config("one")) { $0["data"]?["title"] = "by hand" }
            try await eventually("an event says it") {
                for key in await bench.api.keys where key.kind == "Event" {
                    let event = await bench.api.object(key)?.value
                    if event?["reason"] == "DriftDetected", event?["message"]?.string?.contains("\"by hand\" instead of \"git\"") == true {
                        return true
                    }
                }
                return false
            }
            #expect(await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "by hand")
            bench.repository.push(["clusters/home/a.yaml": unit, "a/one.yaml": Files.config("new", name: "one", namespace: "default")])
            source.wake()
            try await eventually("a commit is applied all the same") {
                await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "new"
            }
        }
    }

    @Test func `a Job that ran to its end and was cleared away is not run again, even by the next agent`() async throws {
        var files = ["clusters/home/a.yaml": Self.unit("a", path: "a", more: "wait: true"), "a/j.yaml": Self.job("m:1")]
        bench.repository.push(files)
        try await bench.run { _ in
            try await eventually("the job") { await bench.api.object(Self.jobKey) != nil }
            await bench.api.setStatus(Self.jobKey, ["succeeded": 1, "conditions": [["type": "Complete", "status": "True"]]])
            // As with ttlSecondsAfterFinished: 0, before anybody can look.
            await bench.api.remove(Self.jobKey)
            try await awaitReady("a")
        }
        try await bench.run { source in
            files["a/c.yaml"] = Files.config("1", name: "one", namespace: "default")
            let second = bench.repository.push(files)
            source.wake()
            try await awaitReady("a", at: second)
            #expect(await bench.api.object(Self.jobKey) == nil)
            #expect(await bench.api.requests.count { $0.verb == .apply && $0.name == "migrate" } == 1)
            files["a/j.yaml"] = Self.job("m:2")
            bench.repository.push(files)
            source.wake()
            try await eventually("it runs for its new content") { await image(Self.jobKey) == "m:2" }
        }
    }

    @Test func `a Job that has changed is made anew`() async throws {
        var files = ["clusters/home/a.yaml": Self.unit("a", path: "a"), "a/j.yaml": Self.job("m:1")]
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("a")
            let first = await bench.api.object(Self.jobKey)?.uid
            let immutable = ClusterError(
                .invalid, subject: "Job", message: "field is immutable",
                causes: [.init(field: "spec.template", reason: "FieldValueInvalid", message: "Invalid value: {}: field is immutable")])
            await bench.api.fail(.apply, name: "migrate", with: immutable)
            files["a/j.yaml"] = Self.job("m:2")
            bench.repository.push(files)
            source.wake()
            try await eventually("the new run") { await image(Self.jobKey) == "m:2" }
            #expect(await bench.api.object(Self.jobKey)?.uid != first)
        }
    }

    @Test func `variables follow a ConfigMap that no unit applies, from its making on`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit(
                "a", path: "a", more: "postBuild: {substituteFrom: [{kind: ConfigMap, name: vars}]}"),
            "a/one.yaml": Files.config("${color}", name: "one", namespace: "default"),
        ])
        func variables(_ color: String) -> Manifest {
            Manifest([
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "vars", "namespace": "default"],
                "data": ["color": .string(color)],
            ])
        }
        try await bench.run { _ in
            try await awaitReady("a", "False")
            for color in ["red", "blue"] {
                await bench.api.put(variables(color))
                try await eventually("the title is \(color)") {
                    await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == .string(color)
                }
            }
            try await awaitReady("a")
        }
    }

    @Test func `a field whose last member was taken away goes`() async throws {
        let more = "decryption: {provider: sops, secretRef: {name: keys}}"
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: more), "a/k.yaml": Files.config("1", name: "k", namespace: "default"),
        ])
        let cause = ClusterError.Cause(
            field: "spec.decryption.secretRef", reason: "FieldValueInvalid", message: "Invalid value: \"null\": must be of type object")
        let error = ClusterError(.invalid, subject: "a", message: "Kustomization \"a\" is invalid", causes: [cause])
        try await bench.run { source in
            try await eventually("it is there") { await bench.api.object(Self.key("a"))?.value[path: "spec", "decryption"] != nil }
            await bench.api.fail(.apply, name: "a", with: error, times: 1)
            await bench.api.forgetRequests()
            let commit = bench.repository.push([
                "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/k.yaml": Files.config("1", name: "k", namespace: "default"),
            ])
            source.wake()
            try await awaitReady("a", at: commit)
            #expect(await bench.api.object(Self.key("a"))?.value[path: "spec", "decryption"] == nil)
            #expect(await bench.api.requests.filter { $0.verb == .apply && $0.name == "a" }.count == 2)
        }
    }

    @Test func `what cannot be deleted makes the unit not ready, in Flux' words`() async throws {
        let files = ["clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("1", name: "one", namespace: "default")]
        let more = files.merging(["a/two.yaml": Files.config("2", name: "two", namespace: "default")]) { $1 }
        bench.repository.push(more)
        let error = ClusterError(.forbidden, subject: "two", message: "deletion is forbidden here")
        try await bench.run { source in
            try await awaitReady("a")
            await bench.api.fail(.delete, name: "two", with: error, times: 2)
            bench.repository.push(files)
            source.wake()
            // Before that it may be said to wait for its maker.
            try await eventually("it is refused", { await String(describing: ready("a")) }) {
                let found = await ready("a")
                return found?.status == "False" && found?.reason == "PruneFailed"
            }
            #expect(await ready("a")?.message.contains("deletion is forbidden here") == true)
            try await eventually("the event") { await events(of: "a", "PruneFailed").count == 1 }
            try await awaitReady("a")
            #expect(await bench.api.object(Self.config("two")) == nil)
        }
    }

    @Test func `what nobody acts on is said once, with what does its work`() async throws {
        let release = GroupVersionKind(group: "helm.toolkit.fluxcd.io", version: "v2", kind: "HelmRelease")
        let alert = GroupVersionKind(group: "notification.toolkit.fluxcd.io", version: "v1beta3", kind: "Alert")
        for (kind, plural) in [(release, "helmreleases"), (alert, "alerts")] {
            await bench.api.register(APIResource(kind: kind, plural: plural, isNamespaced: true))
        }
        func object(_ kind: String, _ name: String) -> String {
            "apiVersion: \(kind)\nmetadata: {name: \(name), namespace: default}\nspec: {x: 1}\n"
        }
        let commit = bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: "wait: true"),
            "a/r.yaml": object("helm.toolkit.fluxcd.io/v2\nkind: HelmRelease", "chart"),
            "a/s.yaml": object("helm.toolkit.fluxcd.io/v2\nkind: HelmRelease", "served"),
            "a/n.yaml": object("notification.toolkit.fluxcd.io/v1beta3\nkind: Alert", "told"),
            "a/b.yaml": object("image.toolkit.fluxcd.io/v1\nkind: ImagePolicy", "tag"),
        ])
        try await bench.run { _ in
            try await awaitReady("a", at: commit)
            func key(_ kind: GroupVersionKind, _ name: String) -> ObjectKey {
                ObjectKey(group: kind.group, kind: kind.kind, namespace: "default", name: name)
            }
            // Flux' definitions give it this status from its first moment.
            await bench.api.setStatus(key(release, "chart"), ["observedGeneration": -1])
            await bench.api.setStatus(key(release, "served"), ["conditions": [["type": "Ready", "status": "True"]]])
            try await eventually("it is said") { await ready("a")?.message.contains("HelmRelease") == true }
            let message = await ready("a")?.message ?? ""
            #expect(
                message.contains("/default/chart (instead: k3s' own HelmChart")
                    && message.contains("/default/told (instead: nothing is sent"), "\(message)")
            #expect(message.contains("/default/tag (instead: commit new image tags"), "\(message)")
            #expect(!message.contains("served") && message.hasPrefix("Applied revision: "), "\(message)")
            // First of what was left out, and then of what nobody has looked at for a while.
            try await eventually("both Events") { await events(of: "a", "NotHandled").count == 2 }
        }
    }

    @Test func `a health check of what nobody acts on keeps nobody waiting`() async throws {
        let check = "healthChecks: [{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, name: chart, namespace: web}]"
        let commit = bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: check),
            "a/one.yaml": Files.config("1", name: "one", namespace: "default"),
        ])
        try await bench.run { _ in
            try await awaitReady("a", at: commit)
            let message = await ready("a")?.message ?? ""
            #expect(message.contains("nothing acts on HelmRelease.helm.toolkit.fluxcd.io/web/chart (instead: k3s' own"), "\(message)")
        }
        // One that the cluster knows may still come.
        let release = GroupVersionKind(group: "helm.toolkit.fluxcd.io", version: "v2", kind: "HelmRelease")
        await bench.api.register(APIResource(kind: release, plural: "helmreleases", isNamespaced: true))
        try await bench.run { _ in
            try await eventually("it is waited for") { await ready("a")?.message.contains("web/chart is NotFound") == true }
        }
    }

    @Test func `a health check that cannot be looked at keeps nothing from being applied`() async throws {
        let refusal = ClusterError(.forbidden, subject: "Deployment/web/far", message: "not allowed to look")
        await bench.api.fail(.get, kind: Files.deploymentKey.groupKind, name: "far", with: refusal, times: .max)
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit(
                "a", path: "a", more: "healthChecks: [{apiVersion: apps/v1, kind: Deployment, name: far, namespace: web}]"),
            "a/one.yaml": Files.config("1", name: "one", namespace: "default"),
        ])
        try await bench.run { _ in
            try await eventually("it is applied, and said to be waited for") {
                let message = await ready("a")?.message ?? ""
                return await bench.api.object(Self.config("one")) != nil && message.contains("it cannot be looked at: not allowed to look")
            }
        }
    }

    @Test func `storage classes that may not be listed keep no claim from being made`() async throws {
        let refusal = ClusterError(.forbidden, subject: "storageclasses", message: "cannot list resource \"storageclasses\"")
        let kind = GroupKind(group: "storage.k8s.io", kind: "StorageClass")
        await bench.api.fail(.list, kind: kind, with: refusal, times: .max)
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a"),
            "a/claim.yaml": "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: default}\nspec: {}\n",
        ])
        let claim = ObjectKey(group: "", kind: "PersistentVolumeClaim", namespace: "default", name: "data")
        try await bench.run { _ in try await eventually("it is made") { await bench.api.object(claim) != nil } }
    }

    @Test func `with all waited for, the list of health checks is passed over`() async throws {
        let check = "wait: true\nhealthChecks: [{apiVersion: apps/v1, kind: Deployment, name: none, namespace: web}]"
        let commit = bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: check),
            "a/one.yaml": Files.config("1", name: "one", namespace: "default"),
        ])
        try await bench.run { _ in try await awaitReady("a", at: commit) }
    }

    @Test func `a hashed ConfigMap goes when the last pod that reads it goes`() async throws {
        func app(_ hash: String) -> [String: String] {
            [
                "clusters/home/a.yaml": Self.unit("a", path: "a"),
                "a/one.yaml": Files.config(hash, name: "site-\(hash)", namespace: "default"),
            ]
        }
        bench.repository.push(app("aa"))
        let pod = Manifest([
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "old", "namespace": "default"],
            "spec": ["containers": [["name": "c", "envFrom": [["configMapRef": ["name": "site-aa"]]]]]], "status": ["phase": "Running"],
        ])
        try await bench.run { source in
            try await awaitReady("a")
            await bench.api.put(pod)
            let second = bench.repository.push(app("bb"))
            source.wake()
            try await awaitReady("a", at: second)
            try await eventually("pods and ReplicaSets are watched") {
                let watched = await bench.api.requests.filter { $0.verb == .watch }.map(\.kind.kind)
                return watched.contains("Pod") && watched.contains("ReplicaSet")
            }
            await bench.api.forgetRequests()
            try await Task.sleep(for: .milliseconds(300))
            #expect(await bench.api.object(Self.config("site-aa")) != nil)
            #expect(await !bench.api.requests.contains { $0.kind.kind == "Pod" || $0.kind.kind == "ReplicaSet" })
            await bench.api.setStatus(pod.key, ["phase": "Succeeded"])
            try await eventually("it is gone") { await bench.api.object(Self.config("site-aa")) == nil }
        }
    }

    @Test func `units that leave with all that they are built from, and those that they made, go`() async throws {
        var files = ["clusters/home/one.yaml": Files.config("one", name: "one", namespace: "default")]
        bench.repository.push(
            files.merging([
                "clusters/home/apps.yaml": Self.unit("apps", path: "apps"), "apps/inner.yaml": Self.unit("inner", path: "inner"),
                "inner/web.yaml": Self.unit("web", path: "web"),
                "web/two.yaml": Files.config("two", name: "two", namespace: "default"),
            ]) { $1 })
        try await bench.run { source in
            try await eventually("the innermost object") { await bench.api.object(Self.config("two")) != nil }
            files["clusters/home/one.yaml"] = Files.config("more", name: "one", namespace: "default")
            let commit = bench.repository.push(files)
            source.wake()
            try await bench.phase(.ready, at: commit)
            for name in ["apps", "inner", "web"] {
                let unit = ObjectKey(unit: Ownership(namespace: "default", name: name))
                try await eventually("\(name) is gone") { await bench.api.object(unit) == nil }
            }
            #expect(await bench.api.object(Self.config("two")) == nil)
        }
    }
}
