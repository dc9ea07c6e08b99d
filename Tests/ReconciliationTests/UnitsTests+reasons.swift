import Git
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// What becomes of a health check, in the conditions, reasons and events of Flux.
extension UnitsTests {
    private static func files(image: String = "web:1") -> [String: String] {
        [
            "clusters/home/app.yaml": unit("app", path: "app", more: "wait: true"),
            "app/d.yaml": Files.namespace + "---\n" + Files.deployment(image: image),
        ]
    }

    private static func image(_ object: Manifest?) -> Value? {
        object?.value[path: "spec", "template", "spec", "containers"]?.array?.first?["image"]
    }

    private func condition(_ type: String) async -> FluxCondition? {
        await bench.api.object(Self.key("app")).flatMap { KustomizationStatus(of: $0).conditions[type] }
    }

    /// The revisions of the events of the unit with a reason.
    private func revisions(_ reason: String) async -> [String] {
        var found: [String] = []
        for key in await bench.api.keys where key.kind == "Event" && key.name.hasPrefix("app.") {
            let event = await bench.api.object(key)
            guard event?.value["reason"]?.string == reason, event?.value["type"] == "Normal" else { continue }
            found.append(event?.annotation("kustomize.toolkit.fluxcd.io/revision") ?? "")
        }
        return found
    }

