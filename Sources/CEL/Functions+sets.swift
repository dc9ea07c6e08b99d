extension FunctionTable {
    /// cel-go's sets library: lists as sets, and its encoders library.
    ///
    /// Source: github.com/google/cel-go `ext/README.md`, sections "Sets" and "Encoders".
    static func setFunctions() -> Part {
        var part = Part()
        part.global("sets.contains", 2, .bool, onLists { a, b, budget throws(Fault) in try containsAll(b, of: a, &budget) })
        part.global(
            "sets.equivalent", 2, .bool,
            onLists { a, b, budget throws(Fault) in
                guard try containsAll(b, of: a, &budget) else { return false }
                return try containsAll(a, of: b, &budget)
            })
        part.global(
            "sets.intersects", 2, .bool,
            onLists { a, b, budget throws(Fault) in
                for item in a where try contains(b, item, &budget) { return true }
                return false
            })
        part.global("base64.encode", 1, .string) { arguments, budget throws(Fault) in
            guard case .bytes(let bytes) = arguments[0] else { return nil }
            try budget.spend(forText: bytes.count)
            return .string(Base64.encode(bytes))
        }
        part.global("base64.decode", 1, .bytes) { arguments, budget throws(Fault) in
            guard case .string(let text) = arguments[0] else { return nil }
            try budget.spend(forText: text.utf8.count)
            guard let bytes = Base64.decode(text) else { throw Fault("the text is no base64") }
            return .bytes(bytes)
        }
        return part
    }

    private static func onLists(
        _ body: @escaping @Sendable ([CELValue], [CELValue], inout Budget) throws(Fault) -> Bool
    ) -> Function.Body {
        { arguments, budget throws(Fault) in
            guard case .list(let a) = arguments[0], case .list(let b) = arguments[1] else { return nil }
            return .bool(try body(a, b, &budget))
        }
    }

    private static func containsAll(_ items: [CELValue], of list: [CELValue], _ budget: inout Budget) throws(Fault) -> Bool {
        for item in items where try !contains(list, item, &budget) { return false }
        return true
    }

    private static func contains(_ list: [CELValue], _ item: CELValue, _ budget: inout Budget) throws(Fault) -> Bool {
        for other in list where try budget.equal(other, item) { return true }
        return false
    }
}

/// RFC 4648, section 4; padding may be left out when decoding, as cel-go allows.
private enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for place in 0..<4 {
                text.append(place <= group.count ? alphabet[Int(bits >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    static func decode(_ text: String) -> [UInt8]? {
        var digits = Array(text.utf8)
        while digits.last == UInt8(ascii: "="), text.utf8.count - digits.count < 2 { digits.removeLast() }
        guard digits.count % 4 != 1, digits.count == text.utf8.count || text.utf8.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: digits.count, by: 4) {
            let group = digits[start..<min(start + 4, digits.count)]
            var bits: UInt32 = 0
            for digit in group {
                guard let value = alphabet.firstIndex(of: digit) else { return nil }
                bits = bits << 6 | UInt32(value)
            }
            bits <<= UInt32(6 * (4 - group.count))
            for place in 0..<group.count - 1 { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(16 - 8 * place))) }
        }
        return bytes
    }
}
