import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// What is asked of a unit while it is at work.
extension UnitsTests {
    @Test func `what comes in the middle of a pass is observed by the next one`() async throws {
        var files = ["clusters/home/a.yaml": Self.unit("a", path: "a"), "a/one.yaml": Files.config("1", name: "one", namespace: "default")]
        bench.repository.push(files)
        try await bench.run { source in
            try await awaitReady("a")
            let before = try #require(await bench.api.object(Self.key("a"))?.generation)
            await bench.api.during(.apply, name: "one") { [held = bench.held] api in
                // The next pass has to build anew, and comes no further.
                held.update { $0 = ["a"] }
                await api.edit(Self.key("a")) {
                    $0["spec"]?["targetNamespace"] = "default"
                    $0["metadata"]?["annotations"]?["reconcile.fluxcd.io/requestedAt"] = "now"
                }
            }
            files["a/one.yaml"] = Files.config("2", name: "one", namespace: "default")
            let second = bench.repository.push(files)
            source.wake()
            try await awaitReady("a", at: second)
            let status = KustomizationStatus(of: try #require(await bench.api.object(Self.key("a"))))
            #expect(status.observedGeneration == before && status.lastHandledReconcileAt.isEmpty)
            #expect(status.conditions.all.allSatisfy { $0.generation == before })
            bench.held.update { $0 = [] }
            try await eventually("the next pass says so", { await String(describing: bench.api.object(Self.key("a"))?.value) }) {
                let status = await bench.api.object(Self.key("a")).map { KustomizationStatus(of: $0) }
                return status?.observedGeneration == before + 1 && status?.lastHandledReconcileAt == "now"
            }
        }
    }
}
