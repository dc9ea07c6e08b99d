import Synchronization

/// Rings bells at given moments. One task sleeps for all of them: a thousand units wait nearly all the time, and a task of its own for
/// each costs a kilobyte and more.
final class Alarms: Sendable {
    private struct State {
        var alarms: [ObjectIdentifier: (bell: Bell, at: Duration)] = [:]
        var sleeper: Task<Void, Never>?
        var sleepsUntil: Duration?
    }

    private let clock: any AgentClock
    private let state = Mutex(State())

    init(clock: any AgentClock) { self.clock = clock }

    deinit { state.withLock { $0.sleeper }?.cancel() }

    /// Whoever listens to the bell knows why it wanted to be woken. Takes the place of what was set for it before.
    /// - Parameter moment: nil for no alarm.
    func set(_ bell: Bell, at moment: Duration?) {
        state.withLock { state in
            state.alarms[ObjectIdentifier(bell)] = moment.map { (bell, $0) }
            if let moment, state.sleepsUntil.map({ moment < $0 }) ?? true { sleep(until: moment, &state) }
        }
    }

    private func sleep(until moment: Duration, _ state: inout State) {
        state.sleeper?.cancel()
        state.sleepsUntil = moment
        state.sleeper = Task { [weak self, clock] in
            guard (try? await clock.sleep(until: moment)) != nil else { return }
            self?.ring()
        }
    }

    private func ring() {
        let due = state.withLock { state in
            let now = clock.now
            let due = state.alarms.filter { $0.value.at <= now }
            for id in due.keys { state.alarms[id] = nil }
            (state.sleeper, state.sleepsUntil) = (nil, nil)
            if let next = state.alarms.values.map(\.at).min() { sleep(until: next, &state) }
            return due
        }
        for alarm in due.values { alarm.bell.ring(onlyNews: true) }
    }
}
