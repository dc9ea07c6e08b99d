extension MaintenanceWindow {
    /// Whether a change may begin at this moment (seconds since 1970).
    package func isOpen(at moment: Int64, in zone: ZoneOffsets) -> Bool {
        let local = moment + zone.offset(at: moment)
        let day = floorDivide(local, 86400)
        let minute = Int((local - day * 86400) / 60)
        if start < end { return isOn(day) && minute >= start && minute < end }
        return isOn(day) && minute >= start || isOn(day - 1) && minute < end
    }

    /// When it opens next after this moment; nil only when it names no day.
    package func nextOpening(after moment: Int64, in zone: ZoneOffsets) -> Int64? {
        let today = floorDivide(moment + zone.offset(at: moment), 86400)
        for day in today...(today + 8) where isOn(day) {
            let local = day * 86400 + Int64(start) * 60
            // The offset of that moment, not of this one: the clocks may be changed in between.
            let opening = local - zone.offset(at: local - zone.offset(at: local))
            if opening > moment { return opening }
        }
        return nil
    }

    /// - Parameter day: days since 1970-01-01, a Thursday.
    private func isOn(_ day: Int64) -> Bool { days.contains(Day.allCases[Int(((day + 3) % 7 + 7) % 7)]) }
}

extension [MaintenanceWindow] {
    /// When a change that interrupts something may begin; nil: now. Without windows that is at any time.
    /// - Parameter zones: by the windows' names; a window whose zone is unknown is shut.
    package func opening(at moment: Int64, zones: [String: ZoneOffsets]) -> Opening {
        if isEmpty { return .now }
        var next: Int64?
        for window in self {
            guard let zone = zones[window.timeZone] else { continue }
            if window.isOpen(at: moment, in: zone) { return .now }
            if let opening = window.nextOpening(after: moment, in: zone) { next = Swift.min(next ?? opening, opening) }
        }
        return next.map { .at($0) } ?? .never
    }
}

/// When a change may begin.
package enum Opening: Hashable, Sendable {
    case now
    /// Seconds since 1970.
    case at(Int64)
    case never
}
