/// How long to wait after the n-th failure in a row: doubling from `first` to `limit`, spread by up to a fifth so that many do not come at once.
package struct Backoff: Hashable, Sendable {
    package var first: Duration
    package var limit: Duration
    package private(set) var failures = 0

    package init(first: Duration = .seconds(1), limit: Duration = .seconds(300)) {
        self.first = first
        self.limit = limit
    }

    package mutating func reset() { failures = 0 }

    /// Notes a failure and gives the wait before the next attempt; never less than what the other side asked for.
    /// - Parameter spread: between 0 and 1, from a random generator; fixed in tests.
    package mutating func failed(atLeast floor: Duration? = nil, spread: Double = .random(in: 0..<1)) -> Duration {
        let doublings = min(failures, 20)
        failures += 1
        let wait = min(first * (1 << doublings), limit)
        let spreadWait = wait + wait * (spread / 5)
        return floor.map { max($0, spreadWait) } ?? spreadWait
    }
}
