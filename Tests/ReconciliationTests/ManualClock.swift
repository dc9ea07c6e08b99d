import KubernetesModel
import Synchronization

@testable import Reconciliation

/// A clock that stands still until a test moves it.
final class ManualClock: AgentClock {
    private struct Sleeper {
        var deadline: Duration
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now: Duration = .zero
        var nextID = 0
        var sleepers: [Int: Sleeper] = [:]
        var cancelled: Set<Int> = []
    }

    private let state = Mutex(State())

    var now: Duration { state.withLock { $0.now } }
    var timestamp: Timestamp { Timestamp(secondsSinceEpoch: 1_800_000_000).advanced(by: now) }
    var sleeperCount: Int { state.withLock { $0.sleepers.count } }

    func advance(by duration: Duration) {
        let due = state.withLock { state -> [Sleeper] in
            state.now += duration
            let due = state.sleepers.filter { $0.value.deadline <= state.now }
            for id in due.keys { state.sleepers[id] = nil }
            return Array(due.values)
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    func sleep(until deadline: Duration) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome = state.withLock { state -> Result<Void, any Error>? in
                    if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                    if deadline <= state.now { return .success(()) }
                    state.sleepers[id] = Sleeper(deadline: deadline, continuation: continuation)
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                guard let sleeper = state.sleepers.removeValue(forKey: id) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return sleeper
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}

/// A clock that runs, and that a test sets forward.
final class ForwardClock: AgentClock {
    private let base = SystemClock()
    private let ahead = Shared(Duration.zero)

    var now: Duration { base.now + ahead.value }
    var timestamp: Timestamp { base.timestamp.advanced(by: ahead.value) }

    func advance(by duration: Duration) { ahead.update { $0 += duration } }

    func sleep(until deadline: Duration) async throws {
        while now < deadline { try await Task.sleep(for: min(.milliseconds(20), deadline - now)) }
    }
}
