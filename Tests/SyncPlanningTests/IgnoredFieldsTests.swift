import KubernetesModel
import SyncPlanning
import Testing
import YAML

@Suite struct IgnoredFieldsTests {
    let desired = Manifest([
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "a", "annotations": ["x/y": "git"]],
        "spec": ["replicas": 1, "template": ["containers": [["name": "c", "image": "c:1"]]]],
    ])

    private func live(_ operation: String) -> Manifest {
        Manifest([
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": [
                "name": "a", "annotations": ["x/y": "cluster"],
                "managedFields": [["manager": "scaler", "operation": .string(operation), "fieldsV1": ["f:spec": ["f:replicas": [:]]]]],
            ],
            "spec": ["replicas": 5, "template": ["containers": [["name": "c", "image": "c:2"]]]],
        ])
    }

    @Test func `fields are kept as they are in the cluster`() {
        let pointers: Set = ["/spec/replicas", "/metadata/annotations/x~1y", "/spec/template/containers/0/image", "/spec/paused"]
        let kept = desired.keeping(pointers, from: live("Update"), as: "homelab")
        #expect(kept.value[path: "spec", "replicas"] == 5 && kept.annotation("x/y") == "cluster")
        #expect(kept.value[path: "spec", "template", "containers"] == [["name": "c", "image": "c:2"]])
        #expect(kept.value[path: "spec", "paused"] == nil)
    }

    @Test func `a field that another applies, or that nobody has, is left out`() {
        #expect(desired.keeping(["/spec/replicas"], from: live("Apply"), as: "homelab").value[path: "spec", "replicas"] == nil)
        var bare = live("Update")
        bare.value["spec"]?["replicas"] = nil
        #expect(desired.keeping(["/spec/replicas"], from: bare, as: "homelab").value[path: "spec", "replicas"] == nil)
    }

    @Test func `other fields to leave alone make it another manifest`() {
        let owner = Ownership(namespace: "n", name: "u")
        let (plain, ignoring) = (DesiredObject(desired, owner: owner), DesiredObject(desired, owner: owner, ignored: ["/spec/replicas"]))
        #expect(plain.digest != ignoring.digest)
        #expect(PresentObject(of: live("Update"), desired: plain).differences.contains { $0.pointer == "/spec/replicas" })
        #expect(!PresentObject(of: live("Update"), desired: ignoring).differences.contains { $0.pointer == "/spec/replicas" })
    }

    @Test func `what people add is found, but for what is left alone, marks, and the suspension of a unit`() {
        let fields: Value = [
            "f:spec": ["f:paused": [:], "f:suspend": [:]], "f:status": [:],
            "f:metadata": ["f:labels": ["f:homelab.dev/prune": [:], "f:team": [:]]],
        ]
        let live = Manifest([
            "metadata": ["managedFields": [["manager": "kubectl-patch", "operation": "Update", "fieldsV1": fields]]]
        ])
        func found(_ manifest: Manifest, ignored: Set<String> = []) -> [String] {
            DesiredObject(manifest, owner: Ownership(namespace: "n", name: "u"), ignored: ignored).additions(in: live).map(\.path).sorted()
        }
        #expect(found(desired) == ["metadata.labels.team", "spec.paused", "spec.suspend"])
        #expect(found(desired, ignored: ["/spec/paused"]) == ["metadata.labels.team", "spec.suspend"])
        var unit = desired
        unit.value["apiVersion"] = "kustomize.toolkit.fluxcd.io/v1"
        unit.value["kind"] = "Kustomization"
        #expect(found(unit) == ["metadata.labels.team", "spec.paused"])
        var merged = desired
        merged.value["metadata"]?["annotations"] = ["homelab.dev/ssa": "Merge"]
        #expect(found(merged).isEmpty)
    }

    @Test func `how many replicas run is others' to set where the manifest does not say it`() {
        let live = Manifest([
            "metadata": [
                "managedFields": [
                    ["manager": "kubectl-edit", "operation": "Update", "fieldsV1": ["f:spec": ["f:replicas": [:], "f:paused": [:]]]]
                ]
            ]
        ])
        for (version, kind, isSpared) in [
            ("apps/v1", "Deployment", true), ("apps/v1", "StatefulSet", true), ("apps/v1", "ReplicaSet", true),
            ("example.org/v1", "Deployment", false),
        ] {
            var manifest = desired
            manifest.value["apiVersion"] = .string(version)
            manifest.value["kind"] = .string(kind)
            manifest.value["spec"]?["replicas"] = nil
            let object = DesiredObject(manifest, owner: Ownership(namespace: "n", name: "u"))
            #expect(object.additions(in: live).map(\.path).contains("spec.replicas") == !isSpared, "\(version) \(kind)")
            #expect(object.spared.contains("/spec/replicas") == isSpared, "\(version) \(kind)")
        }
        #expect(!DesiredObject(desired, owner: Ownership(namespace: "n", name: "u")).spared.contains("/spec/replicas"))
    }
}
