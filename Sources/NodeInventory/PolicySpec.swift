/// How far a change may go by itself and how many nodes it may touch at a time.
package struct PolicySpec: Hashable, Sendable {
    package enum Approval: String, Hashable, Sendable, CaseIterable {
        case automatic, approve
    }

    /// Agents that are prepared, joined or restarted at the same time. Servers always go one at a time.
    package var concurrency: Int = 5
    /// What the agent may do to servers (join, replace, remove) by a push alone.
    package var servers: Approval = .approve
    package var upgrades: Approval = .automatic
    /// The number of nodes that one commit may remove.
    package var removals: Int = 1
    /// Hashes of plans that may be carried out, as `homelab status` shows them.
    package var approved: [String] = []
    package var drain = DrainPolicy()

    package init() {}
}

/// How a node is emptied before it is restarted or removed.
package struct DrainPolicy: Hashable, Sendable {
    package var enabled: Bool = true
    /// Seconds until the drain is given up.
    package var timeout: Int = 600
    /// Seconds each pod has to stop; nil: the pod's own.
    package var gracePeriod: Int?
    package var deleteEmptyDirData: Bool = true
    /// Go on with what could not be moved when the time is over, instead of stopping.
    package var force: Bool = false

    package init() {}
}

/// A time in which changes that interrupt something may be made; `start` after `end` means over midnight.
package struct MaintenanceWindow: Hashable, Sendable {
    package enum Day: String, Hashable, Sendable, CaseIterable {
        case monday, tuesday, wednesday, thursday, friday, saturday, sunday
    }

    package var days: [Day]
    /// Minutes since midnight in `timeZone`.
    package var start: Int
    package var end: Int
    /// A name of the tz database.
    package var timeZone: String

    package init(days: [Day], start: Int, end: Int, timeZone: String = "UTC") {
        self.days = days
        self.start = start
        self.end = end
        self.timeZone = timeZone
    }
}
