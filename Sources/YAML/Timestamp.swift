/// A YAML 1.1 timestamp: `2001-1-31`, `2001-01-31 12:30:00.5`, `2001-01-31T12:30:00+02:00`.
struct Timestamp {
    private var year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0
    private var fraction: [UInt8] = []
    private var zone = "Z"

    init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard bytes.count >= 8, bytes[4] == UInt8(ascii: "-") else { return nil }
        var scan = Scan(bytes: bytes)
        guard let year = scan.number(digits: 4...4), scan.skip("-"), let month = scan.number(digits: 1...2), scan.skip("-"),
            let day = scan.number(digits: 1...2), (1...12).contains(month), (1...Self.days(year, month)).contains(day)
        else { return nil }
        (self.year, self.month, self.day) = (year, month, day)
        if scan.isAtEnd { return }
        let space = scan.skip(" ")
        guard space || scan.skip("T") || scan.skip("t") else { return nil }
        guard let hour = scan.number(digits: 1...2), scan.skip(":"), let minute = scan.number(digits: 1...2), scan.skip(":"),
            let second = scan.number(digits: 1...2), hour < 24, minute < 60, second < 60
        else { return nil }
        (self.hour, self.minute, self.second) = (hour, minute, second)
        if scan.skip(".") {
            fraction = scan.digits()
            guard (1...9).contains(fraction.count) else { return nil }
        }
        guard space || scan.zone(into: &zone) else { return nil }
        guard scan.isAtEnd else { return nil }
    }

    var rfc3339: String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
        var text = String(repeating: "0", count: 4 - String(year).count) + String(year)
        text += "-\(two(month))-\(two(day))T\(two(hour)):\(two(minute)):\(two(second))"
        var digits = fraction
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        if !digits.isEmpty { text += "." + String(decoding: digits, as: UTF8.self) }
        return text + zone
    }

    private static func days(_ year: Int, _ month: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private struct Scan {
        let bytes: UnsafeBufferPointer<UInt8>
        var at = 0

        var isAtEnd: Bool { at == bytes.count }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
            at += 1
            return true
        }

        mutating func digits() -> [UInt8] {
            let start = at
            while at < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[at]) { at += 1 }
            return Array(bytes[start..<at])
        }

        mutating func number(digits allowed: ClosedRange<Int>) -> Int? {
            let found = digits()
            guard allowed.contains(found.count) else { return nil }
            return found.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        }

        /// `Z` or `+hh:mm`; an offset of zero is written `Z`.
        mutating func zone(into zone: inout String) -> Bool {
            if skip("Z") { return true }
            let negative = skip("-")
            guard negative || skip("+"), let hours = number(digits: 2...2), skip(":"), let minutes = number(digits: 2...2),
                hours <= 24, minutes < 60
            else { return false }
            if hours == 0, minutes == 0 { return true }
            zone = (negative ? "-" : "+") + (hours < 10 ? "0" : "") + "\(hours):" + (minutes < 10 ? "0" : "") + "\(minutes)"
            return true
        }
    }
}
