/// A moment as Kubernetes writes it (RFC 3339, UTC), to the nanosecond; the clock is read elsewhere.
package struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var secondsSinceEpoch: Int64
    /// 0 to 999,999,999.
    package var nanoseconds: Int32

    package init(secondsSinceEpoch: Int64, nanoseconds: Int32 = 0) {
        self.secondsSinceEpoch = secondsSinceEpoch
        self.nanoseconds = nanoseconds
    }

    /// `2026-11-24T04:05:06Z`, with a fraction and a zone offset if it has them; nil for anything else.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int64? {
            guard range.upperBound <= bytes.count else { return nil }
            var value: Int64 = 0
            for byte in bytes[range] {
                guard byte >= 0x30, byte <= 0x39 else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            return value
        }
        func has(_ byte: UInt8, at index: Int) -> Bool { index < bytes.count && (bytes[index] | 0x20) == (byte | 0x20) }
        guard bytes.count >= 20, has(0x2D, at: 4), has(0x2D, at: 7), has(0x54, at: 10), has(0x3A, at: 13), has(0x3A, at: 16),
            let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19), (1...12).contains(month), (1...31).contains(day), hour < 24,
            minute < 60, second <= 60
        else { return nil }
        var index = 19
        var nanoseconds: Int32 = 0
        if has(0x2E, at: index) {
            index += 1
            var scale: Int32 = 100_000_000
            let start = index
            while let digit = number(index..<(index + 1)) {
                nanoseconds += Int32(digit) * scale
                scale /= 10
                index += 1
            }
            if index == start { return nil }
        }
        var offset: Int64 = 0
        if has(0x5A, at: index) {
            index += 1
        } else {
            guard index < bytes.count, bytes[index] == 0x2B || bytes[index] == 0x2D, has(0x3A, at: index + 3),
                let hours = number((index + 1)..<(index + 3)), let minutes = number((index + 4)..<(index + 6))
            else { return nil }
            offset = (hours * 60 + minutes) * 60 * (bytes[index] == 0x2D ? -1 : 1)
            index += 6
        }
        guard index == bytes.count else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        self.init(secondsSinceEpoch: days * 86400 + hour * 3600 + minute * 60 + second - offset, nanoseconds: nanoseconds)
    }

    /// To the second: `metav1.Time`.
    package var description: String { seconds + "Z" }

    /// To the microsecond, always six digits: `metav1.MicroTime`, as a Lease has it.
    package var microseconds: String { "\(seconds).\(Self.padded(Int64(nanoseconds) / 1000, 6))Z" }

    package func advanced(by duration: Duration) -> Timestamp {
        let (seconds, attoseconds) = duration.components
        let nanos = Int64(nanoseconds) + attoseconds / 1_000_000_000
        let carry = Int64((Double(nanos) / 1e9).rounded(.down))
        return Timestamp(secondsSinceEpoch: secondsSinceEpoch + seconds + carry, nanoseconds: Int32(nanos - carry * 1_000_000_000))
    }

    /// Positive when `other` is later.
    package func duration(to other: Timestamp) -> Duration {
        .seconds(other.secondsSinceEpoch - secondsSinceEpoch) + .nanoseconds(Int64(other.nanoseconds) - Int64(nanoseconds))
    }

    package static func < (a: Self, b: Self) -> Bool { (a.secondsSinceEpoch, a.nanoseconds) < (b.secondsSinceEpoch, b.nanoseconds) }

    private var seconds: String {
        let days = Int64((Double(secondsSinceEpoch) / 86400).rounded(.down))
        let second = secondsSinceEpoch - days * 86400
        let (year, month, day) = Self.date(days)
        let date = "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(day, 2))"
        return "\(date)T\(Self.padded(second / 3600, 2)):\(Self.padded(second / 60 % 60, 2)):\(Self.padded(second % 60, 2))"
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    /// Days since 1970-01-01 in the Gregorian calendar, counted in eras of 400 years that begin in March.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719468
    }

    private static func date(_ days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719468
        let era = (shifted >= 0 ? shifted : shifted - 146096) / 146097
        let dayOfEra = shifted - era * 146097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }
}
