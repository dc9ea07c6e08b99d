import Glibc

/// Reads a line of an allowed signers file word by word: principals, options, key.
struct AllowedSignersLine {
    struct Problem: Error {
        let summary: String
        let remedy: String

        init(_ summary: String, _ remedy: String) {
            self.summary = summary
            self.remedy = remedy
        }
    }

    private(set) var rest: Substring

    init(_ line: Substring) {
        rest = line.drop { $0.isWhitespace }
        while rest.last?.isWhitespace == true { rest = rest.dropLast() }
    }

    var isComment: Bool { rest.isEmpty || rest.hasPrefix("#") }

    /// Up to a space that stands in no quotes, without the quotes.
    mutating func word() -> String? {
        var isQuoted = false
        let end = rest.firstIndex { character in
            if character == "\"" { isQuoted.toggle() }
            return !isQuoted && (character == " " || character == "\t")
        }
        guard !isQuoted else { return nil }
        let word = rest[..<(end ?? rest.endIndex)]
        rest = rest[(end ?? rest.endIndex)...].drop { $0 == " " || $0 == "\t" }
        return word.filter { $0 != "\"" }
    }

    /// `name`, `name="value"` and commas between them; names count in any case.
    mutating func options() -> [String: String] {
        var isQuoted = false
        var parts = [""]
        while let character = rest.first, isQuoted || (character != " " && character != "\t") {
            rest = rest.dropFirst()
            if character == "\"" {
                isQuoted.toggle()
            } else if character == ",", !isQuoted {
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
        }
        rest = rest.drop { $0 == " " || $0 == "\t" }
        return Dictionary(
            parts.map { part in
                let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (pair[0].lowercased(), pair.count == 2 ? String(pair[1]) : "")
            }
        ) { $1 }
    }

    /// Seconds since 1970 of `YYYYMMDD[Z]` or `YYYYMMDDHHMM[SS][Z]`; without Z in UTC too, because a server's zone is no part of a policy.
    static func time(_ text: String) -> Int64? {
        let digits = Array((text.hasSuffix("Z") ? text.dropLast() : text[...]).utf8)
        guard [8, 12, 14].contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        func number(_ start: Int, _ count: Int) -> Int32 {
            guard start < digits.count else { return 0 }
            return digits[start..<(start + count)].reduce(0) { $0 * 10 + Int32($1) - 48 }
        }
        var time = tm()
        time.tm_year = number(0, 4) - 1900
        time.tm_mon = number(4, 2) - 1
        time.tm_mday = number(6, 2)
        (time.tm_hour, time.tm_min, time.tm_sec) = (number(8, 2), number(10, 2), number(12, 2))
        guard (0...11).contains(time.tm_mon), (1...31).contains(time.tm_mday), time.tm_hour < 24, time.tm_min < 60, time.tm_sec <= 60 else {
            return nil
        }
        return Int64(timegm(&time))
    }

    /// OpenSSH's pattern lists: `*`, `?`, and `!` before what is excepted.
    static func matches(_ text: String, _ patterns: [String]) -> Bool {
        var isMatch = false
        for pattern in patterns {
            let isNegated = pattern.hasPrefix("!")
            guard matches(Array(text)[...], Array(isNegated ? pattern.dropFirst() : pattern[...])[...]) else { continue }
            if isNegated { return false }
            isMatch = true
        }
        return isMatch
    }

    private static func matches(_ text: ArraySlice<Character>, _ pattern: ArraySlice<Character>) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        if first == "*" { return (0...text.count).contains { matches(text.dropFirst($0), pattern.dropFirst()) } }
        guard let character = text.first, first == "?" || first == character else { return false }
        return matches(text.dropFirst(), pattern.dropFirst())
    }
}
