import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// How long what a unit changes may take to become healthy: each change has the time that the unit gives, also one that comes later than
/// its commit.
extension UnitsTests {
    private static let files = [
        "clusters/home/app.yaml": unit(
            "app", path: "app", more: "wait: true\ntimeout: 5m\npostBuild: {substituteFrom: [{kind: ConfigMap, name: vars}]}"),
        "app/d.yaml": Files.namespace + "---\n" + Files.deployment(image: "web:${version}"),
    ]

    private static func variables(_ version: String) -> Manifest {
        Manifest([
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "vars", "namespace": "default"],
            "data": ["version": .string(version)],
        ])
    }

    private func awaitImage(_ image: Value) async throws {
        try await eventually("\(image) is applied") {
            let spec = await bench.api.object(Files.deploymentKey)?.value[path: "spec", "template", "spec"]
            return spec?["containers"] == [["name": "web", "image": image]]
        }
    }

    private func run() async throws {
        let generation = await bench.api.object(Files.deploymentKey)?.generation ?? 0
        await bench.api.setStatus(Files.deploymentKey, Files.running(generation))
        try await awaitReady("app")
    }

    /// A pass that begins now has come to its end.
    private func awaitLook(_ mark: String) async throws {
        await bench.api.edit(Self.key("app")) {
            $0["metadata"]?["annotations"]?["reconcile.fluxcd.io/requestedAt"] = .string(mark)
        }
        try await eventually("look \(mark)") {
            await bench.api.object(Self.key("app")).map { KustomizationStatus(of: $0).lastHandledReconcileAt } == mark
        }
    }

    @Test func `other variables of the same commit have the whole time to become healthy`() async throws {
        let clock = ForwardClock()
        var bench = bench
        bench.clock = clock
        bench.repository.push(Self.files)
        await bench.api.put(Self.variables("1"))
        try await bench.run { _ in
            try await awaitImage("web:1")
            try await run()
            clock.advance(by: .seconds(240))
            await bench.api.put(Self.variables("2"))
            try await awaitImage("web:2")
            try await eventually("it is waited for") { await ready("app")?.status == "Unknown" }
            // The commit's own time is over.
            clock.advance(by: .seconds(120))
            try await awaitLook("in time")
            #expect(await ready("app")?.status == "Unknown")
            clock.advance(by: .seconds(200))
            try await awaitReady("app", "False")
            #expect(await ready("app")?.reason == "HealthCheckFailed")
            try await run()
        }
    }

    @Test func `what is repaired when the time is over has it anew`() async throws {
        let clock = ForwardClock()
        var bench = bench
        bench.clock = clock
        bench.repository.push(Self.files)
        await bench.api.put(Self.variables("1"))
        try await bench.run { _ in
            try await awaitImage("web:1")
            try await run()
            clock.advance(by: .seconds(400))
            // A pass that has its plan already would see the change without repairing it, and call that a failure.
            try await awaitLook("settled")
            let repairs = bench.monitor.value.driftRepairs
            await bench.api.edit(Files.deploymentKey) {
                $0["spec"]?["template"]?["spec"]?["containers"] = [["name": "web", "image": "web:9"]]
            }
            try await awaitImage("web:1")
            try await eventually("it is a repair") { bench.monitor.value.driftRepairs > repairs }
            try await eventually("it is waited for", { await String(describing: ready("app")) }) {
                await ready("app")?.status != "True"
            }
            #expect(await ready("app")?.status == "Unknown")
            clock.advance(by: .seconds(200))
            try await awaitLook("in time")
            #expect(await ready("app")?.status == "Unknown")
            clock.advance(by: .seconds(200))
            try await awaitReady("app", "False")
        }
    }
}
