package import YAML

/// An amount of a resource as Kubernetes writes it (`500m`, `1Gi`, `1e3`), exact to the nano unit as in the API server.
package struct Quantity: Hashable, Sendable, Comparable {
    /// The amount in billionths.
    package let nanos: Int128

    package init(nanos: Int128) { self.nanos = nanos }

    /// nil for a text that is no quantity or is beyond what the API server holds.
    package init?(_ text: String) {
        var rest = text.utf8[...]
        var isNegative = false
        if let sign = rest.first, sign == 0x2B || sign == 0x2D {
            isNegative = sign == 0x2D
            rest = rest.dropFirst()
        }
        var mantissa: Int128 = 0
        var decimals = 0
        var digits = 0
        var isFraction = false
        while let byte = rest.first {
            if byte == 0x2E, !isFraction {
                isFraction = true
            } else if byte >= 0x30, byte <= 0x39 {
                guard mantissa < Self.limit else { return nil }
                mantissa = mantissa * 10 + Int128(byte - 0x30)
                digits += 1
                if isFraction { decimals += 1 }
            } else {
                break
            }
            rest = rest.dropFirst()
        }
        guard digits > 0, let suffix = String(rest), let factor = Self.factor(suffix) else { return nil }
        var value = mantissa
        switch factor {
        case .binary(let shift):
            guard value < Self.limit >> Int128(shift) else { return nil }
            value <<= Int128(shift)
            self.init(value, tens: 9 - decimals, isNegative: isNegative)
        case .decimal(let tens):
            self.init(value, tens: tens + 9 - decimals, isNegative: isNegative)
        }
    }

    /// A quantity in a manifest may also be a bare number.
    package init?(_ value: Value) {
        switch value {
        case .int(let number): self.init(nanos: Int128(number) * 1_000_000_000)
        case .uint(let number): self.init(nanos: Int128(number) * 1_000_000_000)
        case .double(let number):
            guard number.magnitude < 1e27 else { return nil }
            self.init(nanos: Int128((number * 1e9).rounded()))
        case .string(let text): self.init(text)
        default: return nil
        }
    }

    /// The amount as decimal digits with the coarsest suffix that fits: `2`, `500m`, `250u`.
    package var text: String {
        for (scale, suffix) in [(Int128(1_000_000_000), ""), (1_000_000, "m"), (1000, "u")] where nanos % scale == 0 {
            return "\(nanos / scale)\(suffix)"
        }
        return "\(nanos)n"
    }

    /// The amount in whole units (bytes, cores), rounded to the nearest double.
    package var units: Double { Double(nanos) / 1e9 }

    package static func < (a: Self, b: Self) -> Bool { a.nanos < b.nanos }
    package static func + (a: Self, b: Self) -> Self { Self(nanos: a.nanos + b.nanos) }
    package static func - (a: Self, b: Self) -> Self { Self(nanos: a.nanos - b.nanos) }

    /// Below it a multiplication by ten cannot overflow.
    private static let limit = Int128.max / 100

    /// What is finer than a billionth is rounded up, as the API server does.
    private init?(_ mantissa: Int128, tens: Int, isNegative: Bool) {
        var value = mantissa
        for _ in 0..<max(0, tens) {
            guard value < Self.limit else { return nil }
            value *= 10
        }
        for _ in 0..<max(0, -tens) {
            value = value / 10 + (value % 10 == 0 ? 0 : 1)
        }
        self.init(nanos: isNegative ? -value : value)
    }

    private enum Factor {
        case binary(Int)
        case decimal(Int)
    }

    private static func factor(_ suffix: String) -> Factor? {
        if let known = suffixes[suffix] { return known }
        guard let first = suffix.first, first == "e" || first == "E", let exponent = Int(suffix.dropFirst()), abs(exponent) <= 30 else {
            return nil
        }
        return .decimal(exponent)
    }

    private static let suffixes: [String: Factor] = [
        "": .decimal(0), "n": .decimal(-9), "u": .decimal(-6), "m": .decimal(-3), "k": .decimal(3), "M": .decimal(6), "G": .decimal(9),
        "T": .decimal(12), "P": .decimal(15), "E": .decimal(18), "Ki": .binary(10), "Mi": .binary(20), "Gi": .binary(30), "Ti": .binary(40),
        "Pi": .binary(50), "Ei": .binary(60),
    ]
}
