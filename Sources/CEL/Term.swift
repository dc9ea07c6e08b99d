import RegularExpressions

/// A part of an expression that has a value.
struct Term: Sendable {
    indirect enum Kind: Sendable {
        case literal(CELValue)
        case variable(String)
        /// `a.b`, `a.?b`
        case member(Term, String, isOptional: Bool)
        /// `a[b]`, `a[?b]`
        case index(Term, Term, isOptional: Bool)
        /// `has(a.b)`
        case presence(Term, String)
        case call(Call)
        /// `matches` with a pattern that is known from the start.
        case pattern(Term, RegularExpression)
        case list([Element])
        case map([Entry])
        case not(Term)
        case negative(Term)
        case operation(Operator, Term, Term)
        case all([Term])
        case any([Term])
        case conditional(Term, Term, Term)
        case comprehension(Comprehension)
    }

    enum Operator: String, Sendable {
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case remainder = "%"
        case equal = "=="
        case unequal = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
        case contained = "in"
    }

    /// A call of a function, the object of a method being its first argument.
    struct Call: Sendable {
        let name: String
        let arguments: [Term]
        let function: Function
    }

    /// An element of a list; an optional one is left out when it is nothing.
    struct Element: Sendable {
        let term: Term
        let isOptional: Bool
    }

    struct Entry: Sendable {
        let key: Term
        let value: Term
        let isOptional: Bool
    }

    /// What a macro makes of the elements of a list or the keys of a map.
    struct Comprehension: Sendable {
        enum Form: String, Sendable {
            case all, exists, map, filter, optMap, optFlatMap
            case existsOne = "exists_one"
        }

        let form: Form
        let range: Term
        let variable: String
        /// Which elements; nil for all.
        let condition: Term?
        /// What is made of each; nil where it is the element itself.
        let result: Term?
    }

    let kind: Kind
    /// In characters from the start of the expression.
    let position: Int
    /// The terms below it, one inside another.
    let depth: Int

    /// Deeper ones could exhaust the stack.
    static let maximumDepth = 200

    init(_ kind: Kind, at position: Int) throws(Fault) {
        self.kind = kind
        self.position = position
        depth = 1 + (kind.parts.map(\.depth).max() ?? 0)
        guard depth <= Self.maximumDepth else { throw Fault("the expression is nested more than \(Self.maximumDepth) deep", at: position) }
    }
}

extension Term.Kind {
    /// The terms it is made of.
    var parts: [Term] {
        switch self {
        case .literal, .variable: []
        case .member(let term, _, _), .presence(let term, _), .pattern(let term, _), .not(let term), .negative(let term): [term]
        case .index(let term, let index, _): [term, index]
        case .call(let call): call.arguments
        case .list(let elements): elements.map(\.term)
        case .map(let entries): entries.flatMap { [$0.key, $0.value] }
        case .operation(_, let left, let right): [left, right]
        case .all(let terms), .any(let terms): terms
        case .conditional(let condition, let yes, let no): [condition, yes, no]
        case .comprehension(let macro): [macro.range] + [macro.condition, macro.result].compactMap { $0 }
        }
    }
}

extension Term {
    /// The variables it needs, with the place of the first use of each.
    func freeVariables(bound: Set<String> = []) -> [String: Int] {
        if case .variable(let name) = kind { return bound.contains(name) ? [:] : [name: position] }
        guard case .comprehension(let macro) = kind else {
            return kind.parts.reduce(into: [:]) { $0.merge($1.freeVariables(bound: bound), uniquingKeysWith: min) }
        }
        let inner = [macro.condition, macro.result].compactMap { $0 }
        return inner.reduce(into: macro.range.freeVariables(bound: bound)) {
            $0.merge($1.freeVariables(bound: bound.union([macro.variable])), uniquingKeysWith: min)
        }
    }

    /// Whether its value is a boolean; nil where that depends on the data.
    var isBoolean: Bool? {
        switch kind {
        case .literal(let value): value.type == .bool
        case .variable, .member, .index: nil
        case .presence, .pattern, .not, .all, .any: true
        case .list, .map, .negative: false
        case .call(let call): call.function.result.map { $0 == .bool }
        case .operation(let name, _, _):
            switch name {
            case .add, .subtract, .multiply, .divide, .remainder: false
            default: true
            }
        case .conditional(_, let yes, let no): yes.isBoolean == no.isBoolean ? yes.isBoolean : nil
        case .comprehension(let macro): macro.form == .all || macro.form == .exists || macro.form == .existsOne
        }
    }
}
