/// Writes the SSH wire encoding of RFC 4251 section 5: big-endian numbers, strings with a length before them.
package struct WireWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func write(_ number: UInt32) {
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: number >> UInt32(shift))) }
    }

    package mutating func write(byte: UInt8) { bytes.append(byte) }

    package mutating func write(string: some Collection<UInt8>) {
        write(UInt32(string.count))
        bytes.append(contentsOf: string)
    }

    package mutating func write(string: String) { write(string: Array(string.utf8)) }

    package mutating func write(raw: some Collection<UInt8>) { bytes.append(contentsOf: raw) }
}

/// Reads the SSH wire encoding; every read gives nil when the bytes end too early.
package struct WireReader {
    private var rest: ArraySlice<UInt8>

    package init(_ bytes: [UInt8]) { rest = bytes[...] }

    package var isAtEnd: Bool { rest.isEmpty }

    package mutating func byte() -> UInt8? { rest.popFirst() }

    package mutating func number() -> UInt32? {
        guard rest.count >= 4 else { return nil }
        let value = rest.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        rest = rest.dropFirst(4)
        return value
    }

    package mutating func string() -> [UInt8]? {
        var copy = self
        guard let count = copy.number(), copy.rest.count >= Int(count) else { return nil }
        let value = Array(copy.rest.prefix(Int(count)))
        rest = copy.rest.dropFirst(Int(count))
        return value
    }

    package mutating func text() -> String? { string().map { String(decoding: $0, as: UTF8.self) } }

    package mutating func raw(_ count: Int) -> [UInt8]? {
        guard rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}
