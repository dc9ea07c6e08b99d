import Testing

@testable import CEL

@Suite struct TimeZoneTests {
    /// Of moments in 2026, in hours.
    @Test(arguments: [
        ("EST5EDT,M3.2.0,M11.1.0", 1_772_953_199, -5.0), ("EST5EDT,M3.2.0,M11.1.0", 1_772_953_200, -4.0),
        // Without a name for summer there is none; a name in brackets may be a number.
        ("<+0545>-5:45", 1_784_116_800, 5.75),
        // South of the equator it goes over the new year.
        ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_768_478_400, 11), ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_784_116_800, 10),
        // Half an hour, days of the year, and changes on the day before.
        ("LHST-10:30LHDT-11,M10.1.0,M4.1.0", 1_768_478_400, 11), ("XXX0YYY,J60/0,J61/0", 1_772_323_199, 0),
        ("XXX0YYY,J60/0,J61/0", 1_772_323_200, 1), ("XXX0YYY,59/0,60/0", 1_772_323_200, 1),
        ("XXX0YYY,M1.2.0/-24,M12.1.0", 1_768_003_200, 1),
    ])
    func `a rule says when summer begins`(text: String, moment: Int64, hours: Double) throws {
        let rule = try #require(TimeZoneRule(text))
        #expect(rule.offset(at: moment) == Int64(hours * 3600))
    }

    @Test(arguments: ["", "C1", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "<+03", "CET-1CEST,M3.5.0,M10.5.0 "])
    func `what is no rule is none`(text: String) { #expect(TimeZoneRule(text) == nil) }

    @Test func `a file that was cut is none`() throws {
        let file: [UInt8] =
            Array("TZif".utf8) + [0] + [UInt8](repeating: 0, count: 15)
            // One type, two characters, one transition at 100 s to one hour.
            + [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4] + [0, 0, 0, 100, 1]
            + [0, 0, 0, 0, 0, 0] + [0, 0, 0x0E, 0x10, 1, 0] + Array("ABC".utf8) + [0]
        let zone = try #require(TimeZone(file))
        #expect(zone.offset(at: 99) == 0 && zone.offset(at: 100) == 3600 && zone.offset(at: 1 << 40) == 3600)
        for length in 0..<file.count { #expect(TimeZone(Array(file.prefix(length))) == nil) }
    }
}
