import Glibc

/// Types plain scalars as Kubernetes' YAML readers do (go-yaml's rules: YAML 1.1 and a few habits of Go's number parser).
enum ScalarResolver {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    enum Resolution {
        case string
        case value(Value)
        /// `.inf` and `.nan`, which have no JSON form.
        case notFinite

        var isString: Bool { if case .string = self { true } else { false } }
    }

    static func resolve(_ text: String, schema: YAMLSchema) -> Resolution {
        var text = text
        return text.withUTF8 { resolve($0, schema: schema) }
    }

    static func resolve(_ bytes: Bytes, schema: YAMLSchema) -> Resolution {
        guard let first = bytes.first else { return .value(.null) }
        switch first {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"):
            return number(bytes, schema: schema)
        case UInt8(ascii: "."): return dotted(bytes)
        case UInt8(ascii: "~"): return bytes.count == 1 ? .value(.null) : .string
        case UInt8(ascii: "t"), UInt8(ascii: "T"), UInt8(ascii: "f"), UInt8(ascii: "F"), UInt8(ascii: "n"), UInt8(ascii: "N"),
            UInt8(ascii: "y"), UInt8(ascii: "Y"), UInt8(ascii: "o"), UInt8(ascii: "O"):
            return bytes.count <= 5 ? word(bytes, schema: schema) : .string
        default: return .string
        }
    }

    private static func word(_ bytes: Bytes, schema: YAMLSchema) -> Resolution {
        switch bytes.count {
        case 4 where isWord(bytes, "null"): return .value(.null)
        case 4 where isWord(bytes, "true"): return .value(.bool(true))
        case 5 where isWord(bytes, "false"): return .value(.bool(false))
        default: break
        }
        guard schema == .kubernetes else { return .string }
        switch bytes.count {
        case 1 where isWord(bytes, "y"), 2 where isWord(bytes, "on"), 3 where isWord(bytes, "yes"): return .value(.bool(true))
        case 1 where isWord(bytes, "n"), 2 where isWord(bytes, "no"), 3 where isWord(bytes, "off"): return .value(.bool(false))
        default: return .string
        }
    }

    /// Whether a text of the word's length is the word in lower case, with a capital, or in capitals.
    private static func isWord(_ bytes: Bytes, _ word: StaticString) -> Bool {
        let isCapital = bytes[0] == word.utf8Start[0] - 0x20
        guard isCapital || bytes[0] == word.utf8Start[0] else { return false }
        let allLower = bytes.indices.dropFirst().allSatisfy { bytes[$0] == word.utf8Start[$0] }
        return allLower || isCapital && bytes.indices.dropFirst().allSatisfy { bytes[$0] == word.utf8Start[$0] - 0x20 }
    }

    private static func dotted(_ bytes: Bytes) -> Resolution {
        switch String(decoding: bytes.prefix(6), as: UTF8.self) {
        case ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN": return .notFinite
        default: return float(bytes).map { .value($0) } ?? .string
        }
    }

    private static func number(_ bytes: Bytes, schema: YAMLSchema) -> Resolution {
        if let small = smallInteger(bytes) { return .value(.int(small)) }
        if schema != .kubernetes, let time = Timestamp(bytes) { return .value(.string(time.rfc3339)) }
        if bytes.contains(UInt8(ascii: "_")) {
            let plain = bytes.filter { $0 != UInt8(ascii: "_") }
            return plain.withUnsafeBufferPointer { signed($0) }
        }
        return signed(bytes)
    }

    private static func signed(_ bytes: Bytes) -> Resolution {
        if let integer = integer(bytes) { return .value(integer) }
        if let float = float(bytes) { return .value(float) }
        switch String(decoding: bytes.prefix(6), as: UTF8.self) {
        case "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF": return bytes.count == 5 ? .notFinite : .string
        default: return .string
        }
    }

    /// The common case, fast: up to 18 decimal digits without a leading zero.
    private static func smallInteger(_ bytes: Bytes) -> Int64? {
        guard bytes.count <= 18, let first = bytes.first, first != UInt8(ascii: "0") || bytes.count == 1 else { return nil }
        var number: Int64 = 0
        for byte in bytes {
            let digit = byte &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            number = number &* 10 &+ Int64(digit)
        }
        return number
    }

