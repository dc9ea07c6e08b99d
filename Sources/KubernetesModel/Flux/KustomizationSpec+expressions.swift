import CEL
import YAML

extension KustomizationSpec {
    mutating func readHealthExpressions(_ spec: Value) {
        for (index, item) in (spec["healthCheckExprs"]?.array ?? []).enumerated() {
            let field = "spec.healthCheckExprs[\(index)]"
            let kind = GroupVersionKind(apiVersion: item["apiVersion"]?.string ?? "", kind: item["kind"]?.string ?? "").groupKind
            let inProgress = expression(item["inProgress"], field + ".inProgress")
            let failed = expression(item["failed"], field + ".failed")
            guard item["current"]?.string?.isEmpty == false else {
                let what = kind.kind.isEmpty ? "an object of \(kind.group)" : "a \(kind.kind)"
                invalidExpressions.append("\(field).current is missing: it says when \(what) is healthy")
                continue
            }
            guard let current = expression(item["current"], field + ".current") else { continue }
            healthExpressions.add(HealthExpressions(current: current, inProgress: inProgress, failed: failed), for: kind)
        }
    }

    mutating func readReadyExpressions(_ spec: Value, _ namespace: String) {
        for (index, item) in (spec["dependsOn"]?.array ?? []).enumerated() {
            let dependency = Ownership(namespace: item["namespace"]?.string ?? namespace, name: item["name"]?.string ?? "")
            readyExpressions[dependency] =
                expression(item["readyExpr"], "spec.dependsOn[\(index)].readyExpr", variables: ["self", "dep"])
        }
    }

    /// nil for none, and for one that cannot be read, which is noted.
    private mutating func expression(_ value: Value?, _ field: String, variables: Set<String>? = nil) -> CELExpression? {
        guard let text = value?.string, !text.isEmpty else { return nil }
        do throws(ExpressionError) {
            return try CELExpression(text, variables: variables, isCondition: true)
        } catch {
            invalidExpressions.append("\(field):\(error.line):\(error.column): \(error.message), in: \(text)")
            return nil
        }
    }
}
