import KubernetesModel
import Testing
import YAML

struct PreparedManifestTests {
    @Test func `numbers become quantities, ports get their protocol, the server's fields go`() throws {
        let prepared = Manifest([
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": ["name": "x", "creationTimestamp": nil, "uid": "u", "labels": ["a": "b"]],
            "spec": [
                "replicas": 1,
                "template": [
                    "spec": [
                        "containers": [
                            [
                                "name": "c", "resources": ["limits": ["cpu": 1, "memory": "1Gi"], "requests": ["cpu": 0.25]],
                                "ports": [["containerPort": 80], ["containerPort": 53, "protocol": "UDP"]],
                            ]
                        ]
                    ]
                ],
            ],
            "status": ["replicas": 1],
        ]).preparedForApply.value
        #expect(
            prepared == [
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "x", "labels": ["a": "b"]],
                "spec": [
                    "replicas": 1,
                    "template": [
                        "spec": [
                            "containers": [
                                [
                                    "name": "c", "resources": ["limits": ["cpu": "1", "memory": "1Gi"], "requests": ["cpu": "250m"]],
                                    "ports": [["containerPort": 80, "protocol": "TCP"], ["containerPort": 53, "protocol": "UDP"]],
                                ]
                            ]
                        ]
                    ],
                ],
            ])
    }

    @Test func `a secret's texts are encoded, a custom resource is left alone`() {
        let secret = Manifest(["apiVersion": "v1", "kind": "Secret", "data": ["b": "eA=="], "stringData": ["a": "one"]])
        #expect(secret.preparedForApply.value == ["apiVersion": "v1", "kind": "Secret", "data": ["b": "eA==", "a": "b25l"]])
        let widget = Manifest([
            "apiVersion": "example.org/v1", "kind": "Widget", "spec": ["limits": ["cpu": 1], "ports": [["containerPort": 1]]],
        ])
        #expect(widget.preparedForApply == widget)
    }
}
