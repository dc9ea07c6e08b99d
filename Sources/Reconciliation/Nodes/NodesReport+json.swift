import Diagnostics
package import KubernetesModel
import NodePlanning
package import YAML

extension NodesReport {
    package static let configMapName = "homelab-nodes"

    package var manifest: Manifest {
        Manifest([
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": [
                "namespace": .string(HomelabNamespace.name), "name": .string(Self.configMapName),
                "labels": .object(Object([.init(key: StatusReport.label, value: "nodes")])),
            ],
            "data": ["status.json": .string(JSONWriter.text(json))],
        ])
    }

    package init?(of manifest: Manifest) {
        guard let text = manifest.value[path: "data", "status.json"]?.string, let value = try? JSONReader.value(text) else { return nil }
        self.init(json: value)
    }

    package var json: Value {
        [
            "revision": .string(revision),
            "nodes": .array(
                nodes.map {
                    [
                        "name": .string($0.name), "role": .string($0.role), "phase": .string($0.phase), "healthy": .bool($0.isHealthy),
                        "version": .string($0.version), "message": .string($0.message),
                    ]
                }),
            "errors": .array(errors.map(\.json)),
            "plan": .string(planHash),
            "changes": .array(changes.map(\.json)),
            "memory": memory.json,
        ]
    }

    package init?(json: Value) {
        guard let revision = json["revision"]?.string else { return nil }
        let nodes = (json["nodes"]?.array ?? []).compactMap { node -> Node? in
            guard let name = node["name"]?.string, let phase = node["phase"]?.string else { return nil }
            return Node(
                name: name, role: node["role"]?.string ?? "", phase: phase, isHealthy: node["healthy"]?.bool ?? false,
                version: node["version"]?.string ?? "", message: node["message"]?.string ?? "")
        }
        self.init(revision: revision, nodes: nodes, errors: (json["errors"]?.array ?? []).compactMap { Diagnostic(json: $0) })
        planHash = json["plan"]?.string ?? ""
        changes = (json["changes"]?.array ?? []).compactMap { Change(json: $0) }
        memory = json["memory"].map { ChangeMemory(json: $0) } ?? ChangeMemory()
    }
}

extension NodesReport.Change {
    package var json: Value {
        [
            "node": .string(node), "kind": .string(kind), "summary": .string(summary), "state": .string(state.rawValue),
            "reason": .string(reason), "remedy": .string(remedy),
        ]
    }

    init?(json: Value) {
        guard let node = json["node"]?.string, let state = json["state"]?.string.flatMap(State.init) else { return nil }
        self.init(
            node: node, kind: json["kind"]?.string ?? "", summary: json["summary"]?.string ?? "", state: state,
            reason: json["reason"]?.string ?? "", remedy: json["remedy"]?.string ?? "")
    }
}
