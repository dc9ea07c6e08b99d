package import KubernetesModel

/// Decides from what was seen of the Lease who leads. Expiry counts from the moment this process saw the record change, on its own
/// steady clock: the times in the record were written by other machines' clocks, which may be off (as client-go's leaderelection does it).
package struct LeaseWatchman: Hashable, Sendable {
    package enum Decision: Hashable, Sendable {
        case create
        /// Take it over; the resourceVersion in hand makes a second taker fail.
        case take
        /// Somebody else has it, at least until then.
        case wait(until: Duration)
        case held
    }

    package let identity: String
    private let predecessors: String?
    package private(set) var record: LeaseRecord?
    package private(set) var resourceVersion = ""
    private var changedAt: Duration = .zero

    /// - Parameter predecessors: how the identities of processes begin that have ended, and whose Lease need not run out.
    package init(identity: String, predecessors: String? = nil) {
        self.identity = identity
        self.predecessors = predecessors
    }

    package mutating func observe(_ lease: Manifest?, now: Duration) {
        guard let lease else {
            record = nil
            resourceVersion = ""
            return
        }
        let record = LeaseRecord(of: lease)
        if record != self.record { changedAt = now }
        self.record = record
        resourceVersion = lease.resourceVersion
    }

    /// What a watch tells: it may be older than what this process has written or read since.
    package mutating func follow(_ lease: Manifest, isGone: Bool, now: Duration) {
        if lease.isOlder(than: resourceVersion) { return }
        observe(isGone ? nil : lease, now: now)
    }

    package func decision(now: Duration) -> Decision {
        guard let record else { return .create }
        if record.holder == identity { return .held }
        if record.holder.isEmpty || predecessors.map(record.holder.hasPrefix) == true { return .take }
        let expiry = changedAt + .seconds(record.durationSeconds)
        return expiry <= now ? .take : .wait(until: expiry)
    }

    /// The record to write when taking or renewing it.
    package func claim(at time: Timestamp, durationSeconds: Int64) -> LeaseRecord {
        guard let record else {
            return LeaseRecord(holder: identity, durationSeconds: durationSeconds, acquireTime: time, renewTime: time)
        }
        let isOurs = record.holder == identity
        return LeaseRecord(
            holder: identity, durationSeconds: durationSeconds, acquireTime: isOurs ? record.acquireTime ?? time : time, renewTime: time,
            transitions: record.transitions + (isOurs ? 0 : 1))
    }

    /// The record of a graceful leave: nobody holds it, so nobody waits for it to run out.
    package func release(at time: Timestamp) -> LeaseRecord? {
        guard let record, record.holder == identity else { return nil }
        return LeaseRecord(
            holder: "", durationSeconds: 1, acquireTime: time, renewTime: time, transitions: record.transitions)
    }
}
