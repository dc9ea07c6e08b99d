import Diagnostics
import KubernetesModel
import Testing
import YAML

struct PreparedManifestTests {
    @Test func `what an apply left as null is taken away where it is not wanted`() {
        let manifest = Manifest(["kind": "K", "metadata": ["name": "x"], "spec": ["a": ["kept": 1], "b": 1]])
        func error(_ fields: String..., message: String = "Invalid value: \"null\": must be of type object") -> ClusterError {
            ClusterError(
                .invalid, subject: "x", message: "x is invalid",
                causes: fields.map { .init(field: $0, reason: "FieldValueInvalid", message: message) })
        }
        #expect(manifest.withdrawal(after: error("spec.a.gone", "spec.c.d.e")) == ["spec": ["a": ["gone": .null], "c": .null]])
        #expect(manifest.withdrawal(after: error("spec.b")) == nil, "it is wanted")
        #expect(manifest.withdrawal(after: error("spec.list[0].a")) == nil)
        #expect(manifest.withdrawal(after: error("spec.c", message: "Invalid value: \"x\"")) == nil)
    }

    @Test func `the rules of a role that gathers them are not sent`() {
        let gathering: Value = ["clusterRoleSelectors": [["matchLabels": ["to": "monitoring"]]]]
        var role = Manifest([
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": ["name": "x"], "rules": [],
            "aggregationRule": gathering,
        ])
        #expect(role.preparedForApply.value["rules"] == nil && role.preparedForApply.value["aggregationRule"] == gathering)
        role.value["aggregationRule"] = nil
        #expect(role.preparedForApply.value["rules"] == [])
    }

    @Test(arguments: [
        ("", false), ("Cg==", false), ("bm9uZQ==", false), ("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==", true),
        ("Ci0tLS0tQkVHSU4gQ0VSVElGSUNBVEUtLS0tLQo=", true), ("IyMtLS0tLUJFR0lOIENFUlRJRklDQVRFLS0tLS0K", true),
    ])
    func `a bundle that is none is left to whoever injects it`(_ bundle: String, _ stays: Bool) {
        let client: Value = ["caBundle": .string(bundle), "service": ["name": "s"]]
        let definition = Manifest([
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": ["name": "x"],
            "spec": ["conversion": ["webhook": ["clientConfig": client]]],
        ]).preparedForApply.value
        let webhooks = Manifest([
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": ["name": "x"],
            "webhooks": [["name": "w", "clientConfig": client]],
        ]).preparedForApply.value
        for config in [
            definition[path: "spec", "conversion", "webhook", "clientConfig"], webhooks["webhooks"]?.array?.first?["clientConfig"],
        ] {
            #expect(config?["caBundle"] == (stays ? Value.string(bundle) : Value?.none))
            #expect(config?[path: "service", "name"] == "s")
        }
    }

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
        let number = Manifest(["apiVersion": "v1", "kind": "Secret", "stringData": ["a": "one", "b": 1, "c": nil]])
        #expect(number.preparedForApply.value == ["apiVersion": "v1", "kind": "Secret", "data": ["a": "b25l"], "stringData": ["b": 1]])
        #expect(number.stringDataProblems.map(\.summary) == ["stringData.b is a number, and only texts can be there"])
        let widget = Manifest([
            "apiVersion": "example.org/v1", "kind": "Widget", "spec": ["limits": ["cpu": 1], "ports": [["containerPort": 1]]],
        ])
        #expect(widget.preparedForApply == widget)
    }
}
