/// Numbers as text: the shortest digits that read back as the same number, in the notations YAML and JSON writers of
/// Kubernetes use.
package enum FloatText {
    /// Whole numbers of up to 64 bits in full; else exponent notation below 1e-4 and from 1e6 on.
    static func yaml(_ number: Double) -> String {
        switch Value(number: number) {
        case .int(let whole): return String(whole)
        case .uint(let whole): return String(whole)
        default: break
        }
        return number.isFinite ? general(number) : number.isNaN ? ".nan" : number < 0 ? "-.inf" : ".inf"
    }

    /// As Go's `%g`: exponent notation below 1e-4 and from 1e6 on.
    package static func general(_ number: Double) -> String {
        guard let parts = Parts(number) else { return number.isNaN ? "NaN" : number < 0 ? "-Inf" : "+Inf" }
        return parts.exponent < -4 || parts.exponent >= 6 ? parts.scientific(exponentDigits: 2) : parts.positional
    }

    /// As Go's `%g` of the nearest number of 32 bits, which sigs.k8s.io/yaml makes of a fraction where a text is wanted.
    package static func single(_ number: Double) -> String {
        let nearest = Float(number)
        guard nearest.isFinite else { return general(Double(nearest)) }
        let parts = Parts(negative: nearest.sign == .minus, text: nearest.magnitude.description)
        return parts.exponent < -4 || parts.exponent >= 6 ? parts.scientific(exponentDigits: 2) : parts.positional
    }

    /// All digits without an exponent, the shortest that read back as the same number.
    package static func positional(_ number: Double) -> String { Parts(number)?.positional ?? general(number) }

    /// JSON's number: exponent notation below 1e-6 and from 1e21 on; numbers JSON cannot hold become null.
    static func json(_ number: Double) -> String {
        guard let parts = Parts(number) else { return "null" }
        return parts.exponent < -6 || parts.exponent >= 21 ? parts.scientific(exponentDigits: 1) : parts.positional
    }

    /// The shortest decimal digits of a finite number and the exponent of the first one.
    private struct Parts {
        var negative: Bool
        var digits: [UInt8]
        var exponent: Int

        init?(_ number: Double) {
            guard number.isFinite else { return nil }
            self.init(negative: number.sign == .minus, text: number.magnitude.description)
        }

        /// - Parameter text: as Swift describes a number.
        init(negative: Bool, text: String) {
            self.negative = negative
            digits = []
            var point: Int?
            var power = 0
            var text = text[...]
            if let e = text.firstIndex(of: "e") {
                power = Int(text[text.index(after: e)...].drop { $0 == "+" }) ?? 0
                text = text[..<e]
            }
            for byte in text.utf8 {
                if byte == UInt8(ascii: ".") { point = digits.count } else { digits.append(byte) }
            }
            exponent = (point ?? digits.count) - 1 + power
            while digits.count > 1, digits.first == UInt8(ascii: "0") {
                digits.removeFirst()
                exponent -= 1
            }
            while digits.count > 1, digits.last == UInt8(ascii: "0") { digits.removeLast() }
            if digits == [UInt8(ascii: "0")] { exponent = 0 }
        }

        func scientific(exponentDigits: Int) -> String {
            var text = (negative ? "-" : "") + String(decoding: digits.prefix(1), as: UTF8.self)
            if digits.count > 1 { text += "." + String(decoding: digits.dropFirst(), as: UTF8.self) }
            let power = String(exponent.magnitude)
            return text + "e" + (exponent < 0 ? "-" : "+") + String(repeating: "0", count: max(0, exponentDigits - power.count)) + power
        }

        var positional: String {
            let text = String(decoding: digits, as: UTF8.self)
            let sign = negative ? "-" : ""
            if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + text }
            if digits.count <= exponent + 1 { return sign + text + String(repeating: "0", count: exponent + 1 - digits.count) }
            return sign + text.prefix(exponent + 1) + "." + text.dropFirst(exponent + 1)
        }
    }
}
