import Foundation

/// The inventory that the suite about nodes by git edits and pushes, and what the agents say of it.
struct NodesInventory {
    var version = Lab.k3sVersion
    var servers = ["m1", "m2", "m3"]
    var agents = ["m4", "m5"]
    var absent: Set<String> = []
    /// Further lines of an entry.
    var more: [String: String] = [:]
    /// Further entries.
    var extra = ""
    /// Further lines of the cluster.
    var cluster = ""
    /// Further lines below `k3s:`.
    var k3s = ""
    let lab: Lab

    init(_ lab: Lab) { self.lab = lab }

    /// Writes and commits the inventory with these differences from five nodes as bootstrap made them.
    func write(_ change: (inout NodesInventory) -> Void = { _ in }) throws {
        var wanted = self
        change(&wanted)
        let entries = try (wanted.servers + wanted.agents).map { name in
            let lines = [wanted.more[name], wanted.absent.contains(name) ? "    state: absent" : nil].compactMap { $0 }
            return try lab.node(name, role: wanted.servers.contains(name) ? "server" : "agent", more: lines.joined(separator: "\n"))
        }
        try lab.writeInventory(entries + [wanted.extra], version: wanted.version, k3s: Lab.quickLoss + wanted.k3s, more: wanted.cluster)
    }

    /// Puts a release where the servers find it: its folder has the same path there as here.
    func bring(_ version: String, to machines: [String]) throws {
        let folder = try Lab.release(version)
        for machine in machines {
            for file in ["k3s", "sha256sum-amd64.txt"] { try lab.put("\(folder)/\(file)", on: machine, at: "\(folder)/\(file)") }
        }
    }

    // MARK: What the cluster says

    struct Report {
        var revision = ""
        var plan = ""
        /// By node: the message, the phase, and the state of its first change.
        var nodes: [String: String] = [:]
        var phases: [String: String] = [:]
        var states: [String: String] = [:]
        var changes: [String] = []
        var errors: [String] = []
        /// All that is said.
        var text: String { (nodes.values.filter { !$0.isEmpty } + changes + errors).joined(separator: "\n") }
    }

    func report() throws -> Report {
        let output = try lab.homelab("status", "-o", "json", "--kubeconfig", lab.kubeconfig, limit: 30).output
        let json = try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
        let inventory = json?["inventory"] as? [String: Any] ?? [:]
        var report = Report()
        report.revision = inventory["revision"] as? String ?? ""
        report.plan = inventory["plan"] as? String ?? ""
        for node in inventory["nodes"] as? [[String: Any]] ?? [] {
            guard let name = node["name"] as? String else { continue }
            report.nodes[name] = node["message"] as? String ?? ""
            report.phases[name] = node["phase"] as? String ?? ""
        }
        for change in inventory["changes"] as? [[String: Any]] ?? [] {
            guard let name = change["node"] as? String, let state = change["state"] as? String else { continue }
            if report.states[name] == nil { report.states[name] = state }
            report.changes.append("\(change["summary"] ?? ""): \(state): \(change["reason"] ?? ""); \(change["remedy"] ?? "")")
        }
        report.errors = (inventory["errors"] as? [[String: Any]] ?? []).map { "\($0)" }
        return report
    }

    func head() throws -> String { try lab.git("rev-parse", "HEAD").trimmingCharacters(in: .newlines) }

    /// The node whose agent acts, as the Lease says.
    func leader() throws -> String {
        let holder = try lab.kubectl(
            "-n", "homelab-system", "get", "lease", "homelab-agent", "-o", "jsonpath={.spec.holderIdentity}"
        ).output
        return holder.split(separator: "_").first.map(String.init) ?? ""
    }

    func names() throws -> [String] {
        try lab.kubectl("get", "nodes", "-o", "name").output.split(separator: "\n").map { String($0.dropFirst("node/".count)) }.sorted()
    }

    func ready(through server: String) throws -> Int {
        try lab.on(server, "k3s kubectl get nodes --no-headers | grep -c ' Ready'", limit: 20).output.split(separator: "\n").first
            .flatMap { Int($0) } ?? 0
    }

    func versions() throws -> [String: String] {
        let query = "k3s kubectl get nodes --no-headers -o custom-columns=N:.metadata.name,V:.status.nodeInfo.kubeletVersion"
        for server in servers {
            let result = try lab.on(server, query, limit: 20)
            let rows = result.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }.filter { $0.count == 2 }
            if result.succeeded, !rows.isEmpty { return Dictionary(uniqueKeysWithValues: rows.map { ($0[0], $0[1]) }) }
        }
        return [:]
    }
}

/// The lowest value that a look gives while something else goes on.
final class LowestValue: @unchecked Sendable {
    private let lock = NSLock()
    private var lowest = Int.max
    private var isStopped = false

    init(_ look: @escaping @Sendable () -> Int?) {
        Thread {
            while true {
                let value = look()
                self.lock.lock()
                if let value { self.lowest = min(self.lowest, value) }
                let isDone = self.isStopped
                self.lock.unlock()
                if isDone { return }
                usleep(700_000)
            }
        }.start()
    }

    func stop() -> Int {
        lock.lock()
        defer { lock.unlock() }
        isStopped = true
        return lowest
    }
}
