extension FunctionTable {
    /// cel-go's optional types, whose syntax (`a.?b`, `a[?b]`, `[?a]`, `{?a: b}`) the grammar has.
    ///
    /// Source: github.com/google/cel-go `cel/library.go`, OptionalTypes, version 2.
    static func optionalFunctions() -> Part {
        var part = Part()
        part.global("optional.of", 1, .optional) { arguments, _ in .optional(arguments[0]) }
        part.global("optional.none", 0, .optional) { _, _ in .optional(nil) }
        part.global("optional.ofNonZeroValue", 1, .optional) { arguments, _ in .optional(arguments[0].isZero ? nil : arguments[0]) }
        part.method("hasValue", 1, .bool) { arguments, _ in
            guard case .optional(let value) = arguments[0] else { return nil }
            return .bool(value != nil)
        }
        part.method("value", 1) { arguments, _ throws(Fault) in
            guard case .optional(let value) = arguments[0] else { return nil }
            guard let value else { throw Fault("an optional value is not there") }
            return value
        }
        part.method("or", 2, .optional) { arguments, _ in
            guard case .optional(let value) = arguments[0], case .optional = arguments[1] else { return nil }
            return value == nil ? arguments[1] : arguments[0]
        }
        part.method("orValue", 2) { arguments, _ in
            guard case .optional(let value) = arguments[0] else { return nil }
            return value ?? arguments[1]
        }
        part.method("first", 1, .optional) { arguments, _ in
            guard case .list(let items) = arguments[0] else { return nil }
            return .optional(items.first)
        }
        part.method("last", 1, .optional) { arguments, _ in
            guard case .list(let items) = arguments[0] else { return nil }
            return .optional(items.last)
        }
        part.global("optional.unwrap", 1, .list, unwrap)
        part.method("unwrapOpt", 1, .list, unwrap)
        return part
    }

    /// Those that are there.
    private static let unwrap: Function.Body = { arguments, budget throws(Fault) in
        guard case .list(let items) = arguments[0] else { return nil }
        try budget.spend(items.count)
        var present: [CELValue] = []
        for item in items {
            guard case .optional(let value) = item else { return nil }
            if let value { present.append(value) }
        }
        return .list(present)
    }
}
