/// A moment between the years 1 and 9999, to the nanosecond.
package struct CELTimestamp: Sendable, Equatable, Comparable {
    package let seconds: Int64
    /// 0 to 999,999,999.
    package let nanoseconds: Int64

    static let outOfRange = Fault("a timestamp is out of range: the years go from 1 to 9999")
    private static let range = Int64(-62_135_596_800)...253_402_300_799

    init(seconds: Int64, nanoseconds: Int64 = 0) throws(Fault) {
        guard Self.range.contains(seconds) else { throw Self.outOfRange }
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// RFC 3339: `2026-11-24T04:05:06.5Z`, `2026-11-24T04:05:06+02:00`.
    init(text: String) throws(Fault) {
        let bad = Fault("\"\(text)\" is no timestamp; one is written like 2026-11-24T04:05:06Z (RFC 3339, years 1 to 9999: out of range?)")
        var scan = Scan(Array(text.utf8))
        guard let year = scan.number(4), scan.skip("-"), let month = scan.number(2), scan.skip("-"), let day = scan.number(2),
            scan.skip("T") || scan.skip("t"), let hour = scan.number(2), scan.skip(":"), let minute = scan.number(2), scan.skip(":"),
            let second = scan.number(2), hour < 24, minute < 60, second < 60, (1...12).contains(month),
            day >= 1, day <= CivilDate.days(inMonth: month, of: year)
        else { throw bad }
        var nanoseconds: Int64 = 0
        if scan.skip(".") {
            guard let fraction = scan.fraction() else { throw bad }
            nanoseconds = fraction
        }
        var offset: Int64 = 0
        if !scan.skip("Z"), !scan.skip("z") {
            guard let shown = scan.offset() else { throw bad }
            offset = shown
        }
        guard scan.isAtEnd else { throw bad }
        let days = CivilDate(year: year, month: month, day: day).daysSinceEpoch
        try self.init(seconds: days * 86400 + hour * 3600 + minute * 60 + second - offset, nanoseconds: nanoseconds)
    }

    package static func < (a: CELTimestamp, b: CELTimestamp) -> Bool { (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds) }

    static func + (moment: CELTimestamp, duration: CELDuration) throws(Fault) -> CELTimestamp {
        let sum = moment.nanoseconds + duration.nanoseconds % 1_000_000_000
        let carry: Int64 = sum < 0 ? -1 : sum >= 1_000_000_000 ? 1 : 0
        return try CELTimestamp(
            seconds: moment.seconds + duration.nanoseconds / 1_000_000_000 + carry, nanoseconds: sum - carry * 1_000_000_000)
    }

    static func - (moment: CELTimestamp, duration: CELDuration) throws(Fault) -> CELTimestamp {
        guard duration.nanoseconds > .min else { throw outOfRange }
        return try moment + CELDuration(nanoseconds: -duration.nanoseconds)
    }

    static func - (a: CELTimestamp, b: CELTimestamp) throws(Fault) -> CELDuration {
        let (whole, overflow) = (a.seconds - b.seconds).multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { throw CELDuration.outOfRange }
        return try CELDuration(nanoseconds: whole) + CELDuration(nanoseconds: a.nanoseconds - b.nanoseconds)
    }

    /// In UTC, with as many digits of a fraction as there are.
    var text: String {
        let clock = ClockReading(self)
        func padded(_ number: Int64, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        var text = "\(padded(clock.date.year, 4))-\(padded(clock.date.month, 2))-\(padded(clock.date.day, 2))"
        text += "T\(padded(clock.hour, 2)):\(padded(clock.minute, 2)):\(padded(clock.second, 2))"
        if nanoseconds > 0 { text += "." + String(padded(nanoseconds, 9).reversed().drop { $0 == "0" }.reversed()) }
        return text + "Z"
    }
}

/// What clocks and calendars of a zone show at a moment.
struct ClockReading {
    let date: CivilDate
    let hour, minute, second, dayOfWeek: Int64

    init(_ moment: CELTimestamp, offset: Int64 = 0) {
        let local = moment.seconds + offset
        let days = (local - (local % 86400 + 86400) % 86400) / 86400
        let rest = local - days * 86400
        date = CivilDate(daysSinceEpoch: days)
        hour = rest / 3600
        minute = rest / 60 % 60
        second = rest % 60
        dayOfWeek = Self.dayOfWeek(days)
    }

    /// 1970-01-01 was a Thursday; Sunday is 0.
    static func dayOfWeek(_ daysSinceEpoch: Int64) -> Int64 { ((daysSinceEpoch + 4) % 7 + 7) % 7 }

    static func year(ofSeconds seconds: Int64) -> Int64 {
        CivilDate(daysSinceEpoch: (seconds - (seconds % 86400 + 86400) % 86400) / 86400).year
    }

    /// `UTC`, an offset such as `+02:00` and `-05:30`, or the name of a place as in `Europe/Paris`; in seconds.
    static func offset(ofZone zone: String, at moment: CELTimestamp) throws(Fault) -> Int64 {
        if zone.isEmpty || zone == "UTC" || zone == "Z" { return 0 }
        var scan = Scan(Array((zone.first == "+" || zone.first == "-" ? zone : "+" + zone).utf8))
        if let offset = scan.offset(), scan.isAtEnd { return offset }
        return try TimeZone.named(zone).offset(at: moment.seconds)
    }
}

/// A day of the Gregorian calendar, also before it was introduced.
///
/// Source of the reckoning: Howard Hinnant, "chrono-compatible low-level date algorithms".
struct CivilDate {
    let year, month, day: Int64

    init(year: Int64, month: Int64, day: Int64) {
        (self.year, self.month, self.day) = (year, month, day)
    }

    init(daysSinceEpoch days: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSinceEpoch: Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// 0 for the first of January.
    var dayOfYear: Int64 { daysSinceEpoch - CivilDate(year: year, month: 1, day: 1).daysSinceEpoch }

    static func days(inMonth month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

/// Reads the parts of a timestamp one after another.
private struct Scan {
    private let bytes: [UInt8]
    private var at = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { at == bytes.count }

    private var digit: Int64? {
        guard at < bytes.count, bytes[at] >= 48, bytes[at] <= 57 else { return nil }
        return Int64(bytes[at] - 48)
    }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    mutating func number(_ width: Int) -> Int64? {
        var result: Int64 = 0
        for _ in 0..<width {
            guard let digit else { return nil }
            result = result * 10 + digit
            at += 1
        }
        return result
    }

    /// The digits behind a point as nanoseconds; those beyond the ninth are dropped.
    mutating func fraction() -> Int64? {
        var result: Int64 = 0
        var scale: Int64 = 100_000_000
        let start = at
        while let digit {
            result += digit * scale
            scale /= 10
            at += 1
        }
        return at > start ? result : nil
    }

    /// `+02:00`, in seconds.
    mutating func offset() -> Int64? {
        let isNegative = skip("-")
        guard isNegative || skip("+"), let hours = number(2), skip(":"), let minutes = number(2), hours < 24, minutes < 60 else {
            return nil
        }
        return (hours * 3600 + minutes * 60) * (isNegative ? -1 : 1)
    }
}
