import Foundation
import Testing

/// Nodes by git: everything here is done by a push, or by `homelab approve`, and carried out by the agents on the servers.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct NodesLive {
    /// Three servers and two agents, with an app that may lose one of its two pods at a time.
    static let lab: Result<Lab, any Error> = Result {
        let lab = try Lab("ndlive")
        try lab.lab("up", "5", limit: 900)
        try lab.trustHosts(["m1", "m2", "m3", "m4", "m5"])
        try NodesInventory(lab).write()
        let result = try lab.bootstrap(limit: 900)
        guard result.succeeded else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: result) }
        try lab.addRemote()
        try lab.write(Apps.guarded, to: "clusters/home/web/web.yaml")
        _ = try lab.push("An app")
        try lab.wait("a running app", limit: 180) { try Apps.readyPods(lab) == 2 }
        return lab
    }

    let lab: Lab
    let nodes: NodesInventory

    init() throws {
        lab = try Self.lab.get()
        nodes = NodesInventory(lab)
    }

    @Test func t01_afterBootstrapTheAgentFindsNothingToDo() throws {
        try lab.wait("the agent's look", limit: 60) { try nodes.report().revision == nodes.head() }
        let report = try nodes.report()
        #expect(report.changes.isEmpty && report.errors.isEmpty, "\(report)")
    }

    @Test func t02_labelsAreChangedByAPush() throws {
        try nodes.write { $0.more["m4"] = "    labels: {disk: ssd}" }
        let pushed = try lab.push("m4 has an ssd")
        let done = try lab.wait("the label", limit: 60, since: pushed) {
            try lab.kubectl("get", "node", "m4", "-o", "jsonpath={.metadata.labels.disk}").output == "ssd"
        }
        print("label set \(done) s after the push")
    }

    @Test func t03_twoMachinesJoinWhileOthersCannot() throws {
        for machine in ["m6", "m7", "m8"] { try lab.lab("add", machine) }
        try nodes.authorize("m6", "m7", "m8")
        let unpinned = "  - {name: stranger, role: agent, host: 10.77.0.201}\n"
        let wrongKey = "  - {name: imposter, role: agent, host: \(try lab.lab("ip", "m8")), hostKeys: '\(try lab.lab("hostkey", "m1"))'}\n"
        let wrongAddress = "  - {name: nowhere, role: agent, host: 10.77.0.200, hostKeys: '\(try lab.lab("hostkey", "m1"))'}\n"
        try nodes.write {
            $0.agents += ["m6", "m7"]
            $0.more["m4"] = "    labels: {disk: ssd}"
            $0.extra = unpinned + wrongKey + wrongAddress
        }
        let pushed = try lab.push("Two machines, and three that cannot join")
        let joined = try lab.wait("m6 and m7 Ready", limit: 240, since: pushed) { try lab.readyNodes() == 7 }
        let own = try lab.on(
            "m6", "systemd-analyze --no-pager critical-chain k3s-agent.service 2>/dev/null | grep -o '+[0-9.]*s' | head -1")
        print(
            "two machines Ready \(joined) s after the push (k3s agent's own start on m6: \(own.output.trimmingCharacters(in: .newlines)))")
        try lab.wait("the reasons, and an end of the joining", limit: 60) {
            let report = try nodes.report()
            return report.nodes["nowhere"]?.isEmpty == false && report.changes.isEmpty
        }
        // Neither machine was given an image: they come from the acting server.
        let images = try lab.on("m6", "ls /var/lib/rancher/k3s/agent/images").output
        #expect(images.contains("homelab-"), "\(images)")
        let report = try nodes.report()
        #expect(report.nodes["stranger"]?.contains("no pinned host key") == true, "\(report)")
        #expect(report.nodes["imposter"]?.contains("key") == true, "\(report)")
    }

    @Test func t04_anEntryThatVanishesIsAnOrphanAndABrokenInventoryChangesNothing() throws {
        try nodes.write {
            $0.agents = ["m4", "m5", "m6"]
            $0.more["m4"] = "    labels: {disk: ssd}"
        }
        _ = try lab.push("m7 is forgotten")
        try lab.wait("an orphan", limit: 60) { try nodes.report().phases["m7"] == "Orphan" }
        for (text, what) in [("", "empty"), ("nodes: [", "unparsable")] {
            try lab.write(text, to: "inventory/home.yaml")
            _ = try lab.push("An \(what) inventory")
            try lab.wait("the complaint about the \(what) inventory", limit: 60) {
                let report = try nodes.report()
                return try report.revision == nodes.head() && !report.errors.isEmpty
            }
        }
        #expect(try lab.readyNodes() == 7)
    }

    @Test func t05_agentsLeaveByAPushOneForEachCommit() throws {
        try nodes.write {
            $0.agents = ["m4", "m5", "m6", "m7"]
            $0.absent = ["m6", "m7"]
        }
        let pushed = try lab.push("m6 and m7 leave")
        let first = try lab.wait("one of them gone", limit: 180, since: pushed) { try nodes.names().count == 6 }
        print("an agent removed \(first) s after the push")
        try lab.wait("the limit", limit: 90) { try nodes.report().states.values.contains("waiting") }
        let waiting = try nodes.report()
        #expect(waiting.text.contains("one commit removes 1"), "\(waiting.text)")
        #expect(try nodes.names().count == 6)
        let approval = try lab.homelab("approve", String(waiting.plan.prefix(12)), "--kubeconfig", lab.kubeconfig)
        #expect(approval.succeeded, "\(approval.text)")
        try lab.wait("both gone", limit: 180) { try nodes.names() == ["m1", "m2", "m3", "m4", "m5"] }
    }

    @Test func t06_noServerLeavesWhoseVoteIsNeeded() throws {
        try lab.lab("off", "m3", "hard")
        try lab.wait("m3 not Ready", limit: 120) { try lab.readyNodes() == 4 }
        try nodes.write { $0.absent = ["m2"] }
        _ = try lab.push("m2 leaves")
        try lab.wait("the refusal", limit: 90) { try nodes.report().text.contains("would lose its majority") }
        #expect(try nodes.names() == ["m1", "m2", "m3", "m4", "m5"])
        try nodes.write()
        _ = try lab.push("m2 stays")
        try lab.lab("on", "m3")
        try lab.wait("five Ready nodes", limit: 180) { try lab.readyNodes() == 5 }
    }

    @Test func t07_aServerLeavesWhenThatIsApproved() throws {
        try nodes.write { $0.absent = ["m3"] }
        _ = try lab.push("m3 leaves")
        try lab.wait("the question", limit: 90) { try nodes.report().states["m3"] == "approval" }
        #expect(try nodes.names().contains("m3"))
        let report = try nodes.report()
        let status = try lab.homelab("status", "--kubeconfig", lab.kubeconfig)
        #expect(status.output.contains("homelab approve \(report.plan.prefix(12))"), "\(status.output)")
        #expect(try lab.homelab("approve", "0123456789ab", "--kubeconfig", lab.kubeconfig).status == 1)
        #expect(try lab.homelab("approve", String(report.plan.prefix(12)), "--kubeconfig", lab.kubeconfig).succeeded)
        try lab.wait("m3 gone", limit: 240) { try nodes.names() == ["m1", "m2", "m4", "m5"] }
        // It comes back as a new machine, with approval.
        try nodes.authorize("m3")
        try nodes.write()
        _ = try lab.push("m3 joins")
        try lab.wait("the question", limit: 120) { try nodes.report().states["m3"] == "approval" }
        _ = try lab.homelab("approve", String(try nodes.report().plan.prefix(12)), "--kubeconfig", lab.kubeconfig)
        try lab.wait("five Ready nodes", limit: 300) { try lab.readyNodes() == 5 }
        try lab.wait("nothing to do", limit: 120) { try nodes.report().changes.isEmpty }
    }

    @Test func t08_aVersionIsPushedAndAllNodesFollowWhileTheAppServes() throws {
        try nodes.bring("v1.20.3+k3s1", to: ["m1", "m2", "m3"])
        let leader = try nodes.leader()
        let watch = LowestValue { try? Apps.readyPods(lab) }
        try nodes.write { $0.version = "v1.20.3+k3s1" }
        let pushed = try lab.push("Another k3s")
        let done = try lab.wait("all nodes upgraded", limit: 1200, since: pushed) {
            try nodes.versions() == ["m1", "m2", "m3", "m4", "m5"].reduce(into: [:]) { $0[$1] = "v1.20.3+k3s1" }
        }
        print("five nodes upgraded \(done) s after the push")
        #expect(watch.stop() >= 1, "the app never had fewer pods than its budget allows")
        try lab.wait("nothing to do", limit: 180) { try nodes.report().changes.isEmpty }
        #expect(try nodes.leader() != leader, "the acting agent handed over before its own server was upgraded")
        #expect(try lab.on("m1", "k3s kubectl get nodes --no-headers | grep -c SchedulingDisabled").output == "0\n")
        let ages = try ["m1", "m2", "m3", "m4", "m5"].map { name in
            (name, try lab.on(name, "stat -c %Y /usr/local/bin/k3s").output)
        }.sorted { $0.1 < $1.1 }.map(\.0)
        #expect(Set(ages.prefix(3)) == ["m1", "m2", "m3"] && ages[2] == leader, "\(ages), \(leader) acted first")
    }

    @Test func t09_theBranchIsMovedBackToAnOldCommitAndK3sStays() throws {
        let now = try nodes.head()
        // The inventory is a commit of its own below each push.
        try lab.git("reset", "--quiet", "--hard", "HEAD~2")
        try lab.git("push", "--quiet", "--force", "cluster", "main")
        try lab.wait("the refusal", limit: 90) {
            let report = try nodes.report()
            return try report.revision == nodes.head() && report.text.contains("k3s does not go back")
        }
        #expect(try nodes.versions().values.allSatisfy { $0 == "v1.20.3+k3s1" })
        try lab.git("reset", "--quiet", "--hard", now)
        try lab.git("push", "--quiet", "--force", "cluster", "main")
        try lab.wait("nothing to do", limit: 90) {
            let report = try nodes.report()
            return try report.revision == nodes.head() && report.changes.isEmpty && report.text.isEmpty
        }
    }

    @Test func t10_theActingServerLosesItsPowerInTheMiddleOfAnAdd() throws {
        let leader = try nodes.leader()
        let other = leader == "m1" ? "m2" : "m1"
        try lab.lab("reinstall", "m6")
        try lab.lab("on", "m6")
        try nodes.authorize("m6")
        try nodes.write {
            $0.version = "v1.20.3+k3s1"
            $0.agents += ["m6"]
        }
        _ = try lab.push("m6 comes back")
        try lab.wait("the beginning of the add", limit: 90) { try lab.on("m6", "test -e /run/homelab.lock", limit: 10).succeeded }
        let cut = Date()
        try lab.lab("off", leader, "hard")
        let ready = try lab.wait("m6 Ready", limit: 300, since: cut) {
            try lab.on(other, "k3s kubectl get node m6 --no-headers", limit: 20).output.contains(" Ready")
        }
        print("the add was finished by another agent \(ready) s after the power cut")
        try lab.lab("on", leader)
        try lab.wait("six Ready nodes", limit: 240) { try nodes.ready(through: other) == 6 }
    }

    @Test func t11_tearDown() throws { try lab.tearDown() }
}
