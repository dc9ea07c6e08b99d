import KubernetesModel
import YAML

/// The result of `homelab events`: what the agent did and met, oldest first.
struct EventList: CommandResult {
    struct Entry: Hashable, Sendable {
        var time: String
        var type: String
        var reason: String
        /// `Kustomization/default/apps`.
        var object: String
        var message: String
        var count: Int64
        var node: String

        init(_ event: Manifest) {
            let involved = event.value["involvedObject"] ?? .null
            func text(_ field: String) -> String { event.value[field]?.string ?? "" }
            (time, type, reason, message) = (text("lastTimestamp"), text("type"), text("reason"), text("message"))
            object = [involved["kind"], involved["namespace"], involved["name"]].compactMap { $0?.string }.filter { !$0.isEmpty }
                .joined(separator: "/")
            count = event.value["count"]?.int ?? 1
            node = event.value[path: "source", "host"]?.string ?? ""
        }
    }

    private(set) var entries: [Entry]
    /// Whether it goes on from a list that has been shown, with its header.
    private var isContinued = false

    static let isLog = true

    /// - Parameter name: Only events about this object: `apps` or `default/apps`.
    init(_ events: [Manifest], about name: String?) {
        let own = events.filter { $0.value[path: "source", "component"] == "homelab-agent" }
        entries = own.map(Entry.init).filter { entry in name.map { entry.object.hasSuffix("/" + $0) } ?? true }
            .sorted { ($0.time, $0.object, $0.reason) < ($1.time, $1.object, $1.reason) }
    }

    func news(since earlier: EventList) -> EventList? {
        let known = Set(earlier.entries)
        var news = self
        news.entries.removeAll { known.contains($0) }
        news.isContinued = !earlier.entries.isEmpty
        return news.entries.isEmpty ? nil : news
    }

    var value: Value { .array(documents) }

    var documents: [Value] {
        entries.map { entry in
            [
                "time": .string(entry.time), "type": .string(entry.type), "reason": .string(entry.reason), "object": .string(entry.object),
                "message": .string(entry.message), "count": .int(entry.count), "node": .string(entry.node),
            ]
        }
    }

    func text(_ console: Console, isWide: Bool) -> String {
        guard !entries.isEmpty else { return "no events" }
        let wide = isWide ? ["COUNT", "NODE"] : []
        var table = Table(header: ["TIME", "TYPE", "REASON"] + wide + ["OBJECT", "MESSAGE"])
        for entry in entries {
            let type = console.styled(entry.type, entry.type == "Warning" ? .yellow : .green)
            table.append(
                [entry.time, type, entry.reason] + (isWide ? [String(entry.count), entry.node] : []) + [entry.object, entry.message])
        }
        return isContinued ? table.textWithoutHeader : table.text
    }
}
