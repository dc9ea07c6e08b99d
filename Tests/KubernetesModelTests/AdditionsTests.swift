import KubernetesModel
import Testing
import YAML

struct AdditionsTests {
    private func deployment(_ fields: Value, by manager: String = "kubectl-edit") -> Manifest {
        var result = manifest
        result.value["metadata"]?["managedFields"] = [
            ["manager": "homelab", "operation": "Apply", "fieldsV1": ["f:spec": ["f:paused": [:]]]],
            ["manager": .string(manager), "operation": "Update", "fieldsV1": fields],
        ]
        return result
    }

    private let manifest = Manifest([
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "web", "finalizers": ["example.org/kept"]],
        "spec": [
            "paused": false, "replicas": nil,
            "template": ["spec": ["containers": [["name": "web", "image": "web:1", "ports": [["containerPort": 80]]]]]],
        ],
    ])

    private func found(_ fields: Value, sparing: Set<String> = []) -> [String] {
        additions(to: manifest, in: deployment(fields), sparing: sparing).map(\.description)
    }

    @Test func `what a person sets besides the manifest is found, in lists and maps`() {
        let fields: Value = [
            "f:metadata": ["f:finalizers": [".": [:], "v:\"example.org/kept\"": [:], "v:\"example.org/new\"": [:]]],
            "f:spec": [
                "f:paused": [:], "f:replicas": [:],
                "f:template": [
                    "f:spec": [
                        "f:hostNetwork": [:],
                        "f:containers": [
                            "k:{\"name\":\"web\"}": [
                                "f:image": [:], "f:env": [".": [:], "k:{\"name\":\"DEBUG\"}": [".": [:], "f:name": [:], "f:value": [:]]],
                                "f:ports": ["k:{\"containerPort\":80,\"protocol\":\"TCP\"}": ["f:containerPort": [:]]],
                            ],
                            "k:{\"name\":\"side\"}": [".": [:], "f:name": [:], "f:image": [:]],
                        ],
                    ]
                ],
            ],
        ]
        #expect(
            Set(found(fields)) == [
                "metadata.finalizers[example.org/new]: set by kubectl-edit", "spec.replicas: set by kubectl-edit",
                "spec.template.spec.hostNetwork: set by kubectl-edit",
                "spec.template.spec.containers[name=web].env: set by kubectl-edit",
                "spec.template.spec.containers[name=side]: set by kubectl-edit",
            ])
    }

    @Test func `what others may set is none of it`() {
        #expect(found(["f:spec": ["f:replicas": [:]]], sparing: ["/spec/replicas"]) == [])
        let items: Value = ["k:{\"name\":\"web\"}": ["f:env": [:]], "k:{\"name\":\"side\"}": [".": [:], "f:name": [:]]]
        let containers: Value = ["f:spec": ["f:template": ["f:spec": ["f:containers": items]]]]
        let place = "/spec/template/spec/containers"
        #expect(found(containers, sparing: ["\(place)/0/env", "\(place)/1"]) == [])
        #expect(found(containers, sparing: ["\(place)/0"]) == ["spec.template.spec.containers[name=side]: set by kubectl-edit"])
        #expect(found(["f:status": ["f:replicas": [:]]], sparing: ["/status"]) == [])
        let fields: Value = ["f:spec": ["f:replicas": [:]]]
        #expect(additions(to: manifest, in: deployment(fields, by: "scaler")).isEmpty)
        #expect(additions(to: manifest, in: deployment(fields, by: "kubectl-rollout")).isEmpty)
        #expect(additions(to: manifest, in: manifest).isEmpty)
    }
}
