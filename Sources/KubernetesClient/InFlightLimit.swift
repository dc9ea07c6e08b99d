/// How many requests, or other pieces of work, may be under way at once; others wait in the order they came.
package actor InFlightLimit {
    /// Of a piece of work that is under way.
    package struct Place: Hashable, Sendable {
        fileprivate let id: Int
    }

    private var free: Int
    /// Work that does not end within this time gives its place to one that waits, and goes on without; nil: it keeps it.
    private let patience: Duration?
    private var waiting: [(id: Int, continuation: CheckedContinuation<Void, any Error>)] = []
    private var nextID = 0
    /// Since when each place is taken, the longest first; without those that hold theirs.
    private var running: [(place: Place, since: ContinuousClock.Instant)] = []
    private var held: Set<Place> = []
    private var relief: Task<Void, Never>?

    package init(_ limit: Int, patience: Duration? = nil) {
        free = max(1, limit)
        self.patience = patience
    }

    package func run<Result: Sendable>(_ work: @Sendable () async throws -> Result) async throws -> Result {
        try await run { _ in try await work() }
    }

    package func run<Result: Sendable>(_ work: @Sendable (Place) async throws -> Result) async throws -> Result {
        let place = try await enter()
        defer { leave(place) }
        return try await work(place)
    }

    /// Does work of the caller's own actor in its turn. Who is cancelled waits for nobody: the work is done all the same.
    package func take(isolation: isolated (any Actor)? = #isolation, _ work: () async -> Void) async {
        let place = try? await enter()
        await work()
        if let place { await leave(place) }
    }

    /// Keeps a place however long it takes: whoever waits for a busy server slows down all behind.
    package func hold(_ place: Place) {
        guard let index = running.firstIndex(where: { $0.place == place }) else { return }
        running.remove(at: index)
        held.insert(place)
    }

    package func goOn(_ place: Place) {
        guard held.remove(place) != nil else { return }
        running.append((place, .now))
        relieve()
    }

    /// Takes a place, which has to be given back with `leave`.
    package func enter() async throws -> Place {
        try await awaitFreePlace()
        let place = Place(id: nextID)
        nextID += 1
        running.append((place, .now))
        return place
    }

    private func awaitFreePlace() async throws {
        try Task.checkCancellation()
        if free > 0 {
            free -= 1
            return
        }
        let id = nextID
        nextID += 1
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation {
                waiting.append((id, $0))
                relieve()
            }
        } onCancel: {
            Task { await self.abandon(id) }
        }
    }

    private func abandon(_ id: Int) {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: index).continuation.resume(throwing: CancellationError())
    }

    package func leave(_ place: Place) {
        if let index = running.firstIndex(where: { $0.place == place }) {
            running.remove(at: index)
        } else if held.remove(place) == nil {
            // Its place was given away.
            return
        }
        passOn()
    }

    private func passOn() {
        if waiting.isEmpty {
            free += 1
        } else {
            waiting.removeFirst().continuation.resume()
        }
    }

    /// While somebody waits, looks when the oldest work has used up its time.
    private func relieve() {
        guard let patience, relief == nil, !waiting.isEmpty, !running.isEmpty else { return }
        relief = Task {
            while let oldest = running.first, !waiting.isEmpty {
                try? await Task.sleep(until: oldest.since + patience, clock: .continuous)
                guard running.first?.place == oldest.place, !waiting.isEmpty else { continue }
                running.removeFirst()
                passOn()
            }
            relief = nil
        }
    }
}
