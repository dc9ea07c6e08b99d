import Diagnostics
import KubernetesModel
import Testing
import YAML

@Suite struct FluxControllersTests {
    private func deployment(_ name: String, _ namespace: String = "flux-system", ready: Int64?) -> Manifest {
        var status: Value = ["replicas": 1]
        if let ready { status["readyReplicas"] = .int(ready) }
        return Manifest([
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["namespace": .string(namespace), "name": .string(name)],
            "status": status,
        ])
    }

    @Test func `controllers at work are told once for each namespace, with what stops them`() {
        let found = FluxControllers.findings([
            deployment("source-controller", ready: 1), deployment("kustomize-controller", ready: 1),
            deployment("helm-controller", ready: 1), deployment("kustomize-controller-shard1", "tenant", ready: 2),
        ])
        #expect(found.map(\.subject) == ["namespace flux-system", "namespace tenant"])
        #expect(found.allSatisfy { $0.severity == .warning })
        let stop = "`kubectl -n flux-system scale deployment kustomize-controller source-controller --replicas=0`"
        #expect(found.first?.remedy?.contains(stop) == true)
        #expect(found.first?.cause?.hasPrefix("kustomize-controller and source-controller are running") == true)
        #expect(found.last?.cause?.hasPrefix("kustomize-controller-shard1 is running") == true)
    }

    @Test func `those that do not run, and others' work, are nobody's matter`() {
        let quiet = [
            deployment("kustomize-controller", ready: nil), deployment("source-controller", ready: 0),
            deployment("notification-controller", ready: 1), deployment("resource-controller", ready: 1),
        ]
        #expect(FluxControllers.findings(quiet).isEmpty)
    }
}