    /// An integer with an optional sign and a prefix for its base: 0x, 0o, 0b, or a leading 0 for octal.
    static func integer(_ bytes: Bytes) -> Value? {
        var rest = bytes[...]
        var sign: UInt8?
        if let first = rest.first, first == UInt8(ascii: "+") || first == UInt8(ascii: "-") {
            sign = first
            rest = rest.dropFirst()
        }
        var base: UInt64 = 10
        if rest.count > 1, rest.first == UInt8(ascii: "0") {
            switch rest[rest.startIndex + 1] | 0x20 {
            case UInt8(ascii: "x"): base = 16
            case UInt8(ascii: "o"): base = 8
            case UInt8(ascii: "b"): base = 2
            default: base = 0
            }
            rest = rest.dropFirst(base == 0 ? 1 : 2)
            if base == 0 { base = 8 }
        }
        guard let magnitude = magnitude(rest, base: base) else { return nil }
        if sign == UInt8(ascii: "-") {
            return magnitude <= UInt64(Int64.max) + 1 ? .int(Int64(truncatingIfNeeded: 0 &- magnitude)) : nil
        }
        if magnitude <= UInt64(Int64.max) { return .int(Int64(magnitude)) }
        return sign == nil ? .uint(magnitude) : nil
    }

    private static func magnitude(_ digits: Slice<Bytes>, base: UInt64) -> UInt64? {
        guard !digits.isEmpty else { return nil }
        var total: UInt64 = 0
        for byte in digits {
            let digit: UInt64
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt64(byte - UInt8(ascii: "a")) + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = UInt64(byte - UInt8(ascii: "A")) + 10
            default: return nil
            }
            guard digit < base else { return nil }
            let (product, tooBig) = total.multipliedReportingOverflow(by: base)
            let (sum, alsoTooBig) = product.addingReportingOverflow(digit)
            guard !tooBig, !alsoTooBig else { return nil }
            total = sum
        }
        return total
    }

    /// A decimal fraction or exponent number; one that is whole is an integer, as JSON's single number type has it.
    private static func float(_ bytes: Bytes) -> Value? {
        guard isFloat(bytes) else { return nil }
        let number = withUnsafeTemporaryAllocation(of: CChar.self, capacity: bytes.count + 1) { buffer -> Double in
            for (index, byte) in bytes.enumerated() { buffer[index] = CChar(bitPattern: byte) }
            buffer[bytes.count] = 0
            return buffer.baseAddress.map { strtod($0, nil) } ?? .nan
        }
        guard number.isFinite else { return nil }
        return Value(number: number)
    }

    /// `[-+]? ( .digits | digits [ . digits? ] ) ( [eE] [-+]? digits )?`
    static func isFloat(_ bytes: Bytes) -> Bool {
        var at = 0
        func digits() -> Int {
            let start = at
            while at < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[at]) { at += 1 }
            return at - start
        }
        func skip(_ a: Unicode.Scalar, _ b: Unicode.Scalar) -> Bool {
            guard at < bytes.count, bytes[at] == UInt8(ascii: a) || bytes[at] == UInt8(ascii: b) else { return false }
            at += 1
            return true
        }
        _ = skip("+", "-")
        if digits() > 0 {
            if skip(".", ".") { _ = digits() }
        } else {
            guard skip(".", "."), digits() > 0 else { return false }
        }
        if skip("e", "E") {
            _ = skip("+", "-")
            guard digits() > 0 else { return false }
        }
        return at == bytes.count
    }
}

extension Value {
    /// A number as JSON's single number type has it: whole ones within 64 bits are integers, those that a double does not tell from
    /// their neighbours of the digits that Go writes, the shortest with zeros behind them.
    package init(number: Double) {
        guard number.rounded(.towardZero) == number else {
            self = .double(number)
            return
        }
        if number.magnitude < 0x1p53 {
            self = .int(Int64(number))
            return
        }
        let digits = number.magnitude < 1e21 ? FloatText.positional(number) : ""
        self = Int64(digits).map { .int($0) } ?? UInt64(digits).map { .uint($0) } ?? .double(number)
    }

    /// The value of a text written as a plain scalar.
    package init(plain text: String, schema: YAMLSchema) {
        if case .value(let value) = ScalarResolver.resolve(text, schema: schema) { self = value } else { self = .string(text) }
    }
}
