import Foundation
import Testing

/// Nodes by git: everything here is done by a push, or by `homelab approve`, and carried out by the agents on the servers.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct NodesLive {
    /// Three servers and two agents, with an app that may lose one of its two pods at a time.
    static let lab = Lab.made("ndlive") { lab in
        try lab.lab("up", "5", limit: 900)
        try lab.trustHosts(["m1", "m2", "m3", "m4", "m5"])
        try NodesInventory(lab).write()
        let result = try lab.bootstrap(limit: 900)
        guard result.succeeded else { throw Shell.Failure(command: ["homelab", "bootstrap"], result: result) }
        try lab.addRemote()
        try lab.write(Apps.guarded, to: "clusters/home/web/web.yaml")
        _ = try lab.push("An app")
        try lab.wait("a running app", limit: 180) { try Apps.readyPods(lab) == 2 }
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

    @Test func t02_labelsTaintsAndConfigurationAreChangedByAPushAndAPausedNodeIsLeftAlone() throws {
        let m4 = "    labels: {disk: ssd}\n    taints: ['spare=yes:PreferNoSchedule']"
        try nodes.write {
            $0.more = ["m4": m4, "m5": "    config: {debug: true}", "m3": "    labels: {disk: ssd}\n    state: paused"]
        }
        let pushed = try lab.push("m4 has an ssd, m5 says more, and m3 is left alone")
        let done = try lab.wait("the label", limit: 60, since: pushed) { try label("m4", "disk") == "ssd" }
        print("label set \(done) s after the push")
        let steps = try nodes.done(nodes.expectOrder())
        #expect(try lab.kubectl("get", "node", "m4", "-o", "jsonpath={.spec.taints[*].key}").output == "spare")
        #expect(try lab.on("m5", "grep debug /etc/rancher/k3s/config.yaml").output.contains("true"))
        #expect(steps.contains("m5 restart k3s-agent.service"), "\(steps)")
        // Its agent may be the one that acts, and label others.
        let left = steps.filter { $0.hasPrefix("m3 ") && $0 != "m3 label node m4" || $0.hasSuffix(" node m3") }
        #expect(left.isEmpty, "\(left)")
        #expect(try label("m3", "disk") == "" && nodes.report().nodes["m3"]?.contains("paused") == true)
    }

    private func label(_ node: String, _ name: String) throws -> String {
        try lab.kubectl("get", "node", node, "-o", "jsonpath={.metadata.labels.\(name)}").output
    }

    @Test func t03_machinesJoinWhileOthersCannotAndOneThatIsSwitchedOnFollows() throws {
        try lab.lab("up", "m6", "m7", "m8", "m9", "m10", "m11")
        try lab.letAgentsIn("m6", "m7", "m8", "m9", "m11")
        try lab.lab("off", "m9")
        func entry(_ name: String, _ host: String, key: String? = nil) -> String {
            "  - {name: \(name), role: agent, host: \(host)" + (key.map { ", hostKeys: '\($0)'" } ?? "") + "}\n"
        }
        let key = try lab.lab("hostkey", "m1")
        let unpinned = entry("stranger", try lab.lab("ip", "m11"))
        let wrongKey = entry("imposter", try lab.lab("ip", "m8"), key: key)
        let wrongAddress = entry("nowhere", "10.77.0.200", key: key)
        let notEnrolled = entry("visitor", try lab.lab("ip", "m10"), key: try lab.lab("hostkey", "m10"))
        try nodes.write {
            $0.agents += ["m6", "m7", "m9"]
            $0.extra = unpinned + wrongKey + wrongAddress + notEnrolled
        }
        let leader = try nodes.leader()
        let before = try nodes.metrics(of: leader)
        let pushed = try lab.push("Two machines, one that is off, and four that cannot join")
        let joined = try lab.wait("m6 and m7 Ready", limit: 240, since: pushed) { try lab.readyNodes() == 7 }
        let own = try lab.on(
            "m6", "systemd-analyze --no-pager critical-chain k3s-agent.service 2>/dev/null | grep -o '+[0-9.]*s' | head -1")
        print(
            "two machines Ready \(joined) s after the push (k3s agent's own start on m6: \(own.output.trimmingCharacters(in: .newlines)))")
        let pending = [
            "m9": "cannot be reached", "stranger": "has no pinned host key", "imposter": "its host key has changed",
            "nowhere": "cannot be reached", "visitor": "login was refused",
        ]
        try lab.wait("the reasons, and an end of the joining", limit: 60) {
            let report = try nodes.report()
            return pending.keys.allSatisfy { report.nodes[$0]?.isEmpty == false } && report.changes.isEmpty
        }
        let report = try nodes.report()
        for (name, reason) in pending {
            #expect(report.phases[name] == "Pending" && report.nodes[name]?.contains(reason) == true, "\(name): \(report)")
            try lab.wait("an Event of \(name): \(reason)", limit: 20) {
                try nodes.events(name).contains { $0.reason == "Pending" && $0.message.contains(reason) }
            }
            #expect(try !nodes.events(name).contains { $0.reason == "Joining" })
        }
        // Neither machine was given an image: they come from the acting server.
        let images = try lab.on("m6", "ls /var/lib/rancher/k3s/agent/images").output
        #expect(images.contains("homelab-"), "\(images)")
        try expectJoin("m6", leader, before)
        try switchOn("m9")
    }

    /// What a join leaves in Events and metrics, which are as the journal says.
    private func expectJoin(_ machine: String, _ leader: String, _ before: [String: Double]) throws {
        try lab.wait("the Events of a join", limit: 20) {
            let reasons = try nodes.events(machine).map(\.reason)
            return reasons.contains("Joining") && reasons.last == "Ready"
        }
        let told = try lab.homelab("events", "--for", machine, "--kubeconfig", lab.kubeconfig).output
        // A look may come between the join and the labels.
        let isTold = { (words: String) in told.contains(words) }
        #expect(
            isTold("Joining -> Ready") || isTold("Joining -> Preparing: labels and taints \(machine)") && isTold("Preparing -> Ready"),
            "\(told)")
        let metrics = try nodes.metrics(of: leader)
        let version = try nodes.versions()[machine] ?? ""
        #expect(metrics["homelab_agent_leader"] == 1 && metrics["homelab_nodes_errors"] == 0, "\(metrics)")
        for sample in [
            "homelab_node_healthy{node=\"\(machine)\",phase=\"Ready\"}",
            "homelab_machine_info{node=\"\(machine)\",role=\"agent\",version=\"\(version)\",phase=\"Ready\"}",
        ] { #expect(metrics[sample] == 1, "\(sample) is not in \(metrics)") }
        #expect(metrics["homelab_node_healthy{node=\"imposter\",phase=\"Pending\"}"] == 0, "\(metrics)")
        let done = "homelab_node_steps_total{result=\"done\"}"
        let steps = try nodes.journal(nodes.head()).filter { $0.result == "done" && $0.server == leader }
        #expect((metrics[done] ?? 0) - (before[done] ?? 0) == Double(steps.count), "\(steps)")
        #expect(metrics["homelab_node_steps_total{result=\"failed\"}"] == before["homelab_node_steps_total{result=\"failed\"}"])
        let others = try ["m1", "m2", "m3"].filter { $0 != leader }.map { try nodes.metrics(of: $0)["homelab_agent_leader"] }
        #expect(others == [0, 0])
    }

    /// It was off when its entry was pushed; nothing is typed.
    private func switchOn(_ machine: String) throws {
        try lab.lab("on", machine)
        let on = Date()
        let joined = try lab.wait("\(machine) Ready", limit: 150, since: on) { try lab.readyNodes() == 8 }
        print("\(machine) Ready \(joined) s after it was switched on")
        try lab.wait("the end of it", limit: 30) { try nodes.events(machine).last?.reason == "Ready" }
        let entries = try nodes.expectOrder()
        #expect(entries.contains { $0.node == machine && $0.step == "start k3s-agent.service" && $0.result == "done" })
        // What cannot be reached is looked at again and again, and not in a hurry: of one that lets nobody in, its own log says so.
        var attempts: [Double] = []
        try lab.wait("a further look at m10", limit: 120) {
            attempts = try lab.on("m10", "journalctl -u ssh -o short-unix --no-pager | grep -E 'preauth' | cut -d. -f1 | uniq").output
                .split(separator: "\n").compactMap { Double($0) }
            return attempts.count >= 2
        }
        print("looks at a machine that lets nobody in: \(zip(attempts, attempts.dropFirst()).map { $1 - $0 }) s apart")
        #expect(attempts.count < 20, "\(attempts)")
    }

    @Test func t04_anEntryThatVanishesIsAnOrphanAndABrokenInventoryChangesNothing() throws {
        try nodes.write { $0.agents = ["m4", "m5", "m6", "m9"] }
        _ = try lab.push("m7 is forgotten")
        try lab.wait("an orphan", limit: 60) { try nodes.report().phases["m7"] == "Orphan" }
        try lab.wait("the Event", limit: 20) { try nodes.events("m7").last?.reason == "Orphan" }
        let row = try lab.kubectl("get", "machine", "m7", "--no-headers").output.split(separator: " ").map(String.init)
        #expect(row.prefix(5) == ["m7", "agent", Lab.k3sVersion, try lab.lab("ip", "m7"), "Orphan"], "\(row)")
        try lab.wait("the other entries' machines gone", limit: 30) { try !lab.kubectl("get", "machine", "imposter").succeeded }
        for (text, what) in [("", "empty"), ("nodes: [", "unparsable")] {
            try lab.write(text, to: "inventory/home.yaml")
            _ = try lab.push("An \(what) inventory")
            try lab.wait("the complaint about the \(what) inventory", limit: 60) {
                let report = try nodes.report()
                return try report.revision == nodes.head() && !report.errors.isEmpty
            }
            let report = try nodes.report()
            #expect(report.text.contains("inventory/home.yaml") && report.changes.isEmpty, "\(report)")
            #expect(try nodes.journal(nodes.head()).isEmpty)
        }
        #expect(try lab.readyNodes() == 8)
    }

    @Test func t05_agentsLeaveByAPushOneForEachCommit() throws {
        let leaving: Set = ["m6", "m7", "m9"]
        func write(_ more: [String: String] = [:]) throws {
            try nodes.write {
                $0.agents = ["m4", "m5", "m6", "m7", "m9"]
                $0.absent = leaving
                $0.more = more
            }
        }
        try write()
        let pushed = try lab.push("m6, m7 and m9 leave")
        let first = try lab.wait("one of them gone", limit: 180, since: pushed) { try nodes.names().count == 7 }
        print("an agent removed \(first) s after the push")
        try lab.wait("the limit", limit: 90) { try nodes.report().states.values.contains("waiting") }
        let waiting = try nodes.report()
        #expect(waiting.text.contains("one commit removes 1"), "\(waiting.text)")
        #expect(try nodes.names().count == 7)
        let gone = try #require(leaving.subtracting(try nodes.names()).first)
        let steps = try nodes.done(nodes.journal(nodes.head()))
        #expect(["drain \(gone)", "uninstall k3s and homelab"].allSatisfy { steps.contains("\(gone) \($0)") }, "\(steps)")
        #expect(try lab.on(gone, "ls -d /usr/local/bin/k3s /var/lib/rancher/k3s/agent /etc/homelab 2>/dev/null").output == "")
        #expect(try Set(nodes.journal(nodes.head()).compactMap(\.node)).isDisjoint(with: leaving.subtracting([gone])))
        let approval = try lab.homelab("approve", String(waiting.plan.prefix(12)), "--kubeconfig", lab.kubeconfig)
        #expect(approval.succeeded, "\(approval.text)")
        try lab.wait("two gone", limit: 180) { try nodes.names().count == 6 }
        try lab.wait("the limit again", limit: 90) { try nodes.report().text.contains("one commit removes 1") }
        // So does another commit.
        try write(["m4": "    labels: {disk: hdd}"])
        _ = try lab.push("m4 has a hard disk")
        try lab.wait("all gone", limit: 180) { try nodes.names() == ["m1", "m2", "m3", "m4", "m5"] }
        try nodes.expectOrder()
    }

    @Test func t06_noServerLeavesWhoseVoteIsNeeded() throws {
        try lab.lab("off", "m3", "hard")
        try lab.wait("m3 not Ready", limit: 120) { try lab.readyNodes() == 4 }
        try nodes.write { $0.absent = ["m2"] }
        _ = try lab.push("m2 leaves")
        let refusal = "would lose its majority"
        try lab.wait("the refusal", limit: 90) { try nodes.report().text.contains(refusal) }
        try lab.wait("the Event", limit: 20) { try nodes.events("m2").last?.message.contains(refusal) == true }
        let event = try #require(try nodes.events("m2").last)
        #expect(event.reason == "HeldBack" && event.message.contains("bring m3 back first"), "\(event)")
        #expect(try lab.homelab("events", "--for", "m2", "--kubeconfig", lab.kubeconfig).output.contains(refusal))
        let reason = #"jsonpath={.status.conditions[?(@.type=="AsInventory")].reason}"#
        try lab.wait("it in the Machine", limit: 20) { try lab.kubectl("get", "machine", "m2", "-o", reason).output == "HeldBack" }
        let metrics = try nodes.metrics(of: nodes.leader())
        #expect(metrics["homelab_node_healthy{node=\"m2\",phase=\"Ready\"}"] == 0, "\(metrics)")
        #expect(try nodes.names() == ["m1", "m2", "m3", "m4", "m5"])
        #expect(try !nodes.journal(nodes.head()).contains { $0.node == "m2" })
        try nodes.write()
        _ = try lab.push("m2 stays")
        try lab.lab("on", "m3")
        try lab.wait("five Ready nodes", limit: 180) { try lab.readyNodes() == 5 }
        try nodes.expectOrder()
    }

    @Test func t07_aServerLeavesWhenThatIsApprovedAndComesBackByThePolicy() throws {
        try nodes.write { $0.absent = ["m3"] }
        _ = try lab.push("m3 leaves")
        try lab.wait("the question", limit: 90) { try nodes.report().states["m3"] == "approval" }
        #expect(try nodes.names().contains("m3"))
        let report = try nodes.report()
        let approve = "homelab approve \(report.plan.prefix(12))"
        try lab.wait("the Event", limit: 20) { try nodes.events("m3").last?.message.contains("waits for approval") == true }
        for question in [["status"], ["plan", "--live"]] {
            let answer = try lab.run([Lab.binary] + question + ["--kubeconfig", lab.kubeconfig])
            #expect(answer.output.contains(approve) && answer.output.contains("remove server m3"), "\(question): \(answer.text)")
        }
        #expect(try lab.kubectl("get", "machine", "m3", "-o", "jsonpath={.status.planHash}").output == report.plan)
        #expect(try lab.homelab("approve", "0123456789ab", "--kubeconfig", lab.kubeconfig).status == 1)
        #expect(try nodes.journal(nodes.head()).filter { $0.step != nil }.isEmpty)
        #expect(try lab.homelab("approve", String(report.plan.prefix(12)), "--kubeconfig", lab.kubeconfig).succeeded)
        try lab.wait("m3 gone", limit: 240) { try nodes.names() == ["m1", "m2", "m4", "m5"] }
        let removal = try nodes.expectOrder()
        let order = ["save a snapshot of etcd", "drain m3", "take m3 out of etcd", "uninstall k3s and homelab", "delete node m3"]
        let seen = removal.filter { $0.result == "done" && order.contains($0.step ?? "") }
        let steps = seen.compactMap(\.step)
        #expect(steps.suffix(order.count) == order[...], "\(nodes.done(removal))")
        // An agent that could not renew its Lease for a while stops, says so, and begins anew with what is safe to do again.
        let wasStopped = removal.contains { $0.result == "skipped" && $0.message == "stopped" && $0.node == "m3" }
        #expect(steps.count == order.count || wasStopped, "\(nodes.done(removal))")
        #expect(Set(steps.dropLast(order.count)).isSubset(of: order.prefix(2)), "\(nodes.done(removal))")
        #expect(seen.allSatisfy { $0.plan == report.plan }, "it was that plan")
        // It comes back as a new machine, and the policy lets it.
        try lab.letAgentsIn("m3")
        try nodes.write { $0.cluster = "policy: {servers: automatic}\n" }
        _ = try lab.push("m3 joins")
        try lab.wait("five Ready nodes", limit: 300) { try lab.readyNodes() == 5 }
        try nodes.expectOrder()
    }

    @Test func t08_aVersionIsPushedAndAllNodesFollowWhileTheAppServes() throws {
        try nodes.bring("v1.20.3+k3s1", to: ["m1", "m2", "m3"])
        let leader = try nodes.leader()
        // Approved in git, as the policy asks.
        func write(_ policy: String) throws {
            try nodes.write {
                $0.version = "v1.20.3+k3s1"
                $0.cluster = "policy: {\(policy)}\n"
            }
        }
        try write("upgrades: approve")
        _ = try lab.push("Another k3s, if somebody agrees")
        try lab.wait("the question", limit: 90) { try nodes.report().states["m1"] == "approval" }
        try write("upgrades: approve, approve: \(nodes.report().plan)")
        let watch = LowestValue { try? Apps.readyPods(lab) }
        let pushed = try lab.push("Another k3s")
        let done = try lab.wait("all nodes upgraded", limit: 1200, since: pushed) {
            try nodes.versions() == ["m1", "m2", "m3", "m4", "m5"].reduce(into: [:]) { $0[$1] = "v1.20.3+k3s1" }
        }
        print("five nodes upgraded \(done) s after the push")
        #expect(watch.stop() >= 1, "the app never had fewer pods than its budget allows")
        let entries = try nodes.expectOrder()
        #expect(entries.contains { $0.step == "save a snapshot of etcd" && $0.result == "done" })
        #expect(try nodes.leader() != leader, "the acting agent handed over before its own server was upgraded")
        let ages = try ["m1", "m2", "m3", "m4", "m5"].map { name in
            (name, try lab.on(name, "stat -c %Y /usr/local/bin/k3s").output)
        }.sorted { $0.1 < $1.1 }.map(\.0)
        #expect(Set(ages.prefix(3)) == ["m1", "m2", "m3"] && ages[2] == leader, "\(ages), \(leader) acted first")
    }

    @Test func t09_theBranchIsMovedBackToAnOldCommitAndK3sStays() throws {
        let now = try nodes.head()
        let steps = try nodes.journal("").count
        // The inventory is a commit of its own below each push; the last two pushes are about the version.
        try lab.git("reset", "--quiet", "--hard", "HEAD~4")
        try lab.git("push", "--quiet", "--force", "cluster", "main")
        try lab.wait("the refusal", limit: 90) {
            let report = try nodes.report()
            return try report.revision == nodes.head() && report.text.contains("k3s does not go back")
        }
        #expect(try nodes.versions().values.allSatisfy { $0 == "v1.20.3+k3s1" })
        #expect(try nodes.journal("").count == steps, "nothing was done")
        try lab.git("reset", "--quiet", "--hard", now)
        try lab.git("push", "--quiet", "--force", "cluster", "main")
        try lab.wait("nothing to do", limit: 90) {
            let report = try nodes.report()
            return try report.revision == nodes.head() && report.changes.isEmpty && report.text.isEmpty
        }
        #expect(try lab.readyNodes() == 5)
    }

    @Test func t10_theActingServerLosesItsPowerInTheMiddleOfAnAdd() throws {
        let leader = try nodes.leader()
        let other = leader == "m1" ? "m2" : "m1"
        try lab.lab("reinstall", "m6")
        try lab.lab("on", "m6")
        try lab.letAgentsIn("m6")
        try nodes.write {
            $0.version = "v1.20.3+k3s1"
            $0.agents += ["m6"]
        }
        _ = try lab.push("m6 comes back")
        // Between two steps there is nothing to be cut off.
        try lab.wait("a step of the add", limit: 90) {
            let last = try lab.on(leader, "tail -n 1 /var/lib/homelab/journal/nodes.jsonl", limit: 10).output
            return last.contains(#""node":"m6""#) && last.contains(#""result":"started""#)
        }
        let cut = Date()
        try lab.lab("off", leader, "hard")
        let ready = try lab.wait("m6 Ready", limit: 300, since: cut) {
            try lab.on(other, "k3s kubectl get node m6 --no-headers", limit: 20).output.contains(" Ready")
        }
        print("the add was finished by another agent \(ready) s after the power cut")
        try lab.lab("on", leader)
        try lab.wait("six Ready nodes", limit: 240) { try nodes.ready(through: other) == 6 }
        // Its kubelet may be back before its agent, which closes what it had begun.
        try lab.wait("word of the cut", limit: 90) {
            try nodes.journal(nodes.head()).contains { $0.result == "interrupted" && $0.server == leader }
        }
        let entries = try nodes.expectOrder(isCutOff: true)
        #expect(entries.contains { $0.result == "interrupted" && $0.server == leader }, "\(entries)")
        #expect(entries.contains { $0.result == "done" && $0.server != leader && $0.node == "m6" }, "\(entries)")
    }

    // MARK: Without the API

    @Test func t11_withTheAPIDownNothingIsDoneAndRecoverBringsItBack() throws {
        let sysctls = "/etc/sysctl.d/90-homelab-k3s.conf"
        for machine in ["m2", "m3"] { try lab.lab("off", machine, "hard") }
        try lab.wait("an API that is down", limit: 60) { try !lab.kubectl("get", "nodes", "--request-timeout=3s").succeeded }
        // Work for which no API would be needed, and work that needs one.
        try lab.on("m4", "rm \(sysctls)")
        try nodes.write {
            $0.version = "v1.20.3+k3s1"
            $0.agents += ["m6"]
            $0.more["m4"] = "    labels: {disk: nvme}"
        }
        _ = try lab.push("m4 has a faster disk")
        let commit = try nodes.head()
        let started = Date()
        let short = try lab.homelab("recover", "--yes", "--wait", "5s", limit: 120)
        print("two of three servers off: told after \(Date().timeIntervalSince(started)) s, 5 of them waiting")
        #expect(short.status == 1)
        for words in [
            "answers and holds the cluster's data: m1", "does not answer: m2: ", "does not answer: m3: ",
            "etcd needs 2 of its 3 members: 1 more has to come back", "waiting for m2 or m3, for ",
        ] { #expect(short.output.contains(words), "\(words) is not in\n\(short.text)") }
        #expect(short.errors.contains("bring m2 or m3 back") && short.errors.contains("--cluster-reset"), "\(short.text)")
        #expect(!short.output.contains("start k3s.service"), "\(short.text)")
        let recovery = try lab.start("recover", "--yes", "--wait", "3m")
        try lab.wait(recovery, "waiting for m2 or m3, for ")
        #expect(try lab.on("m1", "grep -c '\(commit)' /var/lib/homelab/journal/nodes.jsonl").output == "0\n", "nothing was begun")
        #expect(try !lab.on("m4", "test -e \(sysctls)").succeeded)
        let on = Date()
        try lab.lab("on", "m2")
        let result = recovery.end(limit: 240)
        print("two of three off: recovered \(Date().timeIntervalSince(on)) s after one of them was switched on")
        #expect(result.succeeded && result.output.contains("The cluster's API answers again"), "\(result.text)")
        #expect(result.errors.contains(#"node "m3": "#), "the one that is still missing is told:\n\(result.text)")
        #expect(try lab.kubectl("get", "nodes").succeeded)
        try lab.wait("what waited for the API", limit: 120) {
            try label("m4", "disk") == "nvme" && lab.on("m4", "test -s \(sysctls)").succeeded
        }
    }

    @Test func t12_recoverStartsWhatIsStoppedAlthoughOneOfThreeIsOff() throws {
        let well = try lab.homelab("recover", "--yes")
        #expect(well.status == 1 && well.errors.contains("there is nothing to recover"), "\(well.text)")
        for machine in ["m1", "m2"] { try lab.on(machine, "systemctl stop k3s") }
        let began = Date()
        let result = try lab.homelab("recover", "--yes", limit: 240)
        print("one of three off and the others stopped: recovered after \(Date().timeIntervalSince(began)) s")
        #expect(result.succeeded && result.output.contains("The cluster's API answers again"), "\(result.text)")
        for words in ["m1: start k3s.service", "m2: start k3s.service", "those that answer are enough"] {
            #expect(result.output.contains(words), "\(words) is not in\n\(result.text)")
        }
        #expect(result.errors.contains(#"node "m3": "#), "\(result.text)")
        try lab.lab("on", "m3")
        try lab.wait("six Ready nodes", limit: 240) { try lab.readyNodes() == 6 }
        let history = try lab.homelab("history", "--servers", "-n", "0", "--node", "m2").output
        #expect(history.contains("start k3s.service"), "an operator's run is in the journal, too:\n\(history)")
    }

    @Test func t13_aServerWithAFreshDiskIsReplacedWhenThatIsApproved() throws {
        try lab.lab("reinstall", "m3")
        try lab.letAgentsIn("m3")
        try nodes.write {
            $0.version = "v1.20.3+k3s1"
            $0.agents += ["m6"]
            $0.more["m4"] = "    labels: {disk: nvme}"
        }
        _ = try lab.push("m3 has a new disk")
        try lab.wait("the question", limit: 120) { try nodes.report().states["m3"] == "approval" }
        let report = try nodes.report()
        #expect(report.text.contains("replace server m3"), "\(report.text)")
        #expect(try lab.homelab("approve", String(report.plan.prefix(12)), "--kubeconfig", lab.kubeconfig).succeeded)
        try lab.wait("m3 in its place again", limit: 300) { try lab.readyNodes() == 6 && lab.on("m3", "test -e /etc/homelab").succeeded }
        let steps = try nodes.done(nodes.expectOrder(limit: 240))
        #expect(steps.contains { $0.hasSuffix("save a snapshot of etcd") }, "\(steps)")
    }

    @Test func t14_tearDown() throws { try lab.tearDown() }
}
