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
    /// Why the machine is not as the inventory says, in one word: the reason of the condition AsInventory.
    package var standing: String

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
        standing = Self.standing(node, of: report)
        let isSettled = standing == Self.settled
        let text = node.message.isEmpty ? reason : node.message
        conditions.set(
            [
                FluxCondition(
                    "Ready", node.isHealthy ? "True" : "False", reason, node.isHealthy && !isPlanned ? "the node is up" : text),
                FluxCondition(
                    "AsInventory", isSettled ? "True" : "False", standing, isSettled ? "nothing is to do" : text),
            ], now: now)
    }

    static let settled = "NothingToDo"
    static let changing = "Changing"

    private static func standing(_ node: NodesReport.Node, of report: NodesReport) -> String {
        let changes = report.changes.filter { $0.node == node.name }
        if changes.contains(where: { $0.state == .running }) { return changing }
        guard let change = changes.first(where: { !$0.reason.isEmpty }) ?? changes.first else {
            if node.phase == "Ready" { return node.message.isEmpty && node.isHealthy ? settled : "HeldBack" }
            return node.phase.isEmpty ? "Unknown" : node.phase
        }
        return switch change.state {
        case .running: changing
        case .waiting: "ChangePending"
        case .approval: "ApprovalNeeded"
        case .frozen: "ChangeFrozen"
        case .refused: "ChangeRefused"
        }
    }

    /// The object without its status, as it is applied. No text in it is empty, as in `patch`.
    package var manifest: Manifest {
        var spec = Object()
        for (field, text) in [("role", role), ("address", address)] where !text.isEmpty { spec[field] = .string(text) }
        return Manifest([
            "apiVersion": .string(MachineKind.kind.apiVersion), "kind": .string(MachineKind.kind.kind),
            "metadata": ["name": .string(name), "labels": ["app.kubernetes.io/managed-by": "homelab"]],
            "spec": .object(spec),
        ])
    }

    /// A merge patch of the status: what is no longer true is taken out. No text is ever empty, which some API servers take for null.
    package var patch: Value {
        func text(_ content: String) -> Value { content.isEmpty ? .null : .string(content) }
        var change: Value = .null
        if let lastChange {
            change = [
                "time": text(lastChange.time.description), "step": text(lastChange.step), "result": text(lastChange.result.rawValue),
                "commit": text(lastChange.commit), "plan": text(lastChange.plan), "message": text(lastChange.message),
            ]
        }
        return [
            "status": [
                "phase": text(phase), "message": text(message), "version": text(version), "revision": text(revision),
                "planHash": text(planHash), "lastChange": change, "conditions": conditions.value,
            ]
        ]
    }
}
