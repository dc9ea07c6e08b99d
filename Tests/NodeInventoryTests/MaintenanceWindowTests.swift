import Testing

@testable import NodeInventory

@Suite struct MaintenanceWindowTests {
    /// A TZif file of version 2 with one transition and a rule, as zic writes them.
    private static let berlin: [UInt8] = {
        func number(_ value: Int64, _ size: Int) -> [UInt8] { (0..<size).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
        func header(_ counts: [Int64]) -> [UInt8] {
            Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15) + counts.flatMap { number($0, 4) }
        }
        let types = number(3600, 4) + [0, 0] + number(7200, 4) + [1, 4]
        let second = number(1_000_000_000, 8) + [1] + types + Array("CET\0CEST\0".utf8)
        return header([0, 0, 0, 0, 1, 1]) + [UInt8](repeating: 0, count: 7) + header([0, 0, 0, 1, 2, 9]) + second
            + Array("\nCET-1CEST,M3.5.0,M10.5.0/3\n".utf8)
    }()

    @Test func `a zone follows its transitions and then its rule`() throws {
        let zone = try #require(ZoneOffsets(tzif: Self.berlin))
        #expect(zone.offset(at: 999_999_999) == 3600)
        // 2026-03-29 and 2026-10-25, one in the morning UTC.
        #expect(zone.offset(at: 1_774_745_999) == 3600 && zone.offset(at: 1_774_746_000) == 7200)
        #expect(zone.offset(at: 1_792_889_999) == 7200 && zone.offset(at: 1_792_890_000) == 3600)
    }

    @Test func `a file that is cut or says nonsense is no zone`() {
        for length in 0..<(Self.berlin.count - 30) { #expect(ZoneOffsets(tzif: Array(Self.berlin.prefix(length))) == nil) }
        var nonsense = Self.berlin
        nonsense[44 + 7 + 36] = 0x7F
        #expect(ZoneOffsets(tzif: nonsense) == nil)
    }

    @Test(arguments: [
        ("UTC0", 1_774_746_000, 0), ("<+0330>-3:30", 0, 12_600), ("EST5EDT,M3.2.0,M11.1.0", 1_795_653_000, -18_000),
        // Summer over the turn of the year, south of the equator.
        ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_795_653_000, 39_600), ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_782_000_000, 36_000),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", 1_795_653_000, 0), ("ABC-1DEF,J60/0,300", 1_774_746_000, 7200),
    ]) func rules(_ text: String, _ moment: Int64, _ offset: Int64) {
        #expect(ZoneRule(text)?.offset(at: moment) == offset)
    }

    @Test(arguments: ["", "X", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0/3", "CET-1CEST,M3.5.0,M10.5.0/3x"])
    func noRules(_ text: String) {
        #expect(ZoneRule(text) == nil)
    }

    // Thursday 2026-11-26 00:30 UTC.
    private let thursday: Int64 = 1_795_653_000

    @Test func `a window is open from its start to its end on its days`() {
        let window = MaintenanceWindow(days: [.saturday], start: 120, end: 240)
        let opening: Int64 = 1_795_831_200
        #expect(!window.isOpen(at: thursday, in: .utc))
        #expect(window.nextOpening(after: thursday, in: .utc) == opening)
        #expect(window.isOpen(at: opening, in: .utc) && window.isOpen(at: opening + 7199, in: .utc))
        #expect(!window.isOpen(at: opening - 1, in: .utc) && !window.isOpen(at: opening + 7200, in: .utc))
        #expect(window.nextOpening(after: opening, in: .utc) == opening + 7 * 86400)
    }

    @Test func `a window over midnight belongs to the day it opens on`() {
        let window = MaintenanceWindow(days: [.wednesday], start: 23 * 60, end: 60)
        #expect(window.isOpen(at: thursday, in: .utc))
        #expect(!window.isOpen(at: thursday + 1800, in: .utc))
        #expect(!window.isOpen(at: thursday + 23 * 3600, in: .utc))
    }

    @Test func `it opens by the clock of its zone, also across a change of the clocks`() throws {
        let zone = try #require(ZoneOffsets(tzif: Self.berlin))
        let window = MaintenanceWindow(days: [.sunday], start: 4 * 60, end: 5 * 60, timeZone: "Europe/Berlin")
        // From Saturday in winter time to Sunday 04:00 in summer time, which is 02:00 UTC.
        #expect(window.nextOpening(after: 1_774_700_000, in: zone) == 1_774_749_600)
    }

    @Test func `the first of several windows counts, and one of an unknown zone never opens`() {
        let saturday = MaintenanceWindow(days: [.saturday], start: 120, end: 240)
        let nowhere = MaintenanceWindow(days: MaintenanceWindow.Day.allCases, start: 0, end: 0, timeZone: "Nowhere")
        #expect([MaintenanceWindow]().opening(at: thursday, zones: [:]) == .now)
        #expect([saturday, nowhere].opening(at: thursday, zones: ["UTC": .utc]) == .at(1_795_831_200))
        #expect([nowhere].opening(at: thursday, zones: ["UTC": .utc]) == .never)
        #expect([nowhere].opening(at: thursday, zones: ["Nowhere": .utc]) == .now)
        #expect(UTCText.minutes(1_795_831_200) == "2026-11-28 02:00 UTC")
        #expect(UTCText.seconds(1_795_831_267) == "2026-11-28 02:01:07 UTC")
    }
}
