internal import Diagnostics
internal import FileSystem
package import NodeInventory
internal import NodePlanning

extension ClusterSpec {
    /// The rules of the windows' time zones that this machine's tz database knows.
    package var zones: [String: ZoneOffsets] {
        var zones = ["UTC": ZoneOffsets.utc]
        for name in Set(maintenanceWindows.map(\.timeZone)) where zones[name] == nil && !name.contains("..") {
            zones[name] = (try? Files.read("/usr/share/zoneinfo/" + name, limit: 1 << 20)).flatMap { ZoneOffsets(tzif: $0) }
        }
        return zones
    }
}

extension ProvisioningObservation {
    /// Maintenance windows bind the agents. A person may do at any time what is said to wait for them, and is told so.
    /// - Parameter now: seconds since 1970.
    func outsideOfWindows(_ spec: ClusterSpec, now: Int64) -> Diagnostic? {
        let changes = PlanChanges(plan, desired: spec, cluster: cluster).changes.filter { [.upgrade, .restart].contains($0.kind) }
        let opening = spec.maintenanceWindows.opening(at: now, zones: spec.zones)
        guard !changes.isEmpty, opening != .now else { return nil }
        let names = Set(changes.map(\.node)).sorted().joined(separator: ", ")
        let next = if case .at(let moment) = opening { " (the next one opens at \(UTCText.minutes(moment)))" } else { "" }
        return Diagnostic(
            .warning, "k3s would be restarted or upgraded on \(names) outside of the maintenance windows\(next)",
            subject: "cluster \"\(spec.name)\"",
            remedy: "Windows bind the agents, not this command: answer no to let the agents wait for one, or go on.")
    }
}
