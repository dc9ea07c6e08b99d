import FileSystem
import Synchronization

/// How far a place's clocks are from UTC at any moment, from the host's zone files (TZif, RFC 9636).
struct TimeZone: Sendable {
    /// From each of these moments on an offset holds; ascending.
    private var transitions: [(moment: Int64, offset: Int64)] = []
    /// Before the first of them.
    private var first: Int64 = 0
    /// After the last of them; nil where the last offset goes on.
    private var rule: TimeZoneRule?

    private static let folder = "/usr/share/zoneinfo"
    private static let read = Mutex<[String: TimeZone]>([:])

    /// - Parameter name: `Europe/Paris`, as in the tz database.
    static func named(_ name: String) throws(Fault) -> TimeZone {
        if let known = read.withLock({ $0[name] }) { return known }
        let unknown = "the time zone \"\(name)\" is not known"
        let hint = "; UTC, offsets such as +02:00 and names such as Europe/Paris are"
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        let isName = parts.allSatisfy { part in
            part.first?.isLetter == true && part.utf8.allSatisfy { TimeZoneRule.isLetterOrDigit($0) || "_-+".utf8.contains($0) }
        }
        guard isName else { throw Fault(unknown + hint) }
        guard Files.exists(folder) else {
            throw Fault(
                "\(unknown): this machine has no zone files in \(folder); install the package tzdata, or give an offset such as +02:00")
        }
        guard let bytes = try? Files.read("\(folder)/\(name)", limit: 1 << 20), let zone = TimeZone(bytes) else {
            throw Fault(unknown + hint)
        }
        read.withLock { $0[name] = zone }
        return zone
    }

    /// In seconds, east of UTC positive.
    func offset(at moment: Int64) -> Int64 {
        guard let last = transitions.last, moment >= transitions[0].moment else {
            return transitions.isEmpty ? rule?.offset(at: moment) ?? first : first
        }
        if moment >= last.moment { return rule?.offset(at: moment) ?? last.offset }
        // The last transition that is not after the moment.
        var (low, high) = (0, transitions.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if transitions[middle].moment <= moment { low = middle } else { high = middle - 1 }
        }
        return transitions[low].offset
    }

    /// nil when it is no such file.
    init?(_ bytes: [UInt8]) {
        var reader = Reader(bytes: bytes)
        guard var header = Header(&reader) else { return nil }
        var width = 4
        if header.version >= 2 {
            // The block of 32-bit times is for old readers.
            guard reader.skip(header.size(timeWidth: 4)), let second = Header(&reader) else { return nil }
            (header, width) = (second, 8)
        }
        let moments = (0..<header.times).map { _ in reader.number(width) }
        let indices = (0..<header.times).map { _ in reader.byte() }
        let types = (0..<header.types).map { _ in
            let offset = reader.number(4)
            return reader.skip(2) ? offset : nil
        }
        guard reader.skip(header.size(timeWidth: width) - header.times * (width + 1) - header.types * 6), let base = types.first ?? nil
        else {
            return nil
        }
        first = base
        for (moment, index) in zip(moments, indices) {
            guard let moment, let index, Int(index) < types.count, let offset = types[Int(index)] else { return nil }
            transitions.append((moment, offset))
        }
        if header.version >= 2 { rule = TimeZoneRule(reader.line()) }
    }

    private struct Header {
        var version: Int
        var times, types: Int
        private var rest: (universal: Int, standard: Int, leaps: Int, characters: Int)

        init?(_ reader: inout Reader) {
            guard (0..<4).map({ _ in reader.byte() }) == Array("TZif".utf8), let version = reader.byte(), reader.skip(15) else {
                return nil
            }
            // A NUL is version 1, then come digits.
            self.version = version == 0 ? 1 : Int(version) - 48
            var counts: [Int] = []
            for _ in 0..<6 {
                guard let count = reader.number(4), (0...100_000).contains(count) else { return nil }
                counts.append(Int(count))
            }
            (times, types) = (counts[3], counts[4])
            rest = (counts[0], counts[1], counts[2], counts[5])
        }

        /// Of all that follows it, in bytes.
        func size(timeWidth: Int) -> Int {
            times * (timeWidth + 1) + types * 6 + rest.characters + rest.leaps * (timeWidth + 4) + rest.standard + rest.universal
        }
    }

    /// Goes through the bytes, numbers with the highest byte first.
    private struct Reader {
        let bytes: [UInt8]
        private var at = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        mutating func byte() -> UInt8? {
            guard at < bytes.count else { return nil }
            at += 1
            return bytes[at - 1]
        }

        /// Two's complement.
        mutating func number(_ width: Int) -> Int64? {
            guard at + width <= bytes.count else { return nil }
            var result: Int64 = bytes[at] >= 0x80 ? -1 : 0
            for _ in 0..<width { result = result << 8 | Int64(byte() ?? 0) }
            return result
        }

        mutating func skip(_ count: Int) -> Bool {
            guard count >= 0, at + count <= bytes.count else { return false }
            at += count
            return true
        }

