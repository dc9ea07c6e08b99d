/// A length of time to the nanosecond, as Go holds it: some 292 years either way.
package struct CELDuration: Sendable, Equatable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1000), ("µs", 1000), ("μs", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ]

    static let outOfRange = Fault("a duration is out of range")

    /// As Go writes it: `1h30m`, `-1.5s`, `300ms`.
    init(text: String) throws(Fault) {
        let bad = Fault("\"\(text)\" is no duration; one is written like 1h30m or 1.5s")
        var rest = Array(text.unicodeScalars)[...]
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest = rest.dropFirst() }
        guard !rest.isEmpty else { throw bad }
        var total: Int64 = 0
        if rest.elementsEqual(["0"]) {
            rest = []
        }
        while !rest.isEmpty {
            let whole = rest.prefix { ("0"..."9").contains($0) }
            rest = rest.dropFirst(whole.count)
            var fraction: ArraySlice<Unicode.Scalar> = []
            if rest.first == "." {
                fraction = rest.dropFirst().prefix { ("0"..."9").contains($0) }
                rest = rest.dropFirst(fraction.count + 1)
            }
            let name = rest.prefix { $0 != "." && !("0"..."9").contains($0) }
            rest = rest.dropFirst(name.count)
            guard !whole.isEmpty || !fraction.isEmpty,
                let unit = Self.units.first(where: { $0.name.unicodeScalars.elementsEqual(name) })
            else { throw bad }
            guard let part = Self.nanoseconds(whole, fraction, unit.nanoseconds) else { throw Self.outOfRange }
            let (sum, overflow) = total.addingReportingOverflow(part)
            if overflow { throw Self.outOfRange }
            total = sum
        }
        nanoseconds = isNegative ? -total : total
    }

    private static func nanoseconds(
        _ whole: ArraySlice<Unicode.Scalar>, _ fraction: ArraySlice<Unicode.Scalar>, _ unit: Int64
    ) -> Int64? {
        var result: Int64 = 0
        for digit in whole {
            let (tens, first) = result.multipliedReportingOverflow(by: 10)
            let (sum, second) = tens.addingReportingOverflow(Int64(digit.value - 48))
            if first || second { return nil }
            result = sum
        }
        let (product, first) = result.multipliedReportingOverflow(by: unit)
        var part = 0.0
        var scale = Double(unit)
        for digit in fraction {
            scale /= 10
            part += Double(digit.value - 48) * scale
        }
        let (sum, second) = product.addingReportingOverflow(Int64(part.rounded()))
        return first || second ? nil : sum
    }

    /// In seconds: `5400s`, `1.5s`.
    var text: String {
        let sign = nanoseconds < 0 ? "-" : ""
        let fraction = nanoseconds.magnitude % 1_000_000_000
        let digits = String(fraction + 1_000_000_000).dropFirst()
        let shown = fraction == 0 ? "" : "." + String(String(digits.reversed().drop { $0 == "0" }.reversed()))
        return "\(sign)\(nanoseconds.magnitude / 1_000_000_000)\(shown)s"
    }

    static func + (a: CELDuration, b: CELDuration) throws(Fault) -> CELDuration {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
        if overflow { throw outOfRange }
        return CELDuration(nanoseconds: sum)
    }

    static func - (a: CELDuration, b: CELDuration) throws(Fault) -> CELDuration {
        let (difference, overflow) = a.nanoseconds.subtractingReportingOverflow(b.nanoseconds)
        if overflow { throw outOfRange }
        return CELDuration(nanoseconds: difference)
    }
}
