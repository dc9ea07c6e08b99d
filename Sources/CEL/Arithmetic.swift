/// The operators that make a new value. Whole numbers never wrap around: an overflow is an error.
enum Arithmetic {
    static func negative(_ value: CELValue) throws(Fault) -> CELValue {
        switch value {
        case .int(let number):
            guard number > .min else { throw overflow }
            return .int(-number)
        case .double(let number): return .double(-number)
        default: throw Fault("no such overload: -\(value.type.rawValue)")
        }
    }

    private static let overflow = Fault("integer overflow")

    /// nil where the operator is not defined for such values.
    static func result(
        _ name: Term.Operator, _ left: CELValue, _ right: CELValue, _ budget: inout Budget
    ) throws(Fault) -> CELValue? {
        switch (left, right) {
        case (.int(let a), .int(let b)): return .int(try whole(name, a, b))
        case (.uint(let a), .uint(let b)): return .uint(try whole(name, a, b))
        case (.double(let a), .double(let b)): return double(name, a, b)
        case (.timestamp, _), (.duration, _): return try time(name, left, right)
        default: return name == .add ? try joined(left, right, &budget) : nil
        }
    }

    private static func whole<T: FixedWidthInteger>(_ name: Term.Operator, _ a: T, _ b: T) throws(Fault) -> T {
        let result: (partialValue: T, overflow: Bool)
        switch name {
        case .add: result = a.addingReportingOverflow(b)
        case .subtract: result = a.subtractingReportingOverflow(b)
        case .multiply: result = a.multipliedReportingOverflow(by: b)
        case .divide:
            guard b != 0 else { throw Fault("division by zero") }
            result = a.dividedReportingOverflow(by: b)
        default:
            guard b != 0 else { throw Fault("modulus by zero") }
            result = a.remainderReportingOverflow(dividingBy: b)
        }
        guard !result.overflow else { throw overflow }
        return result.partialValue
    }

    private static func double(_ name: Term.Operator, _ a: Double, _ b: Double) -> CELValue? {
        switch name {
        case .add: .double(a + b)
        case .subtract: .double(a - b)
        case .multiply: .double(a * b)
        case .divide: .double(a / b)
        default: nil
        }
    }

    private static func time(_ name: Term.Operator, _ left: CELValue, _ right: CELValue) throws(Fault) -> CELValue? {
        switch (name, left, right) {
        case (.add, .timestamp(let moment), .duration(let length)), (.add, .duration(let length), .timestamp(let moment)):
            return .timestamp(try moment + length)
        case (.add, .duration(let a), .duration(let b)): return .duration(try a + b)
        case (.subtract, .timestamp(let moment), .duration(let length)): return .timestamp(try moment - length)
        case (.subtract, .timestamp(let a), .timestamp(let b)): return .duration(try a - b)
        case (.subtract, .duration(let a), .duration(let b)): return .duration(try a - b)
        default: return nil
        }
    }

    private static func joined(_ left: CELValue, _ right: CELValue, _ budget: inout Budget) throws(Fault) -> CELValue? {
        switch (left, right) {
        case (.string(let a), .string(let b)):
            try budget.spend(forText: a.utf8.count + b.utf8.count)
            return .string(a + b)
        case (.bytes(let a), .bytes(let b)):
            try budget.spend(forText: a.count + b.count)
            return .bytes(a + b)
        case (.list(let a), .list(let b)):
            try budget.spend(a.count + b.count)
            return .list(a + b)
        default: return nil
        }
    }
}
