import Cryptography
import Diagnostics
import FileSystem
import NodeInventory
import NodePlanning
import Testing
import YAML

@testable import Provisioning

/// Upgrades and removals carried out on hosts that answer as told.
@Suite struct ChangeExecutionTests {
    let events = EventLog()

    /// - Parameter patience: of the waits; a short one is for those that are to be given up.
    private func executor(_ hosts: [FakeHost], servers: Set<String>, patience: Duration = .seconds(60)) throws -> PlanExecutor {
        let events = self.events
        var executor = PlanExecutor(
            cluster: "home", servers: servers, hosts: Dictionary(uniqueKeysWithValues: hosts.map { ($0.name, $0 as any Host) }),
            files: { "/files/\($0.name.rawValue)" }, secrets: { _, _ in Secret("hunter22") },
            recorder: try RunRecorder(folder: nil, forward: { events.add($0) }), lockOwner: nil)
        executor.limits.poll = .milliseconds(1)
        executor.limits.k3s = patience
        executor.limits.node = patience
        executor.limits.workloads = patience
        executor.limits.election = .milliseconds(1)
        executor.limits.member = patience
        return executor
    }

    private func task(_ node: String, _ steps: [Step], fallback: Fallback? = nil) -> NodeTask {
        NodeTask(node: node, steps: steps.map { PlannedStep($0, "test") }, fallback: fallback)
    }

    private static func looks(_ active: String, restarts: Int = 0) -> FakeHost.Answer {
        .ok("ActiveState=\(active)\nSubState=x\nNRestarts=\(restarts)\n-- journal\nm2 k3s[1]: no such instruction\n-- cursor: c1\n")
    }

    private static func node(_ version: String) -> String {
        #"{"metadata":{"name":"m2"},"status":{"nodeInfo":{"kubeletVersion":""# + version
            + #""},"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-11-26T10:00:30Z"}]}}"#
    }

    // MARK: Drain

    private var request: DrainRequest {
        var policy = DrainPolicy()
        policy.timeout = 0
        return DrainRequest(node: "m2", policy: policy)
    }

    private static let obstacles = """
        {"items":[
          {"metadata":{"namespace":"shop","name":"web-0","labels":{"app":"web"}},"status":{"phase":"Running"}},
          {"metadata":{"namespace":"shop","name":"log-x","ownerReferences":[{"kind":"DaemonSet"}]},"status":{"phase":"Running"}},
          {"metadata":{"namespace":"shop","name":"slow","deletionTimestamp":"2026-11-25T00:00:00Z"},"status":{"phase":"Running"}},
          {"metadata":{"namespace":"shop","name":"done"},"status":{"phase":"Succeeded"}}]}
        -- budgets
        {"items":[
          {"metadata":{"namespace":"shop","name":"other"},"spec":{"selector":{"matchLabels":{"app":"db"}}},"status":{"disruptionsAllowed":0}},
          {"metadata":{"namespace":"shop","name":"web"},
           "spec":{"selector":{"matchExpressions":[{"key":"app","operator":"In","values":["web"]}]}},
           "status":{"disruptionsAllowed":0,"currentHealthy":1,"desiredHealthy":1}}]}
        """

