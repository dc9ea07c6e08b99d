import Testing

@testable import Reconciliation

@Suite struct AlarmsTests {
    private let clock = ManualClock()

    /// Lets the clock go on once somebody sleeps by it.
    private func advance(by duration: Duration) async throws {
        try await eventually("somebody sleeps") { clock.sleeperCount == 1 }
        clock.advance(by: duration)
    }

    @Test func `each bell is rung at its moment, by one who sleeps for all`() async throws {
        let alarms = Alarms(clock: clock)
        let (first, second) = (Bell(), Bell())
        alarms.set(second, at: .seconds(20))
        alarms.set(first, at: .seconds(10))
        _ = first.takeWholeLook()
        try await advance(by: .seconds(10))
        await first.wait()
        #expect(!first.takeWholeLook(), "the moment alone is no news")
        try await advance(by: .seconds(10))
        await second.wait()
        #expect(clock.sleeperCount == 0)
    }

    @Test func `an alarm that is set anew or taken back does not ring at its first moment`() async throws {
        let alarms = Alarms(clock: clock)
        let (moved, none, other) = (Bell(), Bell(), Bell())
        alarms.set(moved, at: .seconds(10))
        alarms.set(none, at: .seconds(10))
        alarms.set(other, at: .seconds(10))
        alarms.set(moved, at: .seconds(30))
        alarms.set(none, at: nil)
        try await advance(by: .seconds(10))
        await other.wait()
        let early = Task {
            await moved.wait()
            return clock.now
        }
        try await advance(by: .seconds(20))
        #expect(await early.value == .seconds(30))
        let never = Task {
            await none.wait()
            return Task.isCancelled
        }
        try await Task.sleep(for: .milliseconds(20))
        #expect(clock.sleeperCount == 0)
        never.cancel()
        #expect(await never.value, "nothing but this ended the wait")
    }
}
