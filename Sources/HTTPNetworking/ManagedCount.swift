internal import Synchronization

/// A number that many threads change.
final class ManagedCount: Sendable {
    private let value = Atomic<Int>(0)

    /// The number after the change.
    @discardableResult
    func add(_ change: Int) -> Int { value.add(change, ordering: .relaxed).newValue }
}
