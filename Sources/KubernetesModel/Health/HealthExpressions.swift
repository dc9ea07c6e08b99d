package import CEL
import YAML

/// A unit's own rules of health for a kind, in the Common Expression Language, with the object's top-level fields as variables.
///
/// Source of the rules: Flux' RFC 0009 and fluxcd/pkg `runtime/cel`, StatusEvaluator.
package struct HealthExpressions: Hashable, Sendable {
    package var current: CELExpression
    package var inProgress: CELExpression?
    package var failed: CELExpression?

    package init(current: CELExpression, inProgress: CELExpression? = nil, failed: CELExpression? = nil) {
        self.current = current
        self.inProgress = inProgress
        self.failed = failed
    }

    /// In progress until the controller has seen the newest generation; then the first that holds of `inProgress`, `failed` and
    /// `current`, and in progress when none does. An expression without an answer leaves the health unknown.
    package func health(of manifest: Manifest) -> Health {
        if manifest.isBeingDeleted { return KubernetesModel.health(of: manifest) }
        if let observed = manifest.value[path: "status", "observedGeneration"]?.int, let generation = manifest.generation,
            observed != generation
        {
            return .inProgress("its controller has seen generation \(observed) of \(generation)")
        }
        let variables = manifest.value.object ?? Object()
        for (name, expression, status) in rules {
            do throws(ExpressionError) {
                guard try expression.holds(for: variables) else { continue }
                return Health(status, "\(name): \(expression)")
            } catch {
                return Health(
                    .unknown, "healthCheckExprs \(name) has no answer: \(error.message), at \(error.line):\(error.column) of \(expression)")
            }
        }
        return .inProgress("none of its healthCheckExprs holds yet; current: \(current)")
    }

    /// In the order of RFC 0009.
    private var rules: [(String, CELExpression, HealthStatus)] {
        let all: [(String, CELExpression?, HealthStatus)] = [
            ("inProgress", inProgress, .inProgress), ("failed", failed, .failed), ("current", current, .current),
        ]
        return all.compactMap { rule in rule.1.map { (rule.0, $0, rule.2) } }
    }
}
