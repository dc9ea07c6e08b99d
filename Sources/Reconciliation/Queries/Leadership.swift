package import KubernetesModel
package import YAML

/// Which agent leads, as the Lease tells it to somebody who looks once, with a clock of his own.
package struct Leadership: Hashable, Sendable, CustomStringConvertible {
    /// The node whose agent has the Lease, or had it last; empty where none is named.
    package let node: String
    package let since: Timestamp?
    /// The agent's last sign of life, by its own clock.
    package let renewed: Timestamp?
    /// Why no agent can be said to lead, in one line; empty where one does.
    package let complaint: String
    private let now: Timestamp

    /// What cannot be read is a complaint.
    package init(of api: any ClusterAPI) async throws {
        var lease: Manifest?
        var refusal = ""
        do {
            lease = try await api.get(LeaseRecord.kind, namespace: Self.settings.namespace, name: Self.settings.name)
        } catch let error as ClusterError {
            refusal = "whether an agent leads cannot be read: \(error)"
        }
        self.init(of: lease, now: SystemClock().timestamp, refusal: refusal)
    }

    /// - Parameter lease: nil where there is none.
    init(of lease: Manifest?, now: Timestamp, refusal: String = "") {
        let record = lease.map { LeaseRecord(of: $0) }
        node = record.map { String($0.holder.prefix { $0 != "_" }) } ?? ""
        since = record?.acquireTime
        renewed = record?.renewTime
        self.now = now
        complaint = refusal.isEmpty ? Self.complaint(about: record, node, now) : refusal
    }

    private static let settings = LeaderElection.Settings()

    private static func complaint(about record: LeaseRecord?, _ node: String, _ now: Timestamp) -> String {
        let lease = "the Lease \(settings.namespace)/\(settings.name)"
        guard let record else { return "no agent leads: \(lease) is not there" }
        guard !record.holder.isEmpty, let renewed = record.renewTime else {
            return "no agent leads: nobody has \(lease)" + (record.renewTime.map { ", which was given back at \($0)" } ?? "")
        }
        let silence = renewed.duration(to: now)
        // Two clocks are compared, and one of them is that of somebody's own computer.
        let allowance: Duration = max(.seconds(60), .seconds(2 * record.durationSeconds))
        let seconds = allowance.components.seconds
        if silence > allowance {
            return "no agent leads: that on \(node) has not renewed \(lease) since \(renewed), more than \(seconds) s by the clock here"
        }
        if silence + allowance < .zero {
            return "whether an agent leads cannot be told: that on \(node) renewed \(lease) more than \(seconds) s ahead of the clock here"
        }
        return ""
    }

    /// `led by m1 since 2026-11-24T04:05:06Z, renewed 3 s ago`, or the complaint.
    package var description: String {
        guard complaint.isEmpty else { return complaint }
        let age = renewed.map { ", renewed \(max(0, $0.duration(to: now).components.seconds)) s ago" } ?? ""
        return "led by \(node)" + (since.map { " since \($0)" } ?? "") + age
    }

    package var json: Value {
        [
            "leads": .bool(complaint.isEmpty), "node": .string(node), "since": .string(since?.description ?? ""),
            "renewed": .string(renewed?.description ?? ""), "message": .string(complaint),
        ]
    }
}
