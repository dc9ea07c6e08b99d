package import KubernetesModel
package import YAML

/// What the agent says of one machine: the content of its Machine object.
package struct MachineStatus: Hashable, Sendable {
    package var name: String
    package var role: String
    package var address: String
    package var phase: String
    package var message: String
    package var version: String
    package var revision: String
    package var planHash: String
    package var lastChange: JournalEntry?
    package var conditions: FluxConditions

    /// - Parameter before: the object as it was, whose conditions keep their times.
    package init(
        _ node: NodesReport.Node, of report: NodesReport, lastChange: JournalEntry?, before: Manifest?, now: Timestamp
    ) {
        name = node.name
        role = node.role
        address = node.address
        phase = node.phase
        message = node.message
        version = node.version
        revision = report.revision
        planHash = report.planHash(of: node.name)
        self.lastChange = lastChange
        conditions = FluxConditions(before?.value[path: "status", "conditions"])
        let reason = node.phase.isEmpty ? "Unknown" : node.phase
        let isPlanned = !planHash.isEmpty
        conditions.set(
            [
                FluxCondition("Ready", node.isHealthy ? "True" : "False", reason, node.isHealthy && !isPlanned ? "" : node.message),
                FluxCondition(
                    "AsInventory", isPlanned || !node.message.isEmpty || !node.isHealthy ? "False" : "True",
                    isPlanned ? "ChangePending" : node.message.isEmpty && node.isHealthy ? "NothingToDo" : reason, node.message),
            ], now: now)
    }

    /// The object without its status, as it is applied.
    package var manifest: Manifest {
        Manifest([
            "apiVersion": .string(MachineKind.kind.apiVersion), "kind": .string(MachineKind.kind.kind),
            "metadata": ["name": .string(name), "labels": ["app.kubernetes.io/managed-by": "homelab"]],
            "spec": ["role": .string(role), "address": .string(address)],
        ])
    }

    /// A merge patch of the status: what is no longer true is taken out.
    package var patch: Value {
        var change: Value = .null
        if let lastChange {
            change = [
                "time": .string(lastChange.time.description), "step": .string(lastChange.step),
                "result": .string(lastChange.result.rawValue), "commit": .string(lastChange.commit), "plan": .string(lastChange.plan),
                "message": .string(lastChange.message),
            ]
        }
        return [
            "status": [
                "phase": .string(phase), "message": .string(message), "version": .string(version), "revision": .string(revision),
                "planHash": planHash.isEmpty ? .null : .string(planHash), "lastChange": change, "conditions": conditions.value,
            ]
        ]
    }
}
