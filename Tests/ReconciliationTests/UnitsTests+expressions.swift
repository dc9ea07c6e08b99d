import Git
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// What a unit says in the Common Expression Language.
extension UnitsTests {
    private static let app = ["app/d.yaml": Files.namespace + "---\n" + Files.deployment()]

    private static func checked(_ expressions: String) -> String {
        unit("app", path: "app", more: "wait: true\nhealthCheckExprs:\n- apiVersion: apps/v1\n  kind: Deployment\n\(expressions)")
    }

    /// A Deployment of which so many replicas are ready; the built-in rule wants one.
    private static func ready(_ replicas: Int64, generation: Int64 = 1) -> Value {
        var status = Files.running(generation)
        status["readyReplicas"] = .int(replicas)
        return status
    }

    @Test func `a unit judges a kind by its own expressions`() async throws {
        let rules = "  inProgress: status.readyReplicas == 1\n  failed: status.readyReplicas > 5\n  current: status.readyReplicas == 2"
        bench.repository.push(["clusters/home/app.yaml": Self.checked(rules)].merging(Self.app) { $1 })
        try await bench.run { _ in
            try await eventually("it is there") { await bench.api.object(Files.deploymentKey) != nil }
            await bench.api.setStatus(Files.deploymentKey, Self.ready(1))
            try await eventually("the expression's reason") {
                await ready("app")?.message.contains("InProgress: inProgress: status.readyReplicas == 1") == true
            }
            await bench.api.setStatus(Files.deploymentKey, Self.ready(2))
            try await awaitReady("app")
            await bench.api.setStatus(Files.deploymentKey, Self.ready(9))
            try await awaitReady("app", "False")
            #expect(await ready("app")?.reason == "HealthCheckFailed")
        }
    }

    @Test func `a rule without a kind judges all kinds of its group`() async throws {
        let rule = "wait: true\nhealthCheckExprs:\n- apiVersion: apps/v1\n  current: status.readyReplicas == 2"
        bench.repository.push(["clusters/home/app.yaml": Self.unit("app", path: "app", more: rule)].merging(Self.app) { $1 })
        try await bench.run { _ in
            try await eventually("it is there") { await bench.api.object(Files.deploymentKey) != nil }
            await bench.api.setStatus(Files.deploymentKey, Self.ready(1))
            try await eventually("the rule's reason") {
                await ready("app")?.message.contains("none of its healthCheckExprs holds yet") == true
            }
            await bench.api.setStatus(Files.deploymentKey, Self.ready(2))
            try await awaitReady("app")
        }
    }

    @Test func `new expressions judge what is there already`() async throws {
        var files = ["clusters/home/app.yaml": Self.checked("  current: status.readyReplicas == 1")].merging(Self.app) { $1 }
        bench.repository.push(files)
        try await bench.run { source in
            try await eventually("it is there") { await bench.api.object(Files.deploymentKey) != nil }
            await bench.api.setStatus(Files.deploymentKey, Self.ready(1))
            try await awaitReady("app")
            files["clusters/home/app.yaml"] = Self.checked("  current: status.readyReplicas == 2\n  failed: status.readyReplicas == 1")
            bench.repository.push(files)
            source.wake()
            try await awaitReady("app", "False")
            files["clusters/home/app.yaml"] = Self.unit("app", path: "app", more: "wait: true")
            bench.repository.push(files)
            source.wake()
            try await awaitReady("app")
        }
    }

    @Test func `another unit's object is judged by each unit's own rules`() async throws {
        let check = "healthChecks:\n- {apiVersion: apps/v1, kind: Deployment, namespace: web, name: site}\n"
        let rule = "healthCheckExprs:\n- {apiVersion: apps/v1, kind: Deployment, current: status.readyReplicas == 2}"
        bench.repository.push(
            [
                "clusters/home/app.yaml": Self.unit("app", path: "app", more: "wait: true"),
                "clusters/home/b.yaml": Self.unit("other", path: "other", more: check + rule),
                "other/c.yaml": Files.config("c", name: "c", namespace: "default"),
            ].merging(Self.app) { $1 })
        try await bench.run { _ in
            try await eventually("it is there") { await bench.api.object(Files.deploymentKey) != nil }
            await bench.api.setStatus(Files.deploymentKey, Self.ready(1))
            try await awaitReady("app")
            try await eventually("the other's reason") {
                await ready("other")?.message.contains("none of its healthCheckExprs holds yet") == true
            }
            await bench.api.setStatus(Files.deploymentKey, Self.ready(2))
            try await awaitReady("other")
        }
    }

    @Test func `an expression that cannot be read stalls its unit until it is mended`() async throws {
        var files = ["clusters/home/app.yaml": Self.checked("  current: status.readyReplicas = 1")].merging(Self.app) { $1 }
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("app", "False")
            let object = try #require(await bench.api.object(Self.key("app")))
            #expect(object.condition("Ready")?.reason == "InvalidCELExpression" && object.condition("Stalled")?.status == "True")
            #expect(object.condition("Ready")?.message.hasPrefix("spec.healthCheckExprs[0].current:1:22: the character =") == true)
            #expect(await bench.api.object(Files.deploymentKey) == nil)
            files["clusters/home/app.yaml"] = Self.checked("  current: status.readyReplicas == 1")
            bench.repository.push(files)
            source.wake()
            try await eventually("it is there") { await bench.api.object(Files.deploymentKey) != nil }
            await bench.api.setStatus(Files.deploymentKey, Self.ready(1))
            try await awaitReady("app")
        }
    }

    @Test func `readyExpr replaces the Ready condition, and any change of the dependency counts`() async throws {
        func first(_ version: String) -> String {
            Self.unit("first", path: "app", more: "wait: true").replacing(
                "namespace: default}", with: "namespace: default, labels: {version: \(version)}}", maxReplacements: 1)
        }
        let expression = "readyExpr: dep.metadata.?labels.version.orValue('') == '2' && self.metadata.name == 'second'"
        var files = [
            "clusters/home/a.yaml": first("'1'"),
            "clusters/home/b.yaml": Self.unit("second", path: "second", more: "dependsOn:\n- name: first\n  \(expression)"),
            "second/c.yaml": Files.config("c", name: "c", namespace: "default"),
        ].merging(Self.app) { $1 }
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("second", "False")
            #expect(await ready("second")?.message == "dependency 'default/first' is not ready according to readyExpr eval")
            files["clusters/home/a.yaml"] = first("'2'")
            bench.repository.push(files)
            source.wake()
            try await awaitReady("second")
            #expect(await ready("first")?.status != "True")
        }
    }

    @Test func `a readyExpr without an answer says why`() async throws {
        bench.repository.push([
            "clusters/home/a.yaml": Self.unit("first", path: "second"),
            "clusters/home/b.yaml": Self.unit("third", path: "third", more: "dependsOn:\n- name: first\n  readyExpr: dep.spec.missing > 1"),
            "second/c.yaml": Files.config("c", name: "c", namespace: "default"),
            "third/d.yaml": Files.config("d", name: "d", namespace: "default"),
        ])
        try await bench.run { _ in
            try await eventually("the reason") {
                await ready("third")?.message
                    == "dependency 'default/first': readyExpr has no answer: 1:10: no such key: missing, in: dep.spec.missing > 1"
            }
        }
    }
}
