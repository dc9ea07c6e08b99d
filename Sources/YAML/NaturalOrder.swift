/// The order Kubernetes' YAML writer gives keys: other characters before letters, numbers by value, letters by code point
/// (`a1`, `a2`, `a10`, `ab`; upper case first).
package enum NaturalOrder {
    package static func precedes(_ a: String, _ b: String) -> Bool {
        var (a, b) = (a, b)
        return a.withUTF8 { x in
            b.withUTF8 { y in
                let common = min(x.count, y.count)
                var at = 0
                while at < common, x[at] == y[at] { at += 1 }
                if at == common { return x.count < y.count }
                if x[at] < 0x80, y[at] < 0x80 { return precedes(x, y, from: at) }
                return precedes(
                    Array(String(decoding: x, as: UTF8.self).unicodeScalars), Array(String(decoding: y, as: UTF8.self).unicodeScalars))
            }
        }
    }

    /// For texts that first differ, at `at`, in two ASCII characters.
    private static func precedes(_ x: UnsafeBufferPointer<UInt8>, _ y: UnsafeBufferPointer<UInt8>, from at: Int) -> Bool {
        let (p, q) = (x[at], y[at])
        let (pLetter, qLetter) = (isLetter(p), isLetter(q))
        if pLetter && qLetter { return p < q }
        if pLetter || qLetter { return qLetter }
        var (m, n): (Int64, Int64) = (0, 0)
        if p == zero || q == zero {
            var back = at - 1
            while back >= 0, isDigit(x[back]) {
                if x[back] != zero {
                    (m, n) = (1, 1)
                    break
                }
                back -= 1
            }
        }
        var i = at
        while i < x.count, isDigit(x[i]) {
            m = m &* 10 &+ Int64(x[i] - zero)
            i += 1
        }
        var j = at
        while j < y.count, isDigit(y[j]) {
            n = n &* 10 &+ Int64(y[j] - zero)
            j += 1
        }
        if m != n { return m < n }
        if i != j { return i < j }
        return p < q
    }

    /// For texts whose first difference is beyond ASCII: the same rules, with what Unicode calls letters and digits.
    private static func precedes(_ x: [Unicode.Scalar], _ y: [Unicode.Scalar]) -> Bool {
        guard let at = zip(x, y).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset else { return x.count < y.count }
        let (p, q) = (isLetter(x[at]), isLetter(y[at]))
        if p != q { return q }
        if p { return x[at] < y[at] }
        func number(_ text: [Unicode.Scalar]) -> (value: Int64, digits: Int) {
            let digits = text[at...].prefix { $0.properties.generalCategory == .decimalNumber }
            return (digits.reduce(0) { $0 &* 10 &+ Int64($1.value) &- Int64(zero) }, digits.count)
        }
        let (m, n) = (number(x), number(y))
        if m.value != n.value { return m.value < n.value }
        if m.digits != n.digits { return m.digits < n.digits }
        return x[at] < y[at]
    }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    private static let zero = UInt8(ascii: "0")
    private static func isDigit(_ byte: UInt8) -> Bool { byte &- zero <= 9 }
    private static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- UInt8(ascii: "a") < 26 }
}
