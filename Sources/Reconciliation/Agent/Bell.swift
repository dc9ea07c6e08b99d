import Synchronization

/// Wakes a loop: rung by many, heard by one. Rings while nobody listens, and many rings at once, are heard as one.
package final class Bell: Sendable {
    private struct State {
        var isRung = false
        var asksForWholeLook = true
        var listener: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    package init() {}

    /// - Parameter onlyNews: what there is to hear can be asked for elsewhere, and nothing else has changed.
    package func ring(onlyNews: Bool = false) {
        let listener = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if !onlyNews { state.asksForWholeLook = true }
            guard let listener = state.listener else {
                state.isRung = true
                return nil
            }
            state.listener = nil
            return listener
        }
        listener?.resume()
    }

    /// Whether it was rung for more than news since this was asked last; true at first.
    package func takeWholeLook() -> Bool {
        state.withLock { state in
            defer { state.asksForWholeLook = false }
            return state.asksForWholeLook
        }
    }

    /// Returns when it was rung, when `deadline` has passed, or when the task is cancelled.
    package func wait(until deadline: Duration?, clock: any AgentClock) async {
        guard let deadline else { return await wait() }
        let alarm = Task {
            try await clock.sleep(until: deadline)
            // The listener knows why it wanted to be woken.
            ring(onlyNews: true)
        }
        await wait()
        alarm.cancel()
    }

    package func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state -> Bool in
                    if state.isRung || Task.isCancelled {
                        state.isRung = false
                        return true
                    }
                    state.listener = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            let listener = state.withLock { state -> CheckedContinuation<Void, Never>? in
                defer { state.listener = nil }
                return state.listener
            }
            listener?.resume()
        }
    }
}

/// A value that loops share: set by one, read by any, and every change rings the bells of those who wait for it.
package final class Shared<Value: Sendable>: Sendable {
    private let state: Mutex<(value: Value, bells: [Bell])>

    package init(_ value: Value) { state = Mutex((value, [])) }

    package var value: Value { state.withLock { $0.value } }

    package func update(_ change: @Sendable (inout Value) -> Void) {
        let bells = state.withLock { state in
            change(&state.value)
            return state.bells
        }
        for bell in bells { bell.ring() }
    }

    package func attach(_ bell: Bell) { state.withLock { $0.bells.append(bell) } }

    package func detach(_ bell: Bell) { state.withLock { state in state.bells.removeAll { $0 === bell } } }
}
