import Foundation
import Testing

/// A cluster of one server that git makes larger, smaller and newer, while its agent is killed at every kind of step: whatever is cut off is
/// finished, once, and the journal says so.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct NodeStepsLive {
    static let lab = Lab.made("livestep") { lab in
        try lab.lab("up", "6", limit: 300)
        try lab.trustHosts(["m1"])
        try NodeStepsLive.nodes(lab).write()
        let result = try lab.bootstrap()
        guard result.succeeded else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: result) }
        try lab.addRemote()
        _ = try lab.push("One server")
    }

    let lab: Lab
    let nodes: NodesInventory

    init() throws {
        lab = try Self.lab.get()
        nodes = Self.nodes(lab)
    }

    private static func nodes(_ lab: Lab) -> NodesInventory {
        var nodes = NodesInventory(lab)
        nodes.servers = ["m1"]
        nodes.agents = []
        return nodes
    }

    // MARK: Killing

    /// From now on the acting agent is killed (-9) at the beginning of every kind of step, once for each.
    private func beginKilling() throws {
        let script = #"""
            #!/bin/sh
            : >/root/killed
            tail -n 0 -F /var/lib/homelab/journal/nodes.jsonl 2>/dev/null | while read -r line; do
                case $line in *'"result":"started"'*) ;; *) continue ;; esac
                step=$(printf '%s' "$line" | sed 's/.*"step":"\([^"]*\)".*/\1/; s/m[0-9]//g')
                grep -qxF "$step" /root/killed && continue
                pid=$(systemctl show -p MainPID --value homelab-agent)
                [ "$pid" -gt 1 ] || continue
                kill -9 "$pid" && echo "$step" >>/root/killed
            done
            """#
        let file = lab.folder + "/killer"
        try script.write(toFile: file, atomically: true, encoding: .utf8)
        try lab.put(file, on: "m1", at: "/root/killer")
        try lab.on("m1", "systemd-run --quiet --collect --unit=killer sh /root/killer && until test -e /root/killed; do sleep 0.1; done")
    }

    /// The kinds of steps at which it was killed: steps without the names of machines.
    private func endKilling() throws -> [String] {
        let text = try lab.on("m1", "systemctl stop killer; cat /root/killed; rm -f /root/killed").output
        return text.split(separator: "\n").map(String.init)
    }

    // MARK: The changes

    @Test func t01_fiveMachinesJoinByOnePushAndTheNextCommitComesAfterTheStepsUnderWay() throws {
        try lab.letAgentsIn("m2", "m3", "m4", "m5", "m6")
        try nodes.write { $0.agents = ["m2", "m3", "m4", "m5", "m6"] }
        let pushed = try lab.push("Five machines")
        let first = try nodes.head()
        try lab.wait("the first step", limit: 60) { try lab.on("m1", "grep -q '\(first)' /var/lib/homelab/journal/nodes.jsonl").succeeded }
        try nodes.write {
            $0.agents = ["m2", "m3", "m4", "m5", "m6"]
            $0.more["m2"] = "    labels: {disk: ssd}"
        }
        _ = try lab.push("A label at once")
        let second = try nodes.head()
        let ready = try lab.wait("six Ready nodes", limit: 300, since: pushed) { try lab.readyNodes() == 6 }
        try lab.wait("the label", limit: 60) {
            try lab.kubectl("get", "node", "m2", "-o", "jsonpath={.metadata.labels.disk}").output == "ssd"
        }
        let own = try ["m2", "m3", "m4", "m5", "m6"].map { try startOfAgent($0) }.max() ?? 0
        print("five machines Ready \(ready) s after the push; the slowest k3s agent took \(own) s of it for its own start")
        try nodes.expectOrder(first)
        try nodes.expectOrder(second)
        let (before, after) = (try nodes.journal(first), try nodes.journal(second))
        let last = try #require(before.map(\.time).max())
        #expect(!after.isEmpty && after.allSatisfy { $0.time >= last }, "what was under way was finished first")
    }

    /// Seconds from the start of the unit until k3s said that it was ready.
    private func startOfAgent(_ machine: String) throws -> Double {
        let text = try lab.on(
            machine, "systemctl show k3s-agent -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic --value"
        ).output
        let times = text.split(separator: "\n").compactMap { Double($0) }
        return times.count == 2 ? abs(times[1] - times[0]) / 1_000_000 : 0
    }

    @Test func t02_theAgentIsKilledAtEachStepOfARemoval() throws {
        try nodes.write {
            $0.cluster = "policy: {removals: 5}\n"
            $0.agents = ["m2", "m3", "m4", "m5", "m6"]
            $0.more["m2"] = "    labels: {disk: ssd}"
            $0.absent = ["m4", "m5", "m6"]
        }
        try beginKilling()
        _ = try lab.push("Three leave")
        try lab.wait("three nodes", limit: 300) { try nodes.names() == ["m1", "m2", "m3"] }
        try finishKilling(atLeast: ["drain ", "uninstall k3s and homelab", "delete node "])
        for machine in ["m4", "m5", "m6"] {
            #expect(try lab.on(machine, "ls -d /usr/local/bin/k3s /var/lib/rancher/k3s/agent /etc/homelab 2>/dev/null").output == "")
        }
    }

    @Test func t03_theAgentIsKilledAtEachStepOfAJoin() throws {
        try lab.letAgentsIn("m4")
        try nodes.write { $0.agents = ["m2", "m3", "m4"] }
        try beginKilling()
        _ = try lab.push("m4 comes back")
        try lab.wait("four Ready nodes", limit: 300) { try lab.readyNodes() == 4 }
        try finishKilling(atLeast: ["install /usr/local/bin/k3s", "write the join token", "start k3s-agent.service"])
    }

    /// Ends it when nothing is left to do, and looks whether everything is in order.
    @discardableResult
    private func finishKilling(atLeast steps: [String]) throws -> [NodesInventory.Entry] {
        try lab.wait("nothing to do", limit: 300) {
            let report = try nodes.report()
            return try report.revision == nodes.head() && report.changes.isEmpty
        }
        let killed = try endKilling()
        print("killed at: \(killed.joined(separator: "; "))")
        for step in steps { #expect(killed.contains(step), "\(step) is not in \(killed)") }
        return try nodes.expectOrder(isCutOff: true)
    }

    // MARK: Another version, in its time, on the only server

    /// A window of an hour each way around a moment.
    private func window(around moment: Date) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let (start, end) = (moment.addingTimeInterval(-3600), moment.addingTimeInterval(3600))
        func time(_ date: Date) -> String {
            let parts = calendar.dateComponents([.hour, .minute], from: date)
            return String(format: "%02d:%02d", parts.hour ?? 0, parts.minute ?? 0)
        }
        let days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
        let day = days[calendar.component(.weekday, from: start) - 1]
        return "maintenanceWindows: [{days: [\(day)], start: '\(time(start))', end: '\(time(end))'}]\n"
    }

    @Test func t04_anUpgradeWaitsForItsWindowAndIsFinishedHoweverOftenTheAgentIsKilled() throws {
        try nodes.bring("v1.20.3+k3s1", to: ["m1"])
        // One commit that upgrades, adds and removes.
        try lab.letAgentsIn("m5")
        func write(_ moment: Date) throws {
            try nodes.write {
                $0.version = "v1.20.3+k3s1"
                $0.agents = ["m2", "m3", "m4", "m5"]
                $0.absent = ["m4"]
                $0.more["m2"] = "    config: {debug: true}"
                $0.more["m3"] = "    labels: {disk: nvme}"
                $0.cluster = window(around: moment)
            }
        }
        try write(Date().addingTimeInterval(3 * 86400))
        _ = try lab.push("Another k3s, in three days")
        // What interrupts nothing does not wait.
        try lab.wait("the label", limit: 60) {
            try lab.kubectl("get", "node", "m3", "-o", "jsonpath={.metadata.labels.disk}").output == "nvme"
        }
        try lab.wait("the wait", limit: 60) { try nodes.report().states["m1"] == "waiting" }
        let report = try nodes.report()
        #expect(report.text.contains("for the maintenance window, which opens at 20"), "\(report.text)")
        #expect(report.nodes["m4"]?.contains("is not taken out yet: the upgrade comes first") == true, "\(report.nodes)")
        #expect(try Set(nodes.versions().values) == [Lab.k3sVersion])
        #expect(try lab.on("m2", "grep -c debug /etc/rancher/k3s/config.yaml").output == "0\n", "a restart waits as well")
        try write(Date())
        try beginKilling()
        let pushed = try lab.push("Another k3s, now")
        let done = try lab.wait("all nodes upgraded", limit: 600, since: pushed) {
            try nodes.versions() == ["m1", "m2", "m3", "m5"].reduce(into: [:]) { $0[$1] = "v1.20.3+k3s1" }
        }
        print("a lone server and two agents upgraded, one added, one removed \(done) s after the push, the agent being killed on the way")
        let entries = try finishKilling(atLeast: ["drain ", "restart k3s-agent.service", "uncordon "])
        #expect(nodes.kinds(entries) == ["upgrade", "add", "remove"], "\(nodes.done(entries))")
        #expect(try lab.on("m2", "grep -c debug /etc/rancher/k3s/config.yaml").output == "1\n")
    }

    @Test func t05_aLoneServerWhoseNewK3sDoesNotStartGoesBackAndANewerCommitReplacesTheFrozenPlan() throws {
        try nodes.bring("v1.20.4+k3s1", to: ["m1"])
        let check = "[Service]\\nExecStartPre=/bin/sh -c \"! /usr/local/bin/k3s --version | grep -qF v1.20.4\"\\n"
        let folder = "/etc/systemd/system/k3s.service.d"
        try lab.on("m1", "mkdir -p \(folder) && printf '\(check)' >\(folder)/refuse.conf && systemctl daemon-reload")
        try nodes.write {
            $0.version = "v1.20.4+k3s1"
            $0.agents = ["m2", "m3", "m5"]
            $0.more["m2"] = "    config: {debug: true}"
        }
        _ = try lab.push("A k3s that does not start")
        try lab.wait("the way back, and the end of it", limit: 300) { try nodes.report().states["m1"] == "frozen" }
        let frozen = try nodes.report()
        #expect(frozen.text.contains("the upgrade failed, and the node runs k3s v1.20.3+k3s1 again"), "\(frozen.text)")
        #expect(try Set(nodes.versions().values) == ["v1.20.3+k3s1"])
        #expect(try lab.readyNodes() == 4)
        let history = try lab.homelab("history", "--servers", "--node", "m1", "-n", "0").output
        #expect(history.contains("put the earlier /usr/local/bin/k3s back"), "\(history)")
        try nodes.write {
            $0.version = "v1.20.3+k3s1"
            $0.agents = ["m2", "m3", "m5"]
            $0.more["m2"] = "    config: {debug: true}"
        }
        let pushed = try lab.push("The version before")
        let replaced = try lab.wait("nothing to do", limit: 60, since: pushed) {
            let report = try nodes.report()
            return try report.revision == nodes.head() && report.changes.isEmpty && report.errors.isEmpty
        }
        print("the frozen plan was replaced \(replaced) s after the push")
        try nodes.expectOrder()
    }

    @Test func t06_registriesAndHostPreparationFollowAPush() throws {
        let sysctls = "/etc/sysctl.d/90-homelab-k3s.conf"
        try lab.on("m3", "rm \(sysctls)")
        // An agent that was killed at the wrong moment leaves one that no machine has.
        let lost = try lab.on("m1", "k3s token create --ttl 30m --description 'homelab: m2 joins'")
        #expect(lost.succeeded, "\(lost.text)")
        try nodes.write {
            $0.version = "v1.20.3+k3s1"
            $0.agents = ["m2", "m3", "m5"]
            $0.more["m2"] = "    config: {debug: true}"
            $0.k3s = "  registries: {mirrors: {docker.io: {endpoint: ['https://mirror.example.org']}}}\n"
        }
        let pushed = try lab.push("A mirror")
        let machines = ["m1", "m2", "m3", "m5"]
        let done = try lab.wait("the mirror on all machines", limit: 180, since: pushed) {
            try machines.allSatisfy { try lab.on($0, "grep -c mirror.example.org /etc/rancher/k3s/registries.yaml").output == "1\n" }
        }
        print("registries on a lone server and three agents \(done) s after the push")
        let steps = try nodes.done(nodes.expectOrder())
        #expect(try lab.on("m3", "test -s \(sysctls)").succeeded)
        for machine in machines {
            #expect(try lab.on(machine, "stat -c '%a %U' /etc/rancher/k3s/registries.yaml").output == "600 root\n")
            #expect(steps.contains { $0.hasPrefix("\(machine) restart k3s") }, "\(machine) goes on with the old ones: \(steps)")
        }
    }

    @Test func t07_tearDown() throws { try lab.tearDown() }
}
