package import KubernetesModel
import YAML

/// The kind Machine: what the agent knows and does of one machine of the inventory, for `kubectl get machines` and everything that reads
/// Kubernetes objects. It is a view; the inventory in git is what is wanted.
package enum MachineKind {
    package static let kind = GroupVersionKind(group: "homelab.dev", version: "v1alpha1", kind: "Machine")

    package static var definition: Manifest {
        Manifest([
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": ["name": "machines.homelab.dev", "labels": ["app.kubernetes.io/managed-by": "homelab"]],
            "spec": [
                "group": .string(kind.group), "scope": "Cluster",
                "names": [
                    "kind": "Machine", "listKind": "MachineList", "plural": "machines", "singular": "machine", "shortNames": ["mach"],
                ],
                "versions": [
                    [
                        "name": .string(kind.version), "served": true, "storage": true, "subresources": ["status": [:]],
                        "additionalPrinterColumns": columns, "schema": ["openAPIV3Schema": schema],
                    ]
                ],
            ],
        ])
    }

    private static var columns: Value {
        func column(_ name: String, _ path: String, _ type: String = "string") -> Value {
            ["name": .string(name), "type": .string(type), "jsonPath": .string(path)]
        }
        return [
            column("Role", ".spec.role"), column("Version", ".status.version"), column("Address", ".spec.address"),
            column("Phase", ".status.phase"), column("Reason", ".status.message"), column("Age", ".metadata.creationTimestamp", "date"),
        ]
    }

    private static var schema: Value {
        let text: Value = ["type": "string"]
        let time: Value = ["type": "string", "format": "date-time"]
        let condition: Value = [
            "type": "object", "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": [
                "type": text, "status": ["type": "string", "enum": ["True", "False", "Unknown"]], "reason": text, "message": text,
                "observedGeneration": ["type": "integer", "format": "int64"], "lastTransitionTime": time,
            ],
        ]
        let change: Value = [
            "type": "object",
            "properties": ["time": time, "step": text, "result": text, "commit": text, "plan": text, "message": text],
        ]
        return [
            "type": "object", "description": "One machine of the homelab inventory, as the agent on the servers sees it.",
            "properties": [
                "spec": ["type": "object", "properties": ["role": text, "address": text]],
                "status": [
                    "type": "object",
                    "properties": [
                        "phase": text, "message": text, "version": text, "revision": text, "planHash": text, "lastChange": change,
                        "conditions": ["type": "array", "items": condition],
                    ],
                ],
            ],
        ]
    }
}