        /// What is between two line ends.
        mutating func line() -> String {
            guard byte() == 0x0A else { return "" }
            return String(decoding: bytes[at...].prefix { $0 != 0x0A }, as: UTF8.self)
        }
    }
}

/// When summer time begins and ends in every year: the text `CET-1CEST,M3.5.0,M10.5.0/3` (POSIX.1-2024, 8.3 "TZ", with RFC 9636's hours
/// beyond a day).
struct TimeZoneRule: Sendable {
    private enum Day: Sendable {
        /// The n-th weekday of a month, 5 for its last.
        case weekday(month: Int64, week: Int64, day: Int64)
        /// From 1, the 29th of February never counted.
        case julian(Int64)
        /// From 0.
        case ofYear(Int64)
    }

    private struct Change: Sendable {
        var day: Day
        /// Of the wall clock that holds before it.
        var seconds: Int64 = 7200
    }

    private let standard: Int64
    private var summer: (offset: Int64, begin: Change, end: Change)?

    /// nil when it is no such text.
    init?(_ text: String) {
        var scan = Scan(text: Array(text.utf8))
        guard scan.name(), let west = scan.duration() else { return nil }
        standard = -west
        if scan.isAtEnd { return }
        guard scan.name() else { return nil }
        let offset = scan.isAt(",") ? standard + 3600 : scan.duration().map { -$0 }
        guard let offset, scan.skip(","), let begin = scan.change(), scan.skip(","), let end = scan.change(), scan.isAtEnd else {
            return nil
        }
        summer = (offset, begin, end)
    }

    func offset(at moment: Int64) -> Int64 {
        guard let summer else { return standard }
        let year = ClockReading.year(ofSeconds: moment + standard)
        let begin = Self.seconds(of: summer.begin, year) - standard
        let end = Self.seconds(of: summer.end, year) - summer.offset
        // In the south summer goes over the end of the year.
        let isSummer = begin < end ? moment >= begin && moment < end : moment >= begin || moment < end
        return isSummer ? summer.offset : standard
    }

    private static func seconds(of change: Change, _ year: Int64) -> Int64 {
        let newYear = CivilDate(year: year, month: 1, day: 1).daysSinceEpoch
        let day: Int64
        switch change.day {
        case .ofYear(let number): day = newYear + number
        case .julian(let number):
            let isLeap = CivilDate.days(inMonth: 2, of: year) == 29
            day = newYear + number - 1 + (isLeap && number >= 60 ? 1 : 0)
        case .weekday(let month, let week, let weekday):
            let first = CivilDate(year: year, month: month, day: 1).daysSinceEpoch
            let ahead = (weekday - ClockReading.dayOfWeek(first) + 7) % 7
            let last = CivilDate.days(inMonth: month, of: year) - 1
            day = first + ahead + min(week - 1, (last - ahead) / 7) * 7
        }
        return day * 86400 + change.seconds
    }

    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    private struct Scan {
        let text: [UInt8]
        private var at = 0

        init(text: [UInt8]) { self.text = text }

        var isAtEnd: Bool { at == text.count }

        func isAt(_ character: Unicode.Scalar) -> Bool { at < text.count && text[at] == UInt8(ascii: character) }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard isAt(character) else { return false }
            at += 1
            return true
        }

        /// `CET`, `<+03>`.
        mutating func name() -> Bool {
            let start = at
            if skip("<") {
                while at < text.count, !isAt(">") { at += 1 }
                return skip(">")
            }
            while at < text.count, text[at] | 0x20 >= 0x61, text[at] | 0x20 <= 0x7A { at += 1 }
            return at - start >= 3
        }

        mutating func number() -> Int64? {
            let start = at
            var result: Int64 = 0
            while at < text.count, (0x30...0x39).contains(text[at]), at - start < 4 {
                result = result * 10 + Int64(text[at] - 0x30)
                at += 1
            }
            return at > start ? result : nil
        }

        /// `-1`, `5:30`, in seconds.
        mutating func duration() -> Int64? {
            let isNegative = skip("-")
            if !isNegative { _ = skip("+") }
            guard var result = number().map({ $0 * 3600 }) else { return nil }
            for unit: Int64 in [60, 1] where skip(":") {
                guard let part = number() else { return nil }
                result += part * unit
            }
            return isNegative ? -result : result
        }

        /// `M3.5.0/3`, `J60`, `59`.
        mutating func change() -> Change? {
            guard let day = day() else { return nil }
            guard skip("/") else { return Change(day: day) }
            return duration().map { Change(day: day, seconds: $0) }
        }

        private mutating func day() -> Day? {
            if skip("J") { return number().map { .julian($0) } }
            guard skip("M") else { return number().map { .ofYear($0) } }
            guard let month = number(), skip("."), let week = number(), skip("."), let day = number(), (1...12).contains(month),
                (1...5).contains(week), (0...6).contains(day)
            else { return nil }
            return .weekday(month: month, week: week, day: day)
        }
    }
}
