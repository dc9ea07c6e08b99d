/// A unit's own rules of health: for kinds, and for all kinds of an API group, which is what `healthCheckExprs` without a kind mean.
package struct HealthRules: Hashable, Sendable {
    /// Without a kind for a whole group.
    private var rules: [GroupKind: HealthExpressions] = [:]

    package init() {}

    package var isEmpty: Bool { rules.isEmpty }
    package var count: Int { rules.count }

    /// The kind's own rule, or else the one of its group.
    package subscript(kind: GroupKind) -> HealthExpressions? { rules[kind] ?? rules[GroupKind(group: kind.group, kind: "")] }

    /// Of several rules for the same the first counts, as in fluxcd/pkg `runtime/cel`, PollerWithCustomHealthChecks.
    mutating func add(_ expressions: HealthExpressions, for kind: GroupKind) {
        if rules[kind] == nil { rules[kind] = expressions }
    }
}
