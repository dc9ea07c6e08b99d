/// Stops an endless fight over one object: the first repairs are free, then each waits longer, until the other side has been quiet.
package struct RepairGuard: Hashable, Sendable {
    /// Repairs within `window` that are made at once.
    package var freeRepairs = 3
    package var window: Duration = .seconds(60)
    package var limit: Duration = .seconds(300)

    private var repairs: [Duration] = []
    private var heldUntil: Duration?

    package init() {}

    /// Whether somebody keeps undoing the repairs.
    package var isFighting: Bool { repairs.count > freeRepairs }
    package var repairCount: Int { repairs.count }

    /// When the next repair may be made; nil for at once.
    package mutating func hold(now: Duration) -> Duration? {
        forget(now: now)
        guard let heldUntil, heldUntil > now else { return nil }
        return heldUntil
    }

    package mutating func repaired(now: Duration) {
        forget(now: now)
        repairs.append(now)
        guard repairs.count >= freeRepairs else { return }
        let wait = min(.seconds(1) * (1 << min(repairs.count - freeRepairs + 1, 20)), limit)
        heldUntil = now + wait
    }

    /// Repairs count until twice as long as the last wait (at least the window) has passed in peace.
    private mutating func forget(now: Duration) {
        guard let last = repairs.last else { return }
        let wait = heldUntil.map { $0 - last } ?? .zero
        if now - last > max(window, wait * 2) {
            repairs = []
            heldUntil = nil
        }
    }
}
