import KubernetesModel
import Testing
import YAML

struct ApplyOrderTests {
    private func manifest(_ apiVersion: String, _ kind: String, _ name: String = "x") -> Manifest {
        Manifest(["apiVersion": .string(apiVersion), "kind": .string(kind), "metadata": ["name": .string(name), "namespace": "web"]])
    }

    private var mixed: [Manifest] {
        [
            manifest("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"), manifest("apps/v1", "Deployment", "b"),
            manifest("apps/v1", "Deployment", "a"), manifest("example.org/v1", "Widget"), manifest("v1", "Service"),
            manifest("example.org/v1", "WidgetClass"), manifest("v1", "Secret"), manifest("storage.k8s.io/v1", "StorageClass"),
            manifest("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
            manifest("rbac.authorization.k8s.io/v1", "ClusterRole"), manifest("v1", "Namespace"),
            manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ]
    }

    private let order = [
        "CustomResourceDefinition/x", "Namespace/x", "ClusterRole/x", "StorageClass/x", "WidgetClass/x", "Secret/x", "Service/x",
        "Deployment/a", "Deployment/b", "Widget/x", "MutatingWebhookConfiguration/x", "ValidatingWebhookConfiguration/x",
    ]

    @Test func `definitions first, webhooks last, the rest by the table`() {
        #expect(ApplyOrder.sorted(mixed, by: \.key).map { "\($0.kind)/\($0.name)" } == order)
    }

    @Test func `deletion is the reverse`() {
        #expect(ApplyOrder.sortedForDeletion(mixed.map(\.key)).map { "\($0.kind)/\($0.name)" } == order.reversed())
    }

    @Test func `stages hold what must be there before the next`() {
        let stages = ApplyOrder.stages(of: mixed.map(\.key))
        #expect(stages.map(\.stage) == [.definitions, .classes, .workloads, .admission])
        #expect(stages.map(\.keys.count) == [3, 2, 5, 2])
    }

    @Test func `waves are runs of one rank`() {
        #expect(ApplyOrder.waves(of: mixed.map(\.key)).map(\.count) == [1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1])
    }
}
