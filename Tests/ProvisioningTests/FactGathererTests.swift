import Foundation
import NodePlanning
import Testing

@testable import Provisioning

@Suite struct FactGathererTests {
    /// The number of `reference` has nothing to do with what the clocks show.
    @Test func aMachinesClockIsReadAgainstThisOne() async throws {
        let printed = (Date().timeIntervalSince1970 - 400).rounded()
        let host = FakeHost("s1").on("sh -s", .ok("homelab-facts 1\ntime=\(Int(printed))\nend\n"))
        let clock = try await FactGatherer.facts(of: host, script: "", reference: 1000).clock
        let offset = try #require(clock.offset)
        #expect(abs(offset + 400) < 20, "\(clock)")
        #expect(clock.printed == printed && abs(clock.now - 600) < 20, "\(clock)")
        let silent = FakeHost("s2").on("sh -s", .ok("homelab-facts 1\nend\n"))
        #expect(try await FactGatherer.facts(of: silent, script: "").clock.offset == nil)
    }
}