    @Test func aDrainThatIsBlockedSaysByWhatAndLetsPodsOntoTheNodeAgain() async throws {
        let m1 = FakeHost("m1").on("kubectl drain", .fails("error: global timeout reached: 1s")).on("-- budgets", .ok(Self.obstacles))
            .on("kubectl uncordon", .ok())
        let report = try await executor([m1, FakeHost("m2")], servers: ["m1"]).execute(
            NodePlan(cluster: "home", phases: [Phase(.agentUpgrade, tasks: [task("m2", [.drain(request, via: "m1"), .stopUnit("x")])])]))
        let failure = try #require(report.failures.first)
        #expect(failure.summary == "was not drained within 0 s")
        #expect(
            failure.cause
                == "pod shop/web-0, which PodDisruptionBudget web keeps: it needs 1 healthy and there are 1; pod shop/slow, which is stopping"
        )
        #expect(failure.remedy?.contains("PodDisruptionBudget") == true)
        #expect(m1.log.last?.contains("uncordon") == true)
        #expect(report.skipped.map(\.text) == ["stop x"])
        #expect(events.lines.contains { $0.contains("drain m2: waits for pod shop/web-0") })
    }

    @Test func podsThatNothingWouldMakeAnewEndTheDrainAtOnce() async throws {
        let words = "error: unable to drain node \"m2\"\nerror: cannot delete Pods not managed by ReplicationController: default/bare"
        let m1 = FakeHost("m1").on("kubectl drain", .fails(words)).on("kubectl uncordon", .ok())
        let report = try await executor([m1, FakeHost("m2")], servers: ["m1"]).execute(
            NodePlan(cluster: "home", phases: [Phase(.removal, tasks: [task("m2", [.drain(request, via: "m1")])])]))
        #expect(report.failures.first?.summary == "some pods would be lost by a drain")
        #expect(report.failures.first?.cause == "cannot delete Pods not managed by ReplicationController: default/bare")
        #expect(m1.log.count { $0.contains("kubectl drain") } == 1)
    }

    @Test func aForcedDrainGoesOn() async throws {
        var forced = request
        forced.force = true
        let m1 = FakeHost("m1").on("kubectl drain", .fails("timeout")).on("-- budgets", .ok(Self.obstacles))
        let report = try await executor([m1, FakeHost("m2")], servers: ["m1"]).execute(
            NodePlan(cluster: "home", phases: [Phase(.removal, tasks: [task("m2", [.drain(forced, via: "m1")])])]))
        #expect(report.succeeded)
        #expect(events.lines.contains { $0.hasPrefix("m2: goes on without having moved pod shop/web-0") })
    }

    // MARK: The way back

    private static let swap = Step.installBinary(Artifact(name: .k3s, architecture: .amd64, sha256: "s", path: NodeLayout.k3s))

    @Test func anAgentGoesBackByItselfAndTheRunEnds() async throws {
        let m1 = FakeHost("m1").on("get node", .ok(Self.node("v1.33.4+k3s1"))).on("homelab.dev/cordoned", .ok())
        let m2 = FakeHost("m2").on("homelab-upload", .ok()).on("-p MainPID", PlanExecutorTests.started)
            .on("systemctl show", Self.looks("activating"), Self.looks("activating", restarts: 9), Self.looks("active"))
            .withLocks().on("systemctl", .ok()).on(".prev", .ok())
        let m3 = FakeHost("m3")
        let back = Fallback(
            version: "v1.33.4+k3s1",
            steps: [
                .restoreBinary(path: NodeLayout.k3s), .restartUnit("k3s-agent.service"), .awaitK3s(role: .agent),
                .awaitNode(name: "m2", via: "m1", votingMember: false, version: "v1.33.4+k3s1"), .uncordon(node: "m2", via: "m1"),
            ].map { PlannedStep($0, "test") })
        let steps = [Self.swap, .restartUnit("k3s-agent.service"), .awaitK3s(role: .agent)]
        let report = try await executor([m1, m2, m3], servers: ["m1"]).execute(
            NodePlan(
                cluster: "home",
                phases: [
                    Phase(.agentUpgrade, tasks: [task("m2", steps, fallback: back), task("m3", [.stopUnit("x")])]),
                    Phase(.metadata, tasks: [task("m3", [.stopUnit("y")])]),
                ]))
        #expect(report.failures.map(\.summary) == ["the upgrade failed, and the node runs k3s v1.33.4+k3s1 again"])
        #expect(report.failures.first?.cause == "k3s ended 9 times and does not come up: no such instruction")
        #expect(m2.log.contains { $0.contains(".prev") })
        #expect(m3.log.isEmpty, "nothing follows on a failed upgrade")
        #expect(Set(report.skipped.map(\.text)) == ["stop x", "stop y"])
        #expect(events.lines.contains("m2: goes back to k3s v1.33.4+k3s1"))
    }

    @Test func aServerStopsTheRunAndSaysTheRecipe() async throws {
        let m1 = FakeHost("m1").on("-- members", .fails("no etcd")).on("homelab-upload", .ok())
            .on("systemctl show", Self.looks("activating"), Self.looks("activating", restarts: 20))
            .withLocks().on("systemctl", .ok())
        let report = try await executor([m1], servers: ["m1"]).execute(
            NodePlan(
                cluster: "home",
                phases: [
                    Phase(
                        .serverUpgrade,
                        tasks: [
                            task(
                                "m1", [Self.swap, .restartUnit("k3s.service"), .awaitK3s(role: .server)],
                                fallback: Fallback(version: "v1.33.4+k3s1", recipe: "Do this."))
                        ])
                ]))
        #expect(report.failures.map(\.summary) == ["the upgrade of m1 failed, and the run stops here"])
        #expect(report.failures.first?.remedy == "Do this.")
        #expect(!m1.log.contains { $0.contains(".prev") && !$0.contains("homelab-upload") })
    }

    // MARK: What a run leaves behind

    private static let databaseCopied: [Step] = [
        .cordon(node: "m1", for: .upgrade, via: "m1"), .stopUnit("k3s.service"), .copyDatabase, swap, .startUnit("k3s.service"),
        .bringCopy, .uncordon(node: "m1", via: "m1"),
    ]

    private func copying(_ answer: FakeHost.Answer) -> FakeHost {
        FakeHost("m1").on("-- members", .fails("no etcd")).on("tar -cf", answer).on("homelab.dev/cordoned", .ok())
            .on("homelab-upload", .ok()).withLocks().on("systemctl", .ok()).file(NodeLayout.serverToken, "K10secret\n")
    }

    @Test func aServerStoppedForACopyThatFailsRunsAgainAndTakesPods() async throws {
        let m1 = copying(.fails("tar: write error: No space left on device"))
        let report = try await executor([m1], servers: ["m1"]).execute(
            NodePlan(cluster: "home", phases: [Phase(.serverUpgrade, tasks: [task("m1", Self.databaseCopied)])]))
        #expect(report.failures.map(\.summary) == ["cannot copy the database"])
        let actions = m1.log.filter { !$0.contains("show") }
        let copy = try #require(actions.firstIndex { $0.contains("tar -cf") })
        #expect(actions[(copy + 1)...].contains { $0.contains("start") && $0.contains("k3s.service") }, "\(actions)")
        #expect(actions.last?.contains("uncordon") == true, "\(actions)")
        #expect(
            events.lines.contains("m1: is left in use: start k3s.service, uncordon m1"), "\(events.lines)")
    }

    @Test func theCopyIsBroughtOnceTheNewK3sIsStarted() async throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        let content = "the database"
        let m1 = copying(.ok("/copies/sqlite-1.tar \(content.utf8.count) \(SHA256.hex(of: content))\n")).on("dd if=", .ok(content))
        var executor = try executor([m1], servers: ["m1"])
        executor.backups = folder
        let report = try await executor.execute(
            NodePlan(cluster: "home", phases: [Phase(.serverUpgrade, tasks: [task("m1", Self.databaseCopied)])]))
        #expect(report.succeeded, "\(report.failures)")
        let start = try #require(m1.log.lastIndex { $0.contains("start") && $0.contains("k3s.service") })
        let brought = try #require(m1.log.firstIndex { $0.contains("dd if=") })
        #expect(start < brought, "the API is away no longer than it takes to copy on the disk: \(m1.log)")
        #expect(try Files.list(folder + "/" + #require(Files.list(folder).first)).sorted() == ["sqlite-1.tar", "token"])
    }

    @Test func aNodeEmptiedForAnUpgradeThatDoesNotBeginTakesPodsAgain() async throws {
        let m1 = FakeHost("m1").on("homelab.dev/cordoned", .ok())
        let m2 = FakeHost("m2").on("homelab-upload", .fails("cat: write error: No space left on device")).withLocks()
        let steps: [Step] = [
            .cordon(node: "m2", for: .upgrade, via: "m1"), Self.swap, .restartUnit("k3s-agent.service"), .uncordon(node: "m2", via: "m1"),
        ]
        let report = try await executor([m1, m2], servers: ["m1"]).execute(
            NodePlan(cluster: "home", phases: [Phase(.agentUpgrade, tasks: [task("m2", steps)])]))
        #expect(report.failures.count == 1)
        #expect(m1.log.last?.contains("uncordon") == true, "\(m1.log)")
        #expect(!m2.log.contains { $0.contains("restart") })
    }

    // MARK: The majority

    private static func server(_ name: String, ready: Bool) -> String {
        #"{"metadata":{"name":"\#(name)","labels":{"node-role.kubernetes.io/etcd":"true"},"#
            + #""annotations":{"etcd.k3s.cattle.io/node-name":"\#(name)-0123abcd"}},"#
            + #""status":{"conditions":[{"type":"Ready","status":"\#(ready ? "True" : "Unknown")"}]}}"#
    }

    private static func cluster(thirdIsReady: Bool) -> FakeHost.Answer {
        let nodes = [server("m1", ready: true), server("m2", ready: true), server("m3", ready: thirdIsReady)]
        return .ok(#"{"items":[\#(nodes.joined(separator: ","))]}"# + "\n-- tokens\n-- ca\nQ0E=\n-- members\n")
    }

    @Test func aServerIsNotRestartedWhileAnotherIsAway() async throws {
        func plan(_ step: Step) -> NodePlan { NodePlan(cluster: "home", phases: [Phase(.configuration, tasks: [task("m2", [step])])]) }
        let m2 = FakeHost("m2").on("-- members", Self.cluster(thirdIsReady: false)).on("/readyz", .ok()).withLocks().on("systemctl", .ok())
        for step in [Step.restartUnit("k3s.service"), .cordon(node: "m2", for: .upgrade, via: "m2")] {
            let report = try await executor([m2], servers: ["m1", "m2", "m3"], patience: .milliseconds(200)).execute(plan(step))
            #expect(
                report.failures.map(\.summary) == [
                    "cannot \(step.activity): etcd has 3 members, 2 of them healthy, and would lose its majority"
                ])
            #expect(report.failures.first?.remedy == "bring m3 back first, then run again")
        }
        #expect(!m2.log.contains { $0.contains("restart k3s") || $0.contains("cordoned") }, "\(m2.log)")
        #expect(events.lines.contains { $0.contains("waits: etcd has 3 members") })

        // Nothing has been done to its k3s: there is nothing to go back from, and it takes pods again.
        let upgrade = task(
            "m2", [.cordon(node: "m2", for: .upgrade, via: "m2"), .restartUnit("k3s.service"), .uncordon(node: "m2", via: "m2")],
            fallback: Fallback(version: "old", recipe: "Restore."))
        let emptied = FakeHost("m2").on("-- members", Self.cluster(thirdIsReady: true), Self.cluster(thirdIsReady: false)).withLocks()
            .on("/readyz", .ok()).on("homelab.dev/cordoned", .ok())
        let refused = try await executor([emptied], servers: ["m1", "m2", "m3"], patience: .milliseconds(200)).execute(
            NodePlan(cluster: "home", phases: [Phase(.serverUpgrade, tasks: [upgrade])]))
        #expect(refused.failures.first?.remedy == "bring m3 back first, then run again", "\(refused.failures)")
        #expect(emptied.log.contains { $0.contains("kubectl uncordon") } && !emptied.log.contains { $0.contains("restart") })

        let back = FakeHost("m2").on("-- members", Self.cluster(thirdIsReady: false), Self.cluster(thirdIsReady: true)).withLocks()
            .on("/readyz", .ok()).on("systemctl", .ok())
        let report = try await executor([back], servers: ["m1", "m2", "m3"]).execute(plan(.restartUnit("k3s.service")))
        #expect(report.succeeded, "it goes on when m3 is there again: \(report.failures)")
        // What does not run cannot be asked, and has nothing to lose.
        let down = FakeHost("m2").on("-- members", .fails("connection refused")).withLocks().on("systemctl", .ok())
        #expect(try await executor([down], servers: ["m1", "m2", "m3"]).execute(plan(.restartUnit("k3s.service"))).succeeded)
    }

    /// For forty seconds after its end a server's Node says that it is Ready.
    @Test func theOtherServersAreAskedThemselves() async throws {
        let plan = NodePlan(cluster: "home", phases: [Phase(.configuration, tasks: [task("m2", [.restartUnit("k3s.service")])])])
        let m2 = FakeHost("m2").on("-- members", Self.cluster(thirdIsReady: true)).on("/readyz", .ok()).withLocks().on("systemctl", .ok())
        let off = FakeHost("m3").on("/readyz", .lost)
        let refused = try await executor([m2, off], servers: ["m1", "m2", "m3"], patience: .milliseconds(200)).execute(plan)
        #expect(refused.failures.first?.remedy == "bring m3 back first, then run again", "\(refused.failures)")
        #expect(!m2.log.contains { $0.contains("restart k3s") }, "\(m2.log)")

        let starting = FakeHost("m3").on("/readyz", .fails("The connection to the server 127.0.0.1:6443 was refused"), .ok())
        let report = try await executor([m2, starting], servers: ["m1", "m2", "m3"]).execute(plan)
        #expect(report.succeeded, "it goes on when m3 answers: \(report.failures)")
    }

    // MARK: Workloads and members

    @Test func onlyWhatWasHealthyBeforeIsWaitedFor() async throws {
        let broken = "Deployment|shop|old|1|1|1||||\n"
        let before = broken + "Deployment|shop|web|2|2|2|2|2||\nDaemonSet|kube-system|log|1|1||||3|3\n"
        let during = broken + "Deployment|shop|web|2|2|2|1|1||\nDaemonSet|kube-system|log|1|1||||3|2\n"
        let m1 = FakeHost("m1").on("get deployments", .ok(before), .ok(during), .ok(before))
        let report = try await executor([m1], servers: ["m1"]).execute(
            NodePlan(cluster: "home", phases: [Phase(.agentUpgrade, tasks: [task("m1", [.awaitWorkloads(node: "m1", via: "m1")])])]))
        #expect(report.succeeded, "\(report.failures)")
        #expect(events.lines.contains { $0.contains("daemonset kube-system/log: 2 of 3 ready; deployment shop/web: 1 of 2 ready") })

        let stuck = FakeHost("m1").on("get deployments", .ok(before), .ok(during))
        let failed = try await executor([stuck], servers: ["m1"], patience: .milliseconds(50)).execute(
            NodePlan(cluster: "home", phases: [Phase(.agentUpgrade, tasks: [task("m1", [.awaitWorkloads(node: "m1", via: "m1")])])]))
        #expect(failed.failures.first?.summary.hasPrefix("what ran before is not healthy again") == true)
        #expect(failed.failures.first?.cause?.contains("shop/old") == false)
    }

    @Test func aMemberIsSeenToBeGone() async throws {
        func member(_ removed: String) -> FakeHost.Answer {
            .ok(#"{"metadata":{"annotations":{"etcd.k3s.cattle.io/node-name":"m3-1""# + removed + "}}}")
        }
        let m1 = FakeHost("m1").on("etcd.k3s.cattle.io/remove=true", .ok()).on(
            "get node", member(""), member(#","etcd.k3s.cattle.io/removed-node-name":"m3-1""#)
        ).on("/db/info", .ok(""))
        let plan = NodePlan(cluster: "home", phases: [Phase(.removal, tasks: [task("m1", [.removeMember(node: "m3", via: "m1")])])])
        let report = try await executor([m1], servers: ["m1"]).execute(plan)
        #expect(report.succeeded, "\(report.failures)")
        #expect(m1.log.count { $0.contains("get node") } == 2)

        let stays = FakeHost("m1").on("etcd.k3s.cattle.io/remove=true", .ok()).on("get node", member(""))
        let failed = try await executor([stays], servers: ["m1"], patience: .milliseconds(50)).execute(plan)
        #expect(failed.failures.first?.summary.hasPrefix("its etcd member was not taken out") == true)
    }

    /// The Node's annotation alone does not count while etcd lists the member.
    @Test func aMemberIsGoneWhenEtcdListsItNoMore() async throws {
        let removed = FakeHost.Answer.ok(
            #"{"metadata":{"annotations":{"etcd.k3s.cattle.io/node-name":"m3-0a1b2c3d","etcd.k3s.cattle.io/removed-node-name":"m3-0a1b2c3d"}}}"#
        )
        func members(_ names: String...) -> FakeHost.Answer {
            .ok(#"{"members":["# + names.map { #"{"name":""# + $0 + #""}"# }.joined(separator: ",") + "]}")
        }
        let m1 = FakeHost("m1").on("etcd.k3s.cattle.io/remove=true", .ok()).on("get node", removed)
            .on("/db/info", members("m1-11111111", "m3-0a1b2c3d"), members("m1-11111111"))
        let plan = NodePlan(cluster: "home", phases: [Phase(.removal, tasks: [task("m1", [.removeMember(node: "m3", via: "m1")])])])
        let report = try await executor([m1], servers: ["m1"]).execute(plan)
        #expect(report.succeeded, "\(report.failures)")
        #expect(m1.log.count { $0.contains("/db/info") } == 2)

        let stays = FakeHost("m1").on("etcd.k3s.cattle.io/remove=true", .ok()).on("get node", removed)
            .on("/db/info", members("m1-11111111", "m3-0a1b2c3d"))
        let failed = try await executor([stays], servers: ["m1"], patience: .milliseconds(50)).execute(plan)
        #expect(failed.failures.first?.summary.hasPrefix("its etcd member was not taken out") == true)
    }

    @Test func anAPIThatIsAwayForAMomentIsWaitedFor() async throws {
        let refused = "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?"
        let m1 = FakeHost("m1").on("kubectl delete node", .fails(refused), .ok())
        let plan = NodePlan(cluster: "home", phases: [Phase(.removal, tasks: [task("m1", [.deleteNode("m3", via: "m1")])])])
        let report = try await executor([m1], servers: ["m1"]).execute(plan)
        #expect(report.succeeded, "\(report.failures)")
        #expect(events.lines.contains { $0.contains("the API of m1 does not answer: The connection to the server") })

        let forbidden = FakeHost("m1").on("kubectl delete node", .fails("Error from server (Forbidden): nodes is forbidden"))
        let failed = try await self.executor([forbidden], servers: ["m1"]).execute(plan)
        #expect(failed.failures.map(\.summary) == ["cannot delete node m3"])
        #expect(forbidden.log.count == 1)

        let held = FakeHost("m1").on(
            "kubectl delete node",
            .fails("error: timed out waiting for the condition on nodes/m3\nit is held by its finalizers [\"example.org/hold\"]"))
        let waited = try await self.executor([held], servers: ["m1"]).execute(plan)
        #expect(waited.failures.first?.cause == "it is held by its finalizers [\"example.org/hold\"]")
        #expect(held.log.count == 1)

        // The API may go while kubectl waits.
        let gone = FakeHost("m1").on(
            "kubectl delete node", .fails("error: timed out waiting for the condition on nodes/m3"), .ok())
        let repeated = try await self.executor([gone], servers: ["m1"]).execute(plan)
        #expect(repeated.succeeded && gone.log.count == 2, "\(repeated.failures)")
    }

    // MARK: Backups

    @Test func aSnapshotAndTheTokenAreBroughtHome() async throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        let content = "the database"
        let m1 = FakeHost("m1").on("etcd-snapshot save", .ok("/snapshots/before-m1-1 \(content.utf8.count) \(SHA256.hex(of: content))\n"))
            .on("dd if=/snapshots/before-m1-1", .ok(content)).file(NodeLayout.serverToken, "K10secret\n")
        var executor = try executor([m1], servers: ["m1"])
        executor.backups = folder + "/backups"
        let plan = NodePlan(
            cluster: "home", phases: [Phase(.snapshot, tasks: [task("m1", [.saveSnapshot(name: "before", directory: "/snapshots")])])])
        let report = try await executor.execute(plan)
        #expect(report.succeeded, "\(report.failures)")
        let run = try #require(try Files.list(folder + "/backups").first)
        #expect(run.hasPrefix("home-"))
        #expect(try Files.readText("\(folder)/backups/\(run)/before-m1-1") == content)
        #expect(try Files.readText("\(folder)/backups/\(run)/token") == "K10secret\n")
        #expect(try Files.status("\(folder)/backups/\(run)/token").mode & 0o777 == 0o600)

        let damaged = FakeHost("m1").on("etcd-snapshot save", .ok("/snapshots/before-m1-1 5 \(SHA256.hex(of: "other"))\n"))
            .on("dd if=/snapshots/before-m1-1", .ok("wrong")).file(NodeLayout.serverToken, "K10secret\n")
        var second = try self.executor([damaged], servers: ["m1"])
        second.backups = folder + "/damaged"
        let failed = try await second.execute(plan)
        #expect(failed.failures.map(\.summary) == ["the copy was damaged on its way"])
    }

    @Test func theNewestFiveCopiesAreKeptHere() async throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        func put(_ name: String, _ files: [String]) throws {
            try Files.makeDirectory("\(folder)/\(name)")
            for file in files { try Files.write("", to: "\(folder)/\(name)/\(file)") }
        }
        let removal = "homelab-before-removal-m1-1795400000"
        // The first of the change that goes on, then some of others.
        try put("home-2026-01-01T00-00-00Z", ["homelab-before-v1.34.1-k3s1-m1-1795400000.zip", "token"])
        for day in 2...6 { try put("home-2026-01-0\(day)T00-00-00Z", [removal, "token"]) }
        try put("home-2026-01-07T00-00-00Z", ["sqlite-20260107T000000Z.tar"])
        // Copies that broke off.
        try put("home-2026-01-08T00-00-00Z", [removal + ".part"])
        try put("home-2026-01-08T00-00-01Z", [])
        let others = ["home-lab-2026-01-01T00-00-00Z", "home-mine"]
        for other in others { try put(other, [removal, "token"]) }
        try put("home-2026-01-01T00-00-01Z", [removal, "token", "notes.txt"])
        let content = "the database"
        let path = "/snapshots/homelab-before-v1.34.1-k3s1-m1-1795400009"
        let m1 = FakeHost("m1").on("etcd-snapshot save", .ok("\(path) \(content.utf8.count) \(SHA256.hex(of: content))\n"))
            .on("dd if=\(path)", .ok(content)).file(NodeLayout.serverToken, "K10secret\n")
        var executor = try executor([m1], servers: ["m1"])
        executor.backups = folder
        let save = Step.saveSnapshot(name: "homelab-before-v1.34.1-k3s1", directory: "/snapshots")
        let report = try await executor.execute(NodePlan(cluster: "home", phases: [Phase(.snapshot, tasks: [task("m1", [save])])]))
        #expect(report.succeeded, "\(report.failures)")
        let left = try Files.list(folder)
        let new = try #require(left.first { $0 > "home-2026-02" && $0.hasPrefix("home-2") })
        let days = [1, 4, 5, 6, 7].map { "home-2026-01-0\($0)T00-00-00Z" }
        #expect(Set(left) == Set(days + others + ["home-2026-01-01T00-00-01Z", new]), "\(left)")
    }

    /// A copy of SQLite is of no change by its name.
    @Test func ofSQLitesCopiesTheOldestIsNotKept() throws {
        let folder = try Files.makeTemporaryDirectory()
        defer { try? Files.removeTree(folder) }
        let names = (1...7).map { "home-2026-01-0\($0)T00-00-00Z" }
        for name in names {
            try Files.makeDirectory("\(folder)/\(name)")
            try Files.write("", to: "\(folder)/\(name)/sqlite-20260101T000000Z.tar")
        }
        BackupFolders.prune(folder, cluster: "home", new: "\(folder)/\(names[6])", beginning: nil)
        #expect(try Set(Files.list(folder)) == Set(names.suffix(5)))
    }

    @Test func labelSelectors() {
        let labels: Value = ["app": "web", "tier": "front"]
        let selectors: [(Value, Bool)] = [
            ([:], true), (["matchLabels": ["app": "web"]], true), (["matchLabels": ["app": "db"]], false),
            (["matchExpressions": [["key": "tier", "operator": "Exists"]]], true),
            (["matchExpressions": [["key": "zone", "operator": "Exists"]]], false),
            (["matchExpressions": [["key": "zone", "operator": "DoesNotExist"]]], true),
            (["matchExpressions": [["key": "app", "operator": "NotIn", "values": ["web"]]]], false),
            (["matchExpressions": [["key": "app", "operator": "In", "values": ["db"]]]], false),
        ]
        for (selector, isSelected) in selectors { #expect(DrainObstacles.selects(selector, labels) == isSelected) }
    }
}
