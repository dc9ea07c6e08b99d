import Glibc
package import KubernetesModel

/// The two clocks the agent lives by: one that never jumps, for every wait and every deadline, and the wall's, only to be written down.
package protocol AgentClock: Sendable {
    /// Since some fixed moment; only differences mean something.
    var now: Duration { get }
    var timestamp: Timestamp { get }
    /// - Throws: `CancellationError`, at once when cancelled.
    func sleep(until deadline: Duration) async throws
}

package struct SystemClock: AgentClock {
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant

    package init() { start = ContinuousClock().now }

    package var now: Duration { start.duration(to: clock.now) }

    package var timestamp: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(secondsSinceEpoch: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }

    package func sleep(until deadline: Duration) async throws { try await clock.sleep(until: start + deadline) }
}

extension AgentClock {
    func sleep(for duration: Duration) async throws { try await sleep(until: now + duration) }
}

/// Does `work`, but gives up when `limit` has passed; nil then. The work is cancelled and awaited, so it must heed cancellation.
func withTimeLimit<Result: Sendable>(
    _ limit: Duration, clock: any AgentClock, _ work: @escaping @Sendable () async throws -> Result
) async throws -> Result? {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await work() }
        group.addTask {
            try await clock.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
    }
}
