extension Budget {
    /// CEL's equality: numbers by their value, lists and maps by what they hold, values of different types never. Each step counts,
    /// because a small expression can make a list that contains another many times over.
    mutating func equal(_ a: CELValue, _ b: CELValue) throws(Fault) -> Bool {
        try spend(1)
        switch (a, b) {
        case (.null, .null): return true
        case (.bool(let a), .bool(let b)): return a == b
        case (.string(let a), .string(let b)):
            try spend(forText: min(a.utf8.count, b.utf8.count))
            return a.utf8.elementsEqual(b.utf8)
        case (.bytes(let a), .bytes(let b)):
            try spend(forText: min(a.count, b.count))
            return a == b
        case (.list(let a), .list(let b)):
            guard a.count == b.count else { return false }
            for (a, b) in zip(a, b) where try !equal(a, b) { return false }
            return true
        case (.map(let a), .map(let b)):
            guard a.entries.count == b.entries.count else { return false }
            for entry in a.entries {
                guard let key = MapKey(entry.key), let other = b[key], try equal(entry.value, other) else { return false }
            }
            return true
        case (.timestamp(let a), .timestamp(let b)): return a == b
        case (.duration(let a), .duration(let b)): return a == b
        case (.type(let a), .type(let b)): return a == b
        case (.optional(let a), .optional(let b)):
            guard let a, let b else { return a == nil && b == nil }
            return try equal(a, b)
        default: return Order(ofNumbers: a, b) == .same
        }
    }

    /// The order of two values; nil for values that have none.
    mutating func order(_ a: CELValue, _ b: CELValue) throws(Fault) -> Order? {
        switch (a, b) {
        case (.bool(let a), .bool(let b)): return Order(a ? 1 : 0, b ? 1 : 0)
        case (.string(let a), .string(let b)):
            try spend(forText: min(a.utf8.count, b.utf8.count))
            return Order(texts: a.utf8, b.utf8)
        case (.bytes(let a), .bytes(let b)):
            try spend(forText: min(a.count, b.count))
            return Order(texts: a, b)
        case (.timestamp(let a), .timestamp(let b)): return a == b ? .same : a < b ? .before : .after
        case (.duration(let a), .duration(let b)): return Order(a.nanoseconds, b.nanoseconds)
        default: return Order(ofNumbers: a, b)
        }
    }
}

/// How one value stands to another.
enum Order {
    case before, same, after
    /// One of them is not a number (NaN).
    case none

    init<T: Comparable>(_ a: T, _ b: T) { self = a == b ? .same : a < b ? .before : a > b ? .after : .none }

    /// By code points, which UTF-8 keeps in order.
    init(texts a: some Sequence<UInt8>, _ b: some Sequence<UInt8>) {
        if a.elementsEqual(b) { self = .same } else { self = a.lexicographicallyPrecedes(b) ? .before : .after }
    }

    /// Numbers by their exact value, also across types; nil where one is no number.
    init?(ofNumbers a: CELValue, _ b: CELValue) {
        switch (a, b) {
        case (.int(let a), .int(let b)): self.init(a, b)
        case (.uint(let a), .uint(let b)): self.init(a, b)
        case (.double(let a), .double(let b)): self.init(a, b)
        case (.int(let a), .uint(let b)): self = a < 0 ? .before : Order(UInt64(a), b)
        case (.uint(let a), .int(let b)): self = b < 0 ? .after : Order(a, UInt64(b))
        case (.int(let a), .double(let b)): self.init(whole: a, b)
        case (.uint(let a), .double(let b)): self.init(whole: a, b)
        case (.double(let a), .int(let b)): self = Order(whole: b, a).reversed
        case (.double(let a), .uint(let b)): self = Order(whole: b, a).reversed
        default: return nil
        }
    }

    private init<T: FixedWidthInteger>(whole a: T, _ b: Double) {
        // Beyond the range of T the sign decides; within it, the whole part and then what is behind the point.
        if b.isNaN {
            self = .none
        } else if b >= Double(sign: .plus, exponent: T.isSigned ? 63 : 64, significand: 1) {
            self = .before
        } else if b < (T.isSigned ? -Double(sign: .plus, exponent: 63, significand: 1) : 0) {
            self = .after
        } else {
            let floor = b.rounded(.down)
            let whole = T(floor)
            self = a == whole ? (b > floor ? .before : .same) : Order(a, whole)
        }
    }

    private var reversed: Order {
        switch self {
        case .before: .after
        case .after: .before
        case .same, .none: self
        }
    }
}
