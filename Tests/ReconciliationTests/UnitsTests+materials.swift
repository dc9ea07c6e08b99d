import Diagnostics
import Foundation
import Git
import HomelabTestSupport
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@testable import Reconciliation

/// Encrypted files, and what commands say of units.
extension UnitsTests {
    private func fixture(_ name: String) throws -> String {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: folder.appendingPathComponent("SOPSTests/Fixtures/" + name), encoding: .utf8)
    }

    @Test func `an encrypted Secret is applied in clear text, and nothing of it is shown`() async throws {
        let keys: Value = .string(Data(try fixture("keys.txt").utf8).base64EncodedString())
        _ = try await bench.api.create(
            Manifest([
                "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "sops-age", "namespace": "default"],
                "data": ["age.agekey": keys],
            ]))
        let decryption = "targetNamespace: default\ndecryption: {provider: sops, secretRef: {name: sops-age}}"
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: decryption), "a/secret.yaml": try fixture("secret.yaml"),
        ])
        let secret = ObjectKey(group: "", kind: "Secret", namespace: "default", name: "db")
        try await bench.run { _ in
            try await awaitReady("a")
            let live = try #require(await bench.api.object(secret))
            #expect(live.value["sops"] == nil)
            #expect(live.value[path: "data", "user"] == .string(Data("ada".utf8).base64EncodedString()))
        }
    }

    @Test func `keys that are not there are missed, not said to open nothing`() async throws {
        let decryption = "targetNamespace: default\ndecryption: {provider: sops, secretRef: {name: sops-age}}"
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: decryption), "a/secret.yaml": try fixture("secret.yaml"),
        ])
        try await bench.run { _ in
            try await eventually("it is missed", { await String(describing: ready("a")) }) {
                await ready("a")?.message.contains("there is no Secret/default/sops-age") == true
            }
            #expect(await ready("a")?.reason == "BuildFailed")
        }
    }

    @Test func `an encrypted Secret is never applied as it is`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("a", path: "a", more: "targetNamespace: default"),
            "a/secret.yaml": try fixture("secret.yaml"),
        ])
        try await bench.run { _ in
            try await awaitReady("a", "False")
            #expect(await ready("a")?.reason == "BuildFailed")
            #expect(await ready("a")?.message.contains("spec.decryption") == true)
            #expect(!(await bench.api.keys.contains { $0.kind == "Secret" }))
        }
    }

    @Test func `variables that a dependency makes are waited for with it`() async throws {
        let from = "dependsOn: [{name: first}]\npostBuild: {substituteFrom: [{kind: ConfigMap, name: settings}]}"
        var files = [
            "clusters/home/a.yaml": Self.unit("first", path: "first", more: "wait: true"),
            "clusters/home/b.yaml": Self.unit("second", path: "second", more: from),
            "first/d.yaml": Files.namespace + "---\n" + Files.deployment(),
            "second/c.yaml": Files.config("${size}", name: "c", namespace: "default"),
        ]
        bench.repository.push(files)
        try await bench.run { source in
            try await eventually("the dependency is waited for") { await ready("second")?.reason == "DependencyNotReady" }
            try await eventually("it is there") { await bench.api.object(Files.deploymentKey) != nil }
            await bench.api.setStatus(Files.deploymentKey, Files.running(1))
            try await awaitReady("first")
            // Its dependency is ready and made no such thing.
            try await eventually("it is missed", { await String(describing: ready("second")) }) {
                await ready("second")?.reason == "BuildFailed"
            }
            try await eventually("the Event") { await events(of: "second", "BuildFailed").count == 1 }
            files["first/s.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\ndata: {size: large}\n"
            bench.repository.push(files)
            source.wake()
            try await awaitReady("second")
            #expect(await bench.api.object(Self.config("c"))?.value[path: "data", "title"] == "large")
        }
        let failures = await events(of: "second", "BuildFailed")
        #expect(failures.count == 1, "\(failures)")
    }

    @Test func `why a unit is not ready is told down to the pod`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("first", path: "first", more: "wait: true"),
            "clusters/home/b.yaml": Self.unit("second", path: "second", more: "dependsOn: [{name: first}]"),
            "first/d.yaml": Files.namespace + "---\n" + Files.deployment(),
            "second/c.yaml": Files.config("c", name: "c", namespace: "default"),
        ])
        _ = try await bench.api.create(
            Manifest(["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "web"], "status": ["phase": "Active"]]))
        _ = try await bench.api.create(
            Manifest([
                "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "site-1", "namespace": "web", "labels": ["app": "site"]],
                "status": [
                    "phase": "Pending",
                    "containerStatuses": [
                        ["name": "web", "ready": false, "state": ["waiting": ["reason": "ImagePullBackOff", "message": "no such image"]]]
                    ],
                ],
            ]))
        let pod = try #require(await bench.api.object(ObjectKey(group: "", kind: "Pod", namespace: "web", name: "site-1")))
        for (minute, message) in [(2, "volume \"data\" is in use on m2"), (1, "no image yet")] {
            _ = try await bench.api.create(
                Manifest([
                    "apiVersion": "v1", "kind": "Event", "metadata": ["name": .string("event-\(minute)"), "namespace": "web"],
                    "type": "Warning", "reason": "FailedMount", "message": .string(message),
                    "involvedObject": ["uid": .string(pod.uid)], "lastTimestamp": .string("2026-01-01T10:0\(minute):00Z"),
                ]))
        }
        try await bench.run { _ in
            try await awaitReady("second", "False")
            try await eventually("the deployment") { await bench.api.object(Files.deploymentKey) != nil }
            let catalog = try await UnitCatalog(of: bench.api)
            let chain = ReasonChain(clusters: UnitClusters(home: bench.api), catalog: catalog)
            let lines = try await chain.links(of: try catalog.unit(named: "second")).map(\.description)
            #expect(lines.first?.contains("DependencyNotReady") == true, "\(lines)")
            #expect(lines.contains { $0.hasPrefix("  └ default/first") } && lines.contains { $0.contains("Pod/web/site-1") }, "\(lines)")
            let warnings = lines.filter { $0.contains("FailedMount") }
            #expect(warnings.count == 1 && warnings[0].hasSuffix(#"└ FailedMount: volume "data" is in use on m2"#), "\(lines)")
        }
    }

    @Test(arguments: [
        "kustomize.toolkit.fluxcd.io/decrypt: disabled", "\"kustomize.toolkit.fluxcd.io/decrypt\": \"disabled\"",
        "homelab.dev/decrypt: 'disabled'",
    ]) func `an object that opts out of decryption stays encrypted`(_ annotation: String) throws {
        let text = try fixture("secret.yaml")
        let marked = text.replacingOccurrences(of: "metadata:\n", with: "metadata:\n  annotations: {\(annotation)}\n")
        #expect(marked != text)
        #expect(throws: Diagnostics.self) { try FileDecryption.none.opened(Array(text.utf8), "secret.yaml") }
        #expect(try FileDecryption.none.opened(Array(marked.utf8), "secret.yaml") == nil)
        let value = Data(text.utf8).base64EncodedString()
        func secret(_ metadata: String) throws -> Manifest {
            Manifest(
                try #require(
                    try YAMLReader.values("apiVersion: v1\nkind: Secret\nmetadata: \(metadata)\ndata: {a.yaml: \(value)}\n", file: "s")
                        .first))
        }
        let (open, shut) = (try secret("{name: s}"), try secret("{name: s, annotations: {\(annotation)}}"))
        #expect(throws: Diagnostics.self) { try FileDecryption.none.opened([open]) }
        #expect(try FileDecryption.none.opened([shut]) == [shut])
    }

    @Test func `a diff is the plan that a push would bring`() async throws {
        var files = [
            "clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("one", name: "one", namespace: "default"),
        ]
        let first = bench.repository.push(files)
        try await bench.run { _ in
            try await awaitReady("a", at: first)
            let unit = try await UnitCatalog(of: bench.api).unit(named: "a")
            let preview = UnitPreview(of: unit, clusters: UnitClusters(home: bench.api))
            let now = GitFileTree(try await bench.repository.tree(of: first.id, under: []))
            #expect(try await preview.plan(now).hasChanges == false)
            func place(_ name: String) async throws -> String? {
                try await preview.place(of: ObjectKey(group: "", kind: "ConfigMap", namespace: "default", name: name), in: now)?.description
            }
            #expect(try await place("one") == "a/one.yaml:1:1")
            #expect(try await place("two") == nil)
            files["a/one.yaml"] = Files.config("two", name: "one", namespace: "default")
            let second = bench.repository.push(files)
            let plan = try await preview.plan(GitFileTree(try await bench.repository.tree(of: second.id, under: [])))
            #expect(plan.text.contains("~ ConfigMap/default/one") && plan.text.contains("1 to change"), "\(plan.text)")
            var impossible = unit
            impossible.value["spec"]?["decryption"] = ["provider": "vault"]
            let problems = await #expect(throws: Diagnostics.self) {
                try await UnitPreview(of: impossible, clusters: UnitClusters(home: bench.api)).plan(now)
            }
            #expect(problems?.all.first?.cause?.contains("provider vault is not known") == true)
        }
    }
}
