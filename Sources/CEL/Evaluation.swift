import RegularExpressions

/// Finds the value of an expression. Errors follow the language definition, section "Evaluation": they end everything but `&&`, `||`
/// and the macros made of these, whose other part may decide alone.
struct Evaluation {
    private let variables: (String) -> CELValue?
    /// Those asked for already.
    private var known: [String: CELValue] = [:]
    /// Variables of macros, the innermost last.
    private var scope: [(name: String, value: CELValue)] = []
    var budget: Budget

    init(_ budget: Budget, variables: @escaping (String) -> CELValue?) {
        self.budget = budget
        self.variables = variables
    }

    mutating func value(_ term: Term) throws(Fault) -> CELValue {
        do throws(Fault) {
            try budget.spend(1)
            return try compute(term)
        } catch {
            throw error.located(term.position)
        }
    }

    private mutating func compute(_ term: Term) throws(Fault) -> CELValue {
        switch term.kind {
        case .literal(let value): return value
        case .variable(let name): return try variable(name)
        case .member(let term, let field, let isOptional):
            return try select(.string(field), of: value(term), isOptional: isOptional, isField: true)
        case .index(let term, let index, let isOptional):
            let target = try value(term)
            return try select(value(index), of: target, isOptional: isOptional, isField: false)
        case .presence(let term, let field): return .bool(try has(field, in: value(term)))
        case .call(let call): return try self.call(call)
        case .pattern(let term, let expression): return try matches(value(term), expression)
        case .list(let elements): return try list(elements)
        case .map(let entries): return try map(entries)
        case .not(let term): return .bool(try !condition(term))
        case .negative(let term): return try Arithmetic.negative(value(term))
        case .operation(let name, let left, let right):
            let left = try value(left)
            return try operation(name, left, value(right))
        case .all(let terms): return .bool(try combined(terms, decisive: false))
        case .any(let terms): return .bool(try combined(terms, decisive: true))
        case .conditional(let condition, let yes, let no): return try self.condition(condition) ? value(yes) : value(no)
        case .comprehension(let macro): return try comprehension(macro)
        }
    }

    private mutating func variable(_ name: String) throws(Fault) -> CELValue {
        if let bound = scope.last(where: { $0.name == name }) { return bound.value }
        if let value = known[name] { return value }
        if let value = variables(name) {
            known[name] = value
            return value
        }
        guard let type = CELType(rawValue: name) else { throw Fault("no such attribute: \(name)") }
        return .type(type)
    }

    private mutating func condition(_ term: Term) throws(Fault) -> Bool {
        guard case .bool(let flag) = try value(term) else { throw Fault.noOverload.located(term.position) }
        return flag
    }

    /// `&&` with false and `||` with true as the value that decides whatever the others are, errors included.
    private mutating func combined(_ terms: [Term], decisive: Bool) throws(Fault) -> Bool {
        var fault: Fault?
        for term in terms {
            do throws(Fault) {
                if try condition(term) == decisive { return decisive }
            } catch {
                if error.isFatal { throw error }
                fault = fault ?? error
            }
        }
        if let fault { throw fault }
        return !decisive
    }

    private mutating func call(_ call: Term.Call) throws(Fault) -> CELValue {
        var arguments: [CELValue] = []
        for argument in call.arguments { arguments.append(try value(argument)) }
        guard let result = try call.function.body(arguments, &budget) else {
            throw Fault("no such overload: \(call.name)(\(arguments.map(\.type.rawValue).joined(separator: ", ")))")
        }
        return result
    }

    mutating func matches(_ value: CELValue, _ expression: RegularExpression) throws(Fault) -> CELValue {
        guard case .string(let text) = value else { throw .noOverload }
        try budget.spend(forMatching: text, expression)
        return .bool(expression.matches(text))
    }

    private mutating func operation(_ name: Term.Operator, _ left: CELValue, _ right: CELValue) throws(Fault) -> CELValue {
        switch name {
        case .equal: return .bool(try budget.equal(left, right))
        case .unequal: return .bool(try !budget.equal(left, right))
        case .contained: return .bool(try contains(right, left))
        case .less, .lessOrEqual, .greater, .greaterOrEqual:
            guard let order = try budget.order(left, right) else { throw Self.unfit(name, left, right) }
            switch order {
            case .none: return .bool(false)
            case .before: return .bool(name == .less || name == .lessOrEqual)
            case .same: return .bool(name == .lessOrEqual || name == .greaterOrEqual)
            case .after: return .bool(name == .greater || name == .greaterOrEqual)
            }
        case .add, .subtract, .multiply, .divide, .remainder:
            guard let result = try Arithmetic.result(name, left, right, &budget) else { throw Self.unfit(name, left, right) }
            return result
        }
    }

    private static func unfit(_ name: Term.Operator, _ left: CELValue, _ right: CELValue) -> Fault {
        Fault("no such overload: \(left.type.rawValue) \(name.rawValue) \(right.type.rawValue)")
    }

    private mutating func contains(_ container: CELValue, _ value: CELValue) throws(Fault) -> Bool {
        switch container {
        case .list(let items):
            for item in items where try budget.equal(item, value) { return true }
            return false
        case .map(let map): return MapKey(value).map { map[$0] != nil } ?? false
        default: throw Self.unfit(.contained, value, container)
        }
    }

    // MARK: Scope of macros

    mutating func value(_ term: Term, with name: String, as value: CELValue) throws(Fault) -> CELValue {
        scope.append((name, value))
        defer { scope.removeLast() }
        return try self.value(term)
    }
}

extension Budget {
    /// Each character of a text may cost as many steps as the expression has instructions.
    mutating func spend(forMatching text: String, _ expression: RegularExpression) throws(Fault) {
        let (product, overflow) = (text.utf8.count + 1).multipliedReportingOverflow(by: expression.size)
        try spend(overflow ? .max : product / 20 + 1)
    }
}
