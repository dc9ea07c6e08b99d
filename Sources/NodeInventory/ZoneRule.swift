/// A POSIX TZ string, `CET-1CEST,M3.5.0,M10.5.0/3`: the standard and summer time that hold after a TZif file's last transition
/// (POSIX.1-2017, 8.3, with RFC 9636's wider hours).
struct ZoneRule: Hashable, Sendable {
    /// A day of the year on which the clocks are changed, and when.
    struct Change: Hashable, Sendable {
        enum Day: Hashable, Sendable {
            /// The week 1...5 (5: the last) of a month, and its day, 0 for Sunday.
            case weekday(month: Int, week: Int, day: Int)
            /// 1...365, the 29th of February is never counted.
            case julian(Int)
            /// 0...365, counting the 29th of February.
            case ordinal(Int)
        }

        var day: Day
        /// Seconds after local midnight.
        var time: Int64
    }

    /// Seconds east of UTC.
    let standard: Int64
    let summer: Int64
    let starts: Change?
    let ends: Change?

    init?(_ text: String) {
        var rest = Substring(text)
        guard Self.skipName(&rest), let standard = Self.duration(&rest) else { return nil }
        self.standard = -standard
        guard !rest.isEmpty else {
            (summer, starts, ends) = (-standard, nil, nil)
            return
        }
        guard Self.skipName(&rest) else { return nil }
        let summer = rest.first == "," ? nil : Self.duration(&rest)
        self.summer = summer.map { -$0 } ?? -standard + 3600
        guard let starts = Self.change(&rest), let ends = Self.change(&rest), rest.isEmpty else { return nil }
        (self.starts, self.ends) = (starts, ends)
    }

    func offset(at moment: Int64) -> Int64 {
        guard let starts, let ends else { return standard }
        let year = CivilDate(day: floorDivide(moment + standard, 86400)).year
        let start = starts.moment(in: year) - standard
        let end = ends.moment(in: year) - summer
        let isSummer = start < end ? moment >= start && moment < end : !(moment >= end && moment < start)
        return isSummer ? summer : standard
    }

    // MARK: Reading

    /// Letters, or anything between angle brackets.
    private static func skipName(_ rest: inout Substring) -> Bool {
        if rest.first == "<" {
            guard let end = rest.firstIndex(of: ">") else { return false }
            rest = rest[rest.index(after: end)...]
            return true
        }
        let name = rest.prefix { $0.isLetter }
        rest = rest[name.endIndex...]
        return name.count >= 3
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    private static func duration(_ rest: inout Substring) -> Int64? {
        let isNegative = rest.first == "-"
        if rest.first == "-" || rest.first == "+" { rest = rest.dropFirst() }
        let text = rest.prefix { $0.isNumber || $0 == ":" }
        rest = rest[text.endIndex...]
        let parts = text.split(separator: ":").map { Int64($0) }
        guard (1...3).contains(parts.count), !parts.contains(nil) else { return nil }
        let seconds = zip(parts, [3600, 60, 1] as [Int64]).reduce(Int64(0)) { $0 + ($1.0 ?? 0) * $1.1 }
        return isNegative ? -seconds : seconds
    }

    /// `,M3.5.0/2`, `,J60` or `,59`; two in the morning when no time is given.
    private static func change(_ rest: inout Substring) -> Change? {
        guard rest.first == "," else { return nil }
        rest = rest.dropFirst()
        let text = rest.prefix { $0 != "/" && $0 != "," }
        rest = rest[text.endIndex...]
        var time: Int64 = 7200
        if rest.first == "/" {
            rest = rest.dropFirst()
            guard let given = duration(&rest) else { return nil }
            time = given
        }
        if text.first == "M" {
            let parts = text.dropFirst().split(separator: ".").compactMap { Int($0) }
            guard parts.count == 3, (1...12).contains(parts[0]), (1...5).contains(parts[1]), (0...6).contains(parts[2]) else { return nil }
            return Change(day: .weekday(month: parts[0], week: parts[1], day: parts[2]), time: time)
        }
        if text.first == "J" { return Int(text.dropFirst()).map { Change(day: .julian($0), time: time) } }
        return Int(text).map { Change(day: .ordinal($0), time: time) }
    }
}

extension ZoneRule.Change {
    /// In local seconds since 1970 of this year.
    func moment(in year: Int64) -> Int64 {
        let newYear = CivilDate(year: year, month: 1, day: 1).daysSinceEpoch
        let number: Int64
        switch day {
        case .ordinal(let count): number = newYear + Int64(count)
        case .julian(let count): number = newYear + Int64(count) - 1 + (CivilDate.isLeap(year) && count >= 60 ? 1 : 0)
        case .weekday(let month, let week, let weekday):
            let first = CivilDate(year: year, month: Int64(month), day: 1).daysSinceEpoch
            let next = month == 12 ? CivilDate(year: year + 1, month: 1, day: 1) : CivilDate(year: year, month: Int64(month) + 1, day: 1)
            // 1970-01-01 was a Thursday, 4 when Sunday is 0.
            var found = first + (Int64(weekday) - (first + 4) % 7 + 7) % 7 + Int64(week - 1) * 7
            while found >= next.daysSinceEpoch { found -= 7 }
            number = found
        }
        return number * 86400 + time
    }
}

/// A date of the Gregorian calendar, counted as Howard Hinnant's `days_from_civil` does.
struct CivilDate: Hashable, Sendable {
    var year: Int64
    var month: Int64
    var day: Int64

    init(year: Int64, month: Int64, day: Int64) { (self.year, self.month, self.day) = (year, month, day) }

    /// - Parameter day: days since 1970-01-01.
    init(day: Int64) {
        let shifted = day + 719_468
        let era = floorDivide(shifted, 146_097)
        let ofEra = shifted - era * 146_097
        let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * ofYear + 2) / 153
        self.day = ofYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSinceEpoch: Int64 {
        let fromMarch = month <= 2 ? year - 1 : year
        let era = floorDivide(fromMarch, 400)
        let yearOfEra = fromMarch - era * 400
        let ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + ofYear - 719_468
    }

    static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
}

/// Rounds towards minus infinity, as counting days before 1970 needs.
func floorDivide(_ number: Int64, _ divisor: Int64) -> Int64 {
    let quotient = number / divisor
    return number % divisor < 0 ? quotient - 1 : quotient
}

/// A moment as people read it.
package enum UTCText {
    /// `2026-11-26 02:00 UTC`.
    package static func minutes(_ moment: Int64) -> String { "\(toTheMinute(moment)) UTC" }

    /// `2026-11-26 02:00:07 UTC`.
    package static func seconds(_ moment: Int64) -> String {
        "\(toTheMinute(moment)):\(two(moment - floorDivide(moment, 60) * 60)) UTC"
    }

    private static func toTheMinute(_ moment: Int64) -> String {
        let day = floorDivide(moment, 86400)
        let date = CivilDate(day: day)
        let minute = (moment - day * 86400) / 60
        return "\(date.year)-\(two(date.month))-\(two(date.day)) \(two(minute / 60)):\(two(minute % 60))"
    }

    private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
