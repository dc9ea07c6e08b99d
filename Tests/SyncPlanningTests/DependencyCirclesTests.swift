import Diagnostics
import KubernetesModel
import SyncPlanning
import Testing
import YAML

@Suite struct DependencyCirclesTests {
    private func units(_ dependencies: [String: [String]]) -> [Manifest] {
        dependencies.sorted { $0.key < $1.key }.enumerated().map { index, entry in
            Manifest(
                [
                    "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
                    "metadata": ["name": .string(entry.key), "namespace": "apps"],
                    "spec": ["dependsOn": .array(entry.value.map { ["name": .string($0)] })],
                ], origin: SourceLocation(file: "units.yaml", line: index + 1))
        }
    }

    @Test func `each circle is told once, with its way and its place`() {
        let found = DependencyCircles.problems(
            in: units(["a": ["b"], "b": ["c"], "c": ["a", "outside"], "self": ["self"], "user": ["a"], "free": []]))
        let kind = "Kustomization.kustomize.toolkit.fluxcd.io"
        #expect(found.map(\.subject) == ["\(kind)/apps/a", "\(kind)/apps/self"])
        #expect(found.first?.cause == "the dependencies lead in a circle: apps/a → apps/b → apps/c → apps/a")
        #expect(found.first?.description.contains("units.yaml:1") == true)
    }

    @Test func `two ways to one unit are no circle`() {
        #expect(DependencyCircles.problems(in: units(["a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []])).isEmpty)
    }
}
