import CEL
import KubernetesModel
import YAML

/// What a `readyExpr` says of a dependency.
enum ReadyVerdict: Equatable {
    case ready
    /// In Flux' words.
    case notReady(String)

    /// - Parameter own: The object of the unit that depends, `self` in the expression.
    /// - Parameter other: The dependency's, `dep`.
    init(_ expression: CELExpression, of dependency: Ownership, own: Value, other: Value) {
        do throws(ExpressionError) {
            let holds = try expression.holds(for: Object([.init(key: "self", value: own), .init(key: "dep", value: other)]))
            self = holds ? .ready : .notReady("dependency '\(dependency)' is not ready according to readyExpr eval")
        } catch {
            self = .notReady("dependency '\(dependency)': readyExpr has no answer: \(error), in: \(expression)")
        }
    }
}

extension UnitReconciler {
    /// Objects that are not the unit's own and concern it all the same.
    struct Interests: Hashable {
        /// In the cluster of the Kustomization.
        var materials: Set<ObjectKey>
        /// In the cluster of the unit's objects.
        var checks: Set<ObjectKey>

        var all: Set<ObjectKey> { materials.union(checks) }
    }

    /// Asks the server for each dependency that an expression judges: what it judges may be newer than what the dependency has told.
    func readyVerdicts() async throws -> [Ownership: ReadyVerdict] {
        guard !spec.readyExpressions.isEmpty, let own = await object?.value else { return [:] }
        var verdicts: [Ownership: ReadyVerdict] = [:]
        for (dependency, expression) in spec.readyExpressions {
            let other = try await context.api.get(FluxKinds.kustomization, namespace: dependency.namespace, name: dependency.name)
            verdicts[dependency] =
                other.map { ReadyVerdict(expression, of: dependency, own: own, other: $0.value) }
                ?? .notReady("dependency '\(dependency)' not found")
        }
        return verdicts
    }

    /// Tells the watches what else than its own objects concerns the unit, and by which rules of its own it judges.
    func instructWatches() async throws {
        let interests = Interests(materials: Set(BuildMaterials.origins(of: spec)), checks: Set(spec.healthChecks))
        if heededInterests != interests {
            let isElsewhere = target.identity != context.home.identity
            await context.live.setInterests(isElsewhere ? interests.materials : interests.all, of: spec.owner)
            if isElsewhere { await live.setInterests(interests.checks, of: spec.owner) }
            heededInterests = interests
        }
        guard heededExpressions != spec.healthExpressions else { return }
        let expressions = spec.healthExpressions
        try await live.setHealthExpressions(expressions, of: spec.owner)
        heededExpressions = expressions
    }
}
