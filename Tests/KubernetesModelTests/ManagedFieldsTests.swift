import KubernetesModel
import Testing
import YAML

struct ManagedFieldsTests {
    private func object(_ entries: Value...) -> Manifest {
        Manifest(["kind": "ConfigMap", "metadata": ["name": "a", "managedFields": .array(entries)]])
    }

    private let own: Value = ["manager": "homelab", "operation": "Apply", "fieldsV1": ["f:data": ["f:a": [:]]]]

    @Test func `a field is one's own where nobody else holds anything of it`() {
        func entry(_ manager: String, _ operation: String, _ field: String) -> Value {
            [
                "manager": .string(manager), "operation": .string(operation),
                "fieldsV1": .object(Object([.init(key: "f:" + field, value: [:])])),
            ]
        }
        let own = entry("agent", "Apply", "spec")
        let server = entry("kube-apiserver", "Update", "status")
        func isOwn(_ live: Manifest) -> Bool { ManagedFields.isHeld("spec", in: live, onlyBy: "agent") }
        #expect(isOwn(object(own, server)))
        #expect(!isOwn(object(own, entry("flux", "Apply", "spec"))) && !isOwn(object(own, entry("kubectl-edit", "Update", "spec"))))
        #expect(!isOwn(object(entry("agent", "Update", "spec"))) && !isOwn(object(server)) && !isOwn(object()))
    }

    @Test func `what kubectl and Flux hold passes over`() {
        let edit: Value = ["manager": "kubectl-edit", "operation": "Update", "fieldsV1": ["f:data": ["f:b": [:]]]]
        let flux: Value = ["manager": "kustomize-controller", "operation": "Apply", "fieldsV1": ["f:metadata": ["f:labels": [:]]]]
        let other: Value = ["manager": "scaler", "operation": "Update", "fieldsV1": ["f:spec": [:]]]
        let list = ManagedFields.takenOver(of: object(edit, own, other, flux), by: "homelab")?.array
        #expect(list?.count == 2 && list?.last == other)
        #expect(list?.first?["fieldsV1"] == ["f:data": ["f:a": [:], "f:b": [:]], "f:metadata": ["f:labels": [:]]])
    }

    @Test func `fields that are others' to set stay theirs`() {
        let edit: Value = [
            "manager": "kubectl-patch", "operation": "Update", "fieldsV1": ["f:spec": ["f:suspend": [:], "f:path": [:]]],
        ]
        let list = ManagedFields.takenOver(of: object(own, edit), by: "homelab", sparing: ["/spec/suspend"])?.array
        #expect(list?.first?["fieldsV1"] == ["f:data": ["f:a": [:]], "f:spec": ["f:path": [:]]])
        #expect(list?.last?["fieldsV1"] == ["f:spec": ["f:suspend": [:]]] && list?.count == 2)
        let all: Set<String> = ["/spec/suspend", "/spec/path"]
        #expect(ManagedFields.takenOver(of: object(own, edit), by: "homelab", sparing: all) == nil)
    }

    @Test func `a person's word to a controller stays`() {
        let annotate: Value = ["manager": "kubectl-annotate", "operation": "Update", "fieldsV1": [:]]
        let scale: Value = ["manager": "kubectl", "operation": "Update", "subresource": "scale", "fieldsV1": [:]]
        #expect(ManagedFields.takenOver(of: object(own, annotate, scale), by: "homelab") == nil)
    }

    @Test func `whoever applies a field holds it`() {
        let scaler: Value = ["manager": "scaler", "operation": "Apply", "fieldsV1": ["f:spec": ["f:replicas": [:]]]]
        #expect(ManagedFields.isApplied(["spec", "replicas"], in: object(own, scaler), notBy: "homelab"))
        #expect(!ManagedFields.isApplied(["spec", "paused"], in: object(own, scaler), notBy: "homelab"))
        #expect(!ManagedFields.isApplied(["data", "a"], in: object(own, scaler), notBy: "homelab"))
    }
}
