import Foundation
import Testing

/// What the agents write down of their work on the machines: the journal, Events and metrics, and what must be true of them.
extension NodesInventory {
    struct Entry: Decodable {
        var time: String
        var server: String
        var commit: String?
        var plan: String?
        var phase: String?
        var node: String?
        var step: String?
        var result: String
        var seconds: Double?
        var message: String?

        /// The same for a step's beginning and its end.
        var name: String { "\(phase ?? ""): \(node ?? "") \(step ?? "")" }
    }

    /// All that was written for a commit, oldest first, as the servers have it on their disks.
    func journal(_ commit: String) throws -> [Entry] {
        let text = try lab.homelab("history", "--servers", "--starts", "-n", "0", "-o", "json", "--commit", commit).output
        return try text.split(separator: "\n").map { try JSONDecoder().decode(Entry.self, from: Data($0.utf8)) }
    }

    /// What must hold after every change, however often it was cut off: nothing is left to do, each step of the journal that was begun has
    /// its end, with plan and duration, and nothing of the work is left on the machines.
    /// - Parameters:
    ///   - commit: the one whose steps are looked at; the newest if not given.
    ///   - isCutOff: whether an agent ended in the middle.
    /// - Returns: its entries that are about steps.
    @discardableResult
    func expectOrder(_ commit: String? = nil, isCutOff: Bool = false, limit: Double = 180) throws -> [Entry] {
        let head = try head()
        try lab.wait("nothing to do", limit: limit) {
            let report = try report()
            return report.revision == head && report.changes.isEmpty && report.errors.isEmpty
        }
        let entries = try journal(commit ?? head).filter { $0.step != nil }
        for (name, steps) in Dictionary(grouping: entries, by: \.name) {
            // Another agent may begin a step anew while the one that began it is without power.
            for (server, steps) in Dictionary(grouping: steps, by: \.server) {
                var isOpen = false
                for entry in steps {
                    let begins = entry.result == "started"
                    #expect(begins != isOpen || entry.result == "skipped", "\(server): \(name): \(steps.map(\.result))")
                    isOpen = begins
                }
                #expect(!isOpen, "\(server): \(name) has no end: \(steps.map(\.result))")
            }
            #expect(!steps.contains { $0.result == "failed" }, "\(name): \(steps.compactMap(\.message))")
            #expect(steps.allSatisfy { $0.plan?.isEmpty == false && $0.node?.isEmpty == false }, "\(steps)")
            #expect(steps.allSatisfy { $0.result != "done" || $0.seconds != nil }, "\(steps)")
        }
        #expect(isCutOff == entries.contains { $0.result == "interrupted" }, "what was cut off is told, and nothing else")
        for machine in try names() {
            try lab.wait("\(machine) without a lock", limit: 30) { try !lab.on(machine, "test -e /run/homelab.lock").succeeded }
        }
        #expect(try !lab.kubectl("get", "secrets", "-n", "kube-system", "-o", "name").output.contains("bootstrap-token-"))
        // A node that was without power counts as Ready for a while, and then not.
        try lab.wait("a healthy cluster", limit: 60) {
            let nodes = try lab.kubectl("get", "nodes", "--no-headers")
            return nodes.succeeded && !nodes.output.contains("SchedulingDisabled") && !nodes.output.contains("NotReady")
        }
        return entries
    }

    /// The kinds of work that a commit brought, each once for as long as it went on without another between.
    func kinds(_ entries: [Entry]) -> [String] {
        let phases = [
            "upgrade servers": "upgrade", "upgrade agents": "upgrade", "agents": "add", "further servers": "add", "remove nodes": "remove",
            "take out what is gone": "remove",
        ]
        return entries.sorted { $0.time < $1.time }.compactMap { $0.result == "done" ? phases[$0.phase ?? ""] : nil }
            .reduce(into: []) { if $0.last != $1 { $0.append($1) } }
    }

    /// Steps of the journal that were done, `m6 drain m6`, oldest first.
    func done(_ entries: [Entry]) -> [String] {
        entries.filter { $0.result == "done" }.map { "\($0.node ?? "") \($0.step ?? "")" }
    }

    // MARK: Events and metrics

    struct Event {
        var reason: String
        var message: String
        var isWarning: Bool
    }

    /// The Events of a Machine, oldest first.
    func events(_ machine: String) throws -> [Event] {
        let selector = "involvedObject.kind=Machine,involvedObject.name=\(machine)"
        let text = try lab.kubectl("get", "events", "-A", "--field-selector", selector, "-o", "json").output
        let items = (try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])?["items"] as? [[String: Any]] ?? []
        let sorted = items.sorted { ($0["lastTimestamp"] as? String ?? "") < ($1["lastTimestamp"] as? String ?? "") }
        return sorted.map {
            Event(
                reason: $0["reason"] as? String ?? "", message: $0["message"] as? String ?? "",
                isWarning: $0["type"] as? String == "Warning")
        }
    }

    /// What the agent on a server counts, by name with labels as they are printed.
    func metrics(of server: String) throws -> [String: Double] {
        let text = try lab.on(server, "curl -sf http://127.0.0.1:9797/metrics").output
        let samples = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line -> (String, Double)? in
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else { return nil }
            return (String(line[..<space]), value)
        }
        return Dictionary(samples) { $1 }
    }
}
