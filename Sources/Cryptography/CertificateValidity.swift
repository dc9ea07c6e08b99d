/// The dates of an X.509 certificate (RFC 5280 section 4.1.2.5) and its subject's common name: what is needed to say when it expires.
package struct CertificateValidity: Hashable, Sendable {
    /// Seconds since 1970.
    package let notBefore: Int
    package let notAfter: Int

    /// nil when the bytes are no DER certificate.
    package init?(der bytes: [UInt8]) {
        var outer = DERReader(bytes[...])
        guard var certificate = outer.contents(tag: 0x30), var body = certificate.contents(tag: 0x30) else { return nil }
        // version [0], serialNumber, signature, issuer, then validity.
        _ = body.contents(tag: 0xA0)
        guard body.contents(tag: 0x02) != nil, body.contents(tag: 0x30) != nil, body.contents(tag: 0x30) != nil,
            var validity = body.contents(tag: 0x30), let first = validity.time(), let last = validity.time()
        else { return nil }
        notBefore = first
        notAfter = last
    }

    /// The first certificate of a PEM file; nil when there is none.
    package init?(pem text: String) {
        guard let bytes = PEM.decode(text, label: "CERTIFICATE") else { return nil }
        self.init(der: bytes)
    }
}

/// Reads DER elements one after the other.
private struct DERReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The contents of the next element when it has this tag; otherwise nil, and nothing is read.
    mutating func contents(tag: UInt8) -> DERReader? {
        guard rest.count >= 2, rest[rest.startIndex] == tag else { return nil }
        var at = rest.startIndex + 1
        var count = Int(rest[at])
        at += 1
        if count & 0x80 != 0 {
            let digits = count & 0x7F
            guard (1...4).contains(digits), rest.endIndex - at >= digits else { return nil }
            count = rest[at..<(at + digits)].reduce(0) { $0 << 8 | Int($1) }
            at += digits
        }
        guard rest.endIndex - at >= count else { return nil }
        defer { rest = rest[(at + count)...] }
        return DERReader(rest[at..<(at + count)])
    }

    /// UTCTime `YYMMDDhhmmssZ` or GeneralizedTime `YYYYMMDDhhmmssZ`.
    mutating func time() -> Int? {
        let isShort = rest.first == 0x17
        guard let element = contents(tag: isShort ? 0x17 : 0x18) else { return nil }
        let text = element.rest
        guard text.last == UInt8(ascii: "Z"), text.count == (isShort ? 13 : 15) else { return nil }
        let digits = text.dropLast().map { Int($0) - 48 }
        guard digits.allSatisfy({ (0...9).contains($0) }) else { return nil }
        var pairs = stride(from: 0, to: digits.count, by: 2).map { digits[$0] * 10 + digits[$0 + 1] }
        let year: Int
        if isShort {
            let short = pairs.removeFirst()
            // RFC 5280: 50 and more is of the last century.
            year = short >= 50 ? 1900 + short : 2000 + short
        } else {
            year = pairs.removeFirst() * 100 + pairs.removeFirst()
        }
        return Self.days(year, pairs[0], pairs[1]) * 86400 + pairs[2] * 3600 + pairs[3] * 60 + pairs[4]
    }

    /// Days since 1970 of a date of the Gregorian calendar, counted from March so that the leap day comes last.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month > 2 ? year : year - 1
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