    @Test func `a health check that a newer commit supersedes is called cancelled`() async throws {
        let first = bench.repository.push(Self.files())
        let readiness = Shared<[FluxCondition]>([])
        try await bench.run { source in
            try await eventually("it waits", { await String(describing: ready("app")) }) {
                let isWaiting = await condition("Healthy")?.reason == "Progressing"
                return await ready("app")?.message.contains("Deployment/web/site") == true && isWaiting
            }
            let changes = try await bench.api.watch(
                FluxKinds.kustomization, namespace: "default", labelSelector: nil,
                resourceVersion: try #require(await bench.api.object(Self.key("app"))).resourceVersion)
            let watching = Task {
                for try await change in changes {
                    guard case .modified(let object) = change else { continue }
                    if let ready = KustomizationStatus(of: object).conditions["Ready"] { readiness.update { $0.append(ready) } }
                }
            }
            defer { watching.cancel() }
            let second = bench.repository.push(Self.files(image: "web:2"))
            source.wake()
            try await eventually("the newer one is applied") {
                Self.image(await bench.api.object(Files.deploymentKey)) == "web:2"
            }
            try await eventually("an event", { "\(await revisions("HealthCheckCanceled"))" }) {
                await revisions("HealthCheckCanceled") == ["main@sha1:\(first.id.hex)"]
            }
            let message = await events(of: "app", "HealthCheckCanceled").first ?? ""
            #expect(message.contains(first.id.hex.prefix(12)) && message.contains(second.id.hex.prefix(12)), "\(message)")
            #expect(message.contains("GitRepository/homelab-system/home"), "\(message)")
            try await eventually("it waits again", { "\(readiness.value)" }) {
                readiness.value.drop { $0.reason != "HealthCheckCanceled" }.contains { $0.reason == "Progressing" }
            }
            let cancelled = readiness.value.filter { $0.reason == "HealthCheckCanceled" }
            #expect(!cancelled.isEmpty && cancelled.allSatisfy { $0.status == "False" && $0.message == message })
            let generation = await bench.api.object(Files.deploymentKey)?.generation ?? 0
            await bench.api.setStatus(Files.deploymentKey, Files.running(generation))
            try await awaitReady("app", at: second)
            let status = await bench.api.object(Self.key("app")).map { KustomizationStatus(of: $0) }
            #expect(status?.history.map(\.lastStatus) == ["ReconciliationSucceeded"], "what was given up is no result")
        }
    }

    @Test func `a revision counts as applied when it is healthy, and the next agent goes on from what was sent`() async throws {
        var files = [
            "clusters/home/app.yaml": Self.unit("app", path: "app", more: "wait: true"),
            "app/one.yaml": Files.config("1", name: "one", namespace: "default"),
        ]
        func status() async -> KustomizationStatus? { await bench.api.object(Self.key("app")).map { KustomizationStatus(of: $0) } }
        func revision(_ commit: CommitInfo) -> String { "main@sha1:\(commit.id.hex)" }
        let first = bench.repository.push(files)
        var second = first
        try await bench.run { source in
            try await awaitReady("app", at: first)
            #expect(await condition("Sent") == nil)
            files["app/one.yaml"] = Files.config("2", name: "one", namespace: "default")
            files["app/d.yaml"] = Files.namespace + "---\n" + Files.deployment()
            second = bench.repository.push(files)
            source.wake()
            try await eventually("it is sent", { await String(describing: status()) }) {
                await condition("Sent")?.message == revision(second)
            }
            let found = try #require(await status())
            #expect(found.lastAppliedRevision == revision(first) && found.lastAttemptedRevision == revision(second))
            #expect(found.conditions["Ready"]?.status == "Unknown")
        }
        files["app/broken.yaml"] = "kind: [\n"
        bench.repository.push(files)
        await bench.api.remove(Self.config("one"))
        try await bench.next.run { source in
            try await eventually("what was sent last is enforced on") {
                await bench.api.object(Self.config("one"))?.value[path: "data", "title"] == "2"
            }
            try await eventually("the build fails") { await ready("app")?.reason == "BuildFailed" }
            #expect(await status()?.lastAppliedRevision == revision(first))
            #expect(await status()?.lastSentRevision == revision(second))
            files["app/broken.yaml"] = nil
            let fourth = bench.repository.push(files)
            source.wake()
            let generation = await bench.api.object(Files.deploymentKey)?.generation ?? 0
            await bench.api.setStatus(Files.deploymentKey, Files.running(generation))
            try await awaitReady("app", at: fourth)
            #expect(await condition("Sent") == nil)
        }
    }

    @Test func `a unit that is well again says so, and what is not about its health leaves that as it was`() async throws {
        bench.repository.push(Self.files())
        try await bench.run { source in
            try await eventually("it is there") { await bench.api.object(Files.deploymentKey) != nil }
            await bench.api.setStatus(Files.deploymentKey, Files.running(1))
            try await awaitReady("app")
            try await eventually("it is told") { await events(of: "app", "ReconciliationSucceeded").count == 1 }
            // What has not been well yet would be waited for.
            let root = ObjectKey(unit: bench.spec.owner)
            func status() async -> String { await String(describing: bench.api.object(root)?.value["status"]) }
            try await eventually("the agent's own unit is well", status) {
                await bench.api.object(root)?.condition("Ready")?.status == "True"
            }
            var told = 0
            try await eventually("so does the agent's own unit, in Flux' words where it has its Kustomization by then") {
                told = await events(of: "home", "ReconciliationSucceeded").count
                let untold = await events(of: "homelab-status-home", "Healthy").isEmpty
                return told > 0 || !untold
            }
            var ill = Files.running(1)
            (ill["readyReplicas"], ill["availableReplicas"]) = (0, 0)
            await bench.api.setStatus(Files.deploymentKey, ill)
            try await awaitReady("app", "False")
            #expect(await condition("Healthy")?.reason == "HealthCheckFailed")
            try await eventually("it has Flux' words, too", status) {
                await !events(of: "home", "HealthCheckFailed").isEmpty
            }
            await bench.api.setStatus(Files.deploymentKey, Files.running(1))
            try await awaitReady("app")
            try await eventually("its recovery is told, though nothing was applied") {
                await events(of: "app", "ReconciliationSucceeded").count == 2
            }
            try await eventually("and that of the agent's own unit") { await events(of: "home", "ReconciliationSucceeded").count > told }
            var files = Self.files()
            files["app/broken.yaml"] = "kind: [\n"
            bench.repository.push(files)
            source.wake()
            try await eventually("the build fails") { await ready("app")?.reason == "BuildFailed" }
            let healthy = await condition("Healthy")
            #expect(healthy?.status == "True" && healthy?.reason == "Succeeded")
            #expect(await condition("Reconciling")?.reason == "ProgressingWithRetry")
        }
    }
}
