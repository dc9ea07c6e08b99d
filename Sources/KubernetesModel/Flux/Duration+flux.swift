extension Duration {
    /// As Go writes it: `1h30m`, `10m0s`, `1.5s`, `300ms`; nil for anything else, for nothing and for less than nothing.
    package init?(goText text: String) {
        let units: [(name: String, nanoseconds: Double)] = [
            ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
        ]
        var rest = text[...]
        var total = 0.0
        guard !rest.isEmpty else { return nil }
        if rest == "0" {
            self = .zero
            return
        }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            guard let number = Double(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            let name = rest.prefix { $0.isLetter }
            guard let unit = units.first(where: { $0.name == name }) else { return nil }
            total += number * unit.nanoseconds
            rest = rest.dropFirst(name.count)
        }
        guard total < 9e18 else { return nil }
        self = .nanoseconds(Int64(total))
    }

    /// As Go writes it, to the millisecond.
    package var goText: String {
        let (seconds, attoseconds) = components
        let milliseconds = attoseconds / 1_000_000_000_000_000
        var text = ""
        if seconds >= 3600 { text += "\(seconds / 3600)h" }
        if seconds >= 60 { text += "\(seconds / 60 % 60)m" }
        if milliseconds == 0 { return text + "\(seconds % 60)s" }
        if seconds == 0 { return "\(milliseconds)ms" }
        let fraction = String(1000 + milliseconds).dropFirst()
        return text + "\(seconds % 60).\(fraction)s"
    }
}
