/// The offsets from UTC that a time zone has had and will have, as its TZif file says (RFC 9636).
package struct ZoneOffsets: Hashable, Sendable {
    package static let utc = ZoneOffsets(transitions: [], first: 0, rule: nil)

    struct Transition: Hashable, Sendable {
        /// Seconds since 1970.
        var at: Int64
        /// Seconds east of UTC from then on.
        var offset: Int64
    }

    let transitions: [Transition]
    /// Before the first transition.
    let first: Int64
    /// After the last one; nil: the last one's offset stays.
    let rule: ZoneRule?

    /// Seconds east of UTC at a moment, given in seconds since 1970.
    package func offset(at moment: Int64) -> Int64 {
        if let last = transitions.last, moment >= last.at { return rule?.offset(at: moment) ?? last.offset }
        if transitions.isEmpty { return rule?.offset(at: moment) ?? first }
        return transitions.last { $0.at <= moment }?.offset ?? first
    }
}

extension ZoneOffsets {
    /// - Returns: nil when the bytes are no TZif file of version 2 or later; version 1 ends in 2038 and is written by nobody any more.
    package init?(tzif bytes: [UInt8]) {
        var reader = TZifReader(bytes: bytes)
        // The first block holds 32-bit times, for readers of version 1.
        guard let old = reader.header(), old.version >= 2, reader.skip(old.length(timeSize: 4)), let header = reader.header() else {
            return nil
        }
        let start = reader.position
        guard header.types > 0, reader.skip(header.length(timeSize: 8)) else { return nil }
        let types = start + header.times * 9
        func offset(ofType type: Int) -> Int64? { type < header.types ? reader.integer(at: types + type * 6, size: 4) : nil }
        var transitions: [Transition] = []
        for index in 0..<header.times {
            guard let at = reader.integer(at: start + index * 8, size: 8),
                let offset = offset(ofType: Int(bytes[start + header.times * 8 + index]))
            else { return nil }
            transitions.append(Transition(at: at, offset: offset))
        }
        guard let first = offset(ofType: 0) else { return nil }
        let footer = String(decoding: bytes[reader.position...].dropFirst().prefix { $0 != 0x0A }, as: UTF8.self)
        self.init(transitions: transitions, first: first, rule: ZoneRule(footer))
    }
}

/// Reads big-endian numbers without ever going past the end.
private struct TZifReader {
    struct Header {
        var version: Int
        /// isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt.
        var counts: [Int]
        var times: Int { counts[3] }
        var types: Int { counts[4] }

        func length(timeSize: Int) -> Int {
            counts[3] * (timeSize + 1) + counts[4] * 6 + counts[5] + counts[2] * (timeSize + 4) + counts[1] + counts[0]
        }
    }

    let bytes: [UInt8]
    var position = 0

    mutating func header() -> Header? {
        guard position + 44 <= bytes.count, bytes[position..<(position + 4)].elementsEqual("TZif".utf8) else { return nil }
        // "2" is 2; a NUL stands for version 1.
        let version = bytes[position + 4] == 0 ? 1 : Int(bytes[position + 4]) - 0x30
        let counts = (0..<6).compactMap { integer(at: position + 20 + $0 * 4, size: 4).map(Int.init) }
        // No zone has that many; a file that says so is not to be trusted with the sizes.
        guard counts.allSatisfy({ (0...100_000).contains($0) }) else { return nil }
        position += 44
        return Header(version: version, counts: counts)
    }

    mutating func skip(_ length: Int) -> Bool {
        position += length
        return position <= bytes.count
    }

    func integer(at offset: Int, size: Int) -> Int64? {
        guard offset >= 0, offset + size <= bytes.count else { return nil }
        let value = bytes[offset..<(offset + size)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return size == 4 ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
    }
}
