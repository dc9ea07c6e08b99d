import Diagnostics
import KubernetesModel
import Reconciliation
import SyncPlanning
import YAML

/// The result of `homelab diff`. Values of Secrets are masked in the plan already.
extension SyncPlan: CommandResult {
    var value: Value {
        [
            "unit": .string(unit.description), "hasChanges": .bool(hasChanges), "summary": .string(summary),
            "applies": .array(applies.map(Self.value)),
            "prunes": .array(prunes.flatMap { $0 }.map { Self.value($0.key) }),
            "unchanged": .array(unchanged.map(Self.value)),
            "waiting": .array(waiting.map(Self.value)), "contested": .array(contested.map(Self.value)),
            "kept": .array(kept.map(Self.value)), "skipped": .array(skipped.map(Self.value)),
            "refusals": .array(refusals.map(\.json)),
        ]
    }

    func text(_ console: Console, isWide: Bool) -> String { isWide ? text + unchanged.map { "= \($0)\n" }.joined() : text }

    private static func value(_ key: ObjectKey) -> Value {
        ["group": .string(key.group), "kind": .string(key.kind), "namespace": .string(key.namespace), "name": .string(key.name)]
    }

    private static func value(_ exception: PlannedException) -> Value {
        var value = value(exception.key)
        value["reason"] = .string(exception.reason)
        value["origin"] = exception.origin.map { .string($0.description) }
        return value
    }

    private static func value(_ apply: PlannedApply) -> Value {
        var value = value(apply.key)
        value["origin"] = apply.object.origin.map { .string($0.description) }
        switch apply.reason {
        case .absent: value["action"] = "create"
        case .newContent(let differences), .drift(let differences):
            value["action"] = apply.isDrift ? "repair" : "configure"
            value["differences"] = .array(
                differences.map { ["path": .string($0.pointer), "live": $0.live ?? .null, "desired": $0.desired] })
        }
        return value
    }
}
