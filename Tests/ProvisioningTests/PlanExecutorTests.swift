import Diagnostics
import FileSystem
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

@Suite struct PlanExecutorTests {
    let events = EventLog()

    /// - Parameter patience: of the waits; a short one is for those that are to be given up.
    private func executor(
        _ hosts: [FakeHost], servers: Set<String>, folder: String? = nil, patience: Duration = .seconds(60)
    ) throws -> PlanExecutor {
        let events = self.events
        var executor = PlanExecutor(
            cluster: "home", servers: servers, hosts: Dictionary(uniqueKeysWithValues: hosts.map { ($0.name, $0 as any Host) }),
            files: { "/files/\($0.name.rawValue)" }, secrets: { _, _ in Secret("hunter22") },
            recorder: try RunRecorder(folder: folder, forward: { events.add($0) }), lockOwner: "alice@laptop, test")
        executor.limits.poll = .milliseconds(1)
        executor.limits.k3s = patience
        executor.limits.node = patience
        return executor
    }

    private func plan(_ phases: Phase...) -> NodePlan { NodePlan(cluster: "home", phases: phases) }

    private func task(_ node: String, _ steps: Step...) -> NodeTask { NodeTask(node: node, steps: steps.map { PlannedStep($0, "test") }) }

    private static func looks(_ active: String, _ journal: String = "") -> FakeHost.Answer {
        .ok("ActiveState=\(active)\nSubState=x\nNRestarts=0\n-- journal\n\(journal)\n-- cursor: c1\n")
    }

    @Test func emptyPlanTouchesNothing() async throws {
        let host = FakeHost("m1")
        let report = try await executor([host], servers: ["m1"]).execute(NodePlan(cluster: "home"))
        #expect(report.succeeded && report.stepsDone == 0)
        #expect(host.log.isEmpty)
    }

    @Test func firstServerIsFollowedUntilReady() async throws {
        let m1 = FakeHost("m1").on(
            "systemctl show", Self.looks("activating", "Nov 24 m1 k3s[1]: level=info msg=\"starting etcd\""), Self.looks("active")
        )
        .on("/readyz", .fails("not yet"), .ok("ok")).withLocks().on("systemctl", .ok())
        let report = try await executor([m1], servers: ["m1"]).execute(
            plan(Phase(.firstServer, tasks: [task("m1", .startUnit("k3s.service"), .awaitK3s(role: .server))])))
        #expect(report.failures.isEmpty, "\(report.failures)")
        #expect(report.stepsDone == 2)
        #expect(m1.unexpected.isEmpty)
        #expect(events.lines.contains { $0.contains("wait for the k3s server: starting etcd") })
        #expect(m1.log.last?.contains("rm -f /run/homelab.lock") == true)
    }

    /// The connection may break because the machine goes down, or before it was told to.
    @Test(arguments: [(FakeHost.Answer.ok(), ["a", "a", "b"], 1), (.lost, ["a", "b"], 1), (.lost, ["a", "a", "b"], 2)])
    func `a machine that was not told to reboot is told again`(_ answer: FakeHost.Answer, _ boots: [String], _ orders: Int) async throws {
        let m1 = FakeHost("m1").withLocks().on("systemctl reboot", answer, .ok()).on("cgroup.controllers", .ok("cpu memory\n"))
        m1.on("boot_id", boots.map { .ok($0 + "\n") })
        let report = try await executor([m1], servers: ["m1"]).execute(plan(Phase(.hostPreparation, tasks: [task("m1", .reboot)])))
        #expect(report.failures.isEmpty && m1.unexpected.isEmpty, "\(report.failures) \(m1.unexpected)")
        #expect(m1.log.count { $0.contains("systemctl reboot") } == orders)
    }

    @Test func hopelessJournalEndsTheWaitAtOnce() async throws {
        let line = "Nov 24 m1 k3s[1]: time=\"t\" level=fatal msg=\"failed to find memory cgroup (v2)\""
        let m1 = FakeHost("m1").on("systemctl show", Self.looks("activating", line)).withLocks()
        let report = try await executor([m1], servers: ["m1"]).execute(
            plan(Phase(.firstServer, tasks: [task("m1", .awaitK3s(role: .server))])))
        #expect(report.failures.count == 1)
        #expect(report.failures.first?.summary.contains("cgroup") == true)
        #expect(report.failures.first?.remedy?.contains("cmdline.txt") == true)
    }

    /// A remedy names what the machine has.
    @Test func whatToLookAtIsNamedInTheWordsOfTheInitSystem() async throws {
        for (isOpenRC, words) in [(false, "`journalctl -u k3s-agent`"), (true, "`tail -n 200 /var/log/k3s-agent.log`")] {
            let look = FakeHost.Answer.ok(
                (isOpenRC ? "Supervisor=openrc\n" : "") + "ActiveState=activating\nNRestarts=0\n-- journal\nstarting\n-- cursor: 9\n")
            let host = FakeHost("m2").on("systemctl show", look).withLocks()
            let report = try await executor([host], servers: ["m1"], patience: .seconds(2)).execute(
                plan(Phase(.agents, tasks: [task("m2", .awaitK3s(role: .agent))])))
            #expect(report.failures.first?.summary.hasPrefix("k3s is not ready after 2") == true)
            #expect(report.failures.first?.remedy?.contains(words) == true, "\(report.failures)")
        }
    }

    @Test func failedServerStopsTheRunAndLaterPhasesAreNamed() async throws {
        let m1 = FakeHost("m1").withLocks().on("systemctl", .ok()).on("sysctl", .fails("sysctl: permission denied"))
        let m2 = FakeHost("m2").withLocks()
        let report = try await executor([m1, m2], servers: ["m1"]).execute(
            plan(
                Phase(
                    .hostPreparation, concurrency: 1,
                    tasks: [task("m1", .setSysctls([Sysctl(key: "vm.x", value: "1")]), .enableUnit("k3s.service"))]),
                Phase(.agents, concurrency: 2, tasks: [task("m2", .startUnit("k3s-agent.service"))])))
        _ = report
        #expect(!report.succeeded)
        #expect(report.skipped.contains { $0.node == "m2" })
        #expect(m2.actions.isEmpty)
    }

    @Test func failedAgentIsLeftOutWhileOthersGoOn() async throws {
        let m1 = FakeHost("m1").withLocks().on("kubectl", .ok()).on("homelab", .ok())
        let bad = FakeHost("m2").withLocks().on(
            "systemctl show", Self.looks("failed", "m2 systemd[1]: x: Failed to execute: Exec format error"))
        let good = FakeHost("m3").on("systemctl show", Self.looks("active")).withLocks()
        var change2 = NodeMetadataChange(node: "m2")
        change2.setLabels = ["a": "b"]
        var change3 = NodeMetadataChange(node: "m3")
        change3.setLabels = ["a": "b"]
        let report = try await executor([m1, bad, good], servers: ["m1"], patience: .seconds(2)).execute(
            plan(
                Phase(.agents, concurrency: 2, tasks: [task("m2", .awaitK3s(role: .agent)), task("m3", .awaitK3s(role: .agent))]),
                Phase(.metadata, concurrency: 2, tasks: [task("m1", .updateNode(change2, via: "m1"), .updateNode(change3, via: "m1"))])))
        #expect(report.failures.count == 1)
        #expect(report.failures.first?.subject == "node \"m2\"")
        #expect(report.skipped.map(\.text) == ["label node m2"])
        #expect(report.stepsDone == 2)
    }

    @Test func brokenConnectionIsMadeAgainAndTheStepRepeated() async throws {
        let m1 = FakeHost("m1").on("systemctl show", .lost, Self.looks("active")).on("/readyz", .ok("ok")).withLocks()
        let report = try await executor([m1], servers: ["m1"]).execute(
            plan(Phase(.firstServer, tasks: [task("m1", .awaitK3s(role: .server))])))
        #expect(report.succeeded, "\(report.failures)")
        #expect(m1.reconnects == 1)
        #expect(events.lines.contains { $0.contains("connecting again") })
    }

    @Test func connectionThatKeepsBreakingIsAClearFailure() async throws {
        let m1 = FakeHost("m1").on("systemctl show", .lost).withLocks()
        let report = try await executor([m1], servers: ["m1"]).execute(
            plan(Phase(.firstServer, tasks: [task("m1", .awaitK3s(role: .server))])))
        #expect(m1.reconnects == 2)
        #expect(report.failures.map(\.summary) == ["the connection was lost"])
    }

    @Test func aLockWithoutASignOfLifeIsWaitedForUntilItIsFree() async throws {
        let host = FakeHost("m1").on(
            "lock=/run/homelab.lock", FakeHost.Answer(status: HostLock.heldStatus, output: "r9\nbob@desk\n2026-11-24T04:00:00Z\n29\n"),
            .ok())
        let events = EventLog()
        let recorder = try RunRecorder(folder: nil, forward: { events.add($0) })
        try await NodeLocks(hosts: [host], run: "r1", owner: "alice", recorder: recorder).acquire()
        #expect(events.lines == ["m1: waits for the lock of bob@desk, which gave no sign of life for 29 s and loses it after 30 s"])
    }

    @Test func aLockIsGivenBackOverANewConnectionWhenTheOldOneIsLost() async throws {
        let host = FakeHost("m1").on("then rm -f", .lost, .ok())
        await NodeLocks(hosts: [host], run: "r1", owner: "alice", recorder: try RunRecorder(folder: nil, forward: { _ in })).release()
        #expect(host.reconnects == 1 && host.log.count == 2)
    }

    @Test func heldLockBeginsNothingAndNamesTheHolder() async throws {
        let m1 = FakeHost("m1").withLocks()
        let m2 = FakeHost("m2").on(
            "lock=/run/homelab.lock",
            FakeHost.Answer(status: HostLock.heldStatus, output: "r9\nbob@desk, homelab bootstrap\n2026-11-24T04:00:00Z\n")
        ).withLocks()
        await #expect(throws: Diagnostics.self) {
            _ = try await executor([m1, m2], servers: ["m1"]).execute(
                plan(Phase(.agents, concurrency: 2, tasks: [task("m1", .enableUnit("x")), task("m2", .enableUnit("x"))])))
        }
        #expect(m1.actions.isEmpty && m2.actions.isEmpty)
        #expect(m1.log.last?.contains("rm -f") == true)
    }

    @Test func agentJoinsWithAFreshTokenThatIsRevoked() async throws {
        let token = "K10" + String(repeating: "a", count: 64) + "::abcdef.0123456789abcdef"
        let m1 = FakeHost("m1").on("token create", .ok(token + "\n")).on("token", .ok("deleted")).on(
            "kubectl get node", .ok(Self.readyNode)
        ).withLocks()
        let m2 = FakeHost("m2").on("-p MainPID", Self.started).on("systemctl show", Self.looks("active")).withLocks().on("", .ok())
        let report = try await executor([m1, m2], servers: ["m1"]).execute(
            plan(
                Phase(
                    .agents, concurrency: 2,
                    tasks: [
                        task(
                            "m2", .writeToken(.bootstrapToken(via: "m1", minutes: 30)), .startUnit("k3s-agent.service"),
                            .awaitK3s(role: .agent), .awaitNode(name: "m2", via: "m1", votingMember: false),
                            .revokeToken(id: nil, node: "m2", via: "m1"))
                    ])))
        #expect(report.succeeded, "\(report.failures)")
        #expect(m2.inputs.contains { $0.contains(token) })
        #expect(!m2.log.contains { $0.contains(token) } && !m1.log.contains { $0.contains(token) })
        #expect(m1.log.contains { $0.contains("token") && $0.contains("delete") && $0.contains("abcdef") })
    }

    /// After a restart the Node still says what the kubelet before it said.
    @Test func aNodeIsReadyOnceTheRestartedKubeletSaysSo() async throws {
        let before = Self.readyNode.replacing("10:00:30", with: "09:58:00")
        let m1 = FakeHost("m1").on("kubectl get node", .ok(before), .ok(before), .ok(Self.readyNode)).withLocks()
        let m2 = FakeHost("m2").on("-p MainPID", .ok(), Self.started).on("systemctl show", Self.looks("active")).withLocks().on("", .ok())
        let report = try await executor([m1, m2], servers: ["m1"]).execute(
            plan(
                Phase(
                    .configuration,
                    tasks: [task("m2", .restartUnit("k3s-agent.service"), .awaitNode(name: "m2", via: "m1", votingMember: false))])))
        #expect(report.succeeded, "\(report.failures)")
        #expect(m1.log.count { $0.contains("get node") } == 3)
        #expect(events.lines.contains { $0.contains("Ready, but only by a report from before k3s was started") }, "\(events.lines)")
    }

    @Test func theWaitForANodeEndsWhenItsK3sEndsOverAndOver() async throws {
        let m1 = FakeHost("m1").on("kubectl get node", .ok("")).withLocks()
        func looks(restarts: Int) -> FakeHost.Answer {
            .ok("ActiveState=activating\nSubState=x\nNRestarts=\(restarts)\n-- journal\nn b m2 k3s[1]: no such flag\n-- cursor: c1\n")
        }
        let m2 = FakeHost("m2").on("systemctl show", looks(restarts: 1), looks(restarts: 4), looks(restarts: 6)).withLocks()
        let report = try await executor([m1, m2], servers: ["m1"]).execute(
            plan(Phase(.configuration, tasks: [task("m2", .awaitNode(name: "m2", via: "m1", votingMember: false))])))
        #expect(report.failures.map(\.summary) == ["k3s ended 5 times and does not come up"], "\(report.failures)")
        #expect(report.failures.first?.subject == "node \"m2\"")
    }

    @Test func theWaitEndsWhenNobodyStartsK3sAgain() async throws {
        let m1 = FakeHost("m1").on("systemctl show", Self.looks("failed"), Self.looks("activating"), Self.looks("failed")).withLocks()
        let report = try await executor([m1], servers: ["m1"]).execute(
            plan(Phase(.configuration, tasks: [task("m1", .awaitK3s(role: .server))])))
        #expect(report.failures.map(\.summary) == ["k3s has ended, and systemd does not start it again"], "\(report.failures)")
        #expect(m1.log.count { $0.contains("-p ActiveState") } == 5, "what was there before the start does not count")
    }

    @Test func theWaitEndsWhenNobodyStartsTheAgentAgain() async throws {
        let queued = FakeHost.Answer.ok("ActiveState=failed\nSubState=failed\nNRestarts=0\nJob=412\n-- journal\n-- cursor: c1\n")
        let m1 = FakeHost("m1").on("agent-health", .fails("connection refused"))
            .on("systemctl show", queued, queued, queued, queued, Self.looks("failed")).withLocks()
        let report = try await executor([m1], servers: ["m1"]).execute(
            plan(Phase(.homelabAgent, tasks: [task("m1", .awaitAgent(listen: "127.0.0.1:9797"))])))
        let end = "the homelab agent has ended, and systemd does not start it again"
        #expect(report.failures.map(\.summary) == [end], "\(report.failures)")
        #expect(m1.log.count { $0.contains("-p ActiveState") } == 7, "one whose start is queued has not given up")
    }

    /// The agents' own token joins any machine and does not expire: an API that is away for a moment is no reason to hand it out.
    @Test func anAPIThatIsAwayIsAskedAgainForAToken() async throws {
        let token = "K10" + String(repeating: "a", count: 64) + "::abcdef.0123456789abcdef"
        let refused = "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?"
        let m1 = FakeHost("m1").on("token create", .fails(refused), .fails(refused), .ok(token + "\n")).withLocks()
            .file("/var/lib/rancher/k3s/server/node-token", "K10nodetoken\n")
        let m2 = FakeHost("m2").withLocks().on("", .ok())
        let joining = plan(Phase(.agents, concurrency: 2, tasks: [task("m2", .writeToken(.bootstrapToken(via: "m1", minutes: 30)))]))
        let report = try await executor([m1, m2], servers: ["m1"]).execute(joining)
        #expect(report.succeeded, "\(report.failures)")
        #expect(m2.inputs.contains { $0.contains(token) } && !m2.inputs.contains { $0.contains("K10nodetoken") })
        #expect(events.lines.contains { $0.contains("the API of m1 does not answer") })

        let broken = FakeHost("m1").on("token create", .fails("secrets is forbidden")).withLocks()
            .file("/var/lib/rancher/k3s/server/node-token", "K10nodetoken\n")
        let failed = try await executor([broken, m2], servers: ["m1"]).execute(joining)
        #expect(failed.failures.map(\.summary) == ["cannot make a token for m2 to join with"])
        #expect(!m2.inputs.contains { $0.contains("K10nodetoken") })
    }

    /// A laptop that slept: its locks ran out, another run took them, and this one must do nothing more.
    @Test func aRunWhoseLockIsAnothersStops() async throws {
        let m1 = FakeHost("m1").on("systemctl show", .lost, Self.looks("active")).on("&& touch", .fails(""))
            .on("lock=/run/homelab.lock", .ok(), .held("r9\nbob@desk, homelab bootstrap\n2026-11-24T04:10:00Z\n2\n")).withLocks()
        let report = try await executor([m1], servers: ["m1"]).execute(
            plan(Phase(.firstServer, tasks: [task("m1", .awaitK3s(role: .server), .enableUnit("x"))])))
        let failure = try #require(report.failures.first)
        #expect(failure.summary == "another run took this one for dead and works there now: this one stops")
        #expect(failure.cause == "bob@desk, homelab bootstrap")
        #expect(!m1.log.contains { $0.contains("enable") }, "nothing is done after it")
    }

    /// Going back to the old k3s would be done to a machine that another run is at work on.
    @Test func aRunWhoseLockIsAnothersDoesNotGoBackEither() async throws {
        let m2 = FakeHost("m2").on("systemctl show", .lost, Self.looks("active")).on("&& touch", .fails(""))
            .on("lock=/run/homelab.lock", .ok(), .held("r9\nbob@desk, homelab bootstrap\n2026-11-24T04:10:00Z\n2\n")).withLocks()
        let back = Fallback(version: "v1.33.4+k3s1", steps: [PlannedStep(.restoreBinary(path: NodeLayout.k3s), "test")])
        let steps = [PlannedStep(.awaitK3s(role: .agent), "test")]
        let report = try await executor([m2], servers: ["m1"]).execute(
            plan(
                Phase(.agentUpgrade, tasks: [NodeTask(node: "m2", steps: steps, fallback: back)]),
                Phase(.metadata, tasks: [task("m2", .enableUnit("x"))])))
        #expect(report.failures.map(\.summary) == ["another run took this one for dead and works there now: this one stops"])
        #expect(!m2.log.contains { $0.contains(".prev") || $0.contains("enable") }, "\(m2.log)")
    }

    /// Its k3s may be down for what that run does.
    @Test func aRunWhoseLockIsAnothersStartsNothingAgain() async throws {
        let m2 = FakeHost("m2").on("&& touch", .fails(""))
            .on("lock=/run/homelab.lock", .ok(), .held("r9\nbob@desk, homelab bootstrap\n2026-11-24T04:10:00Z\n2\n")).withLocks()
            .on("systemctl", .ok()).on("sysctl", .fails("sysctl: permission denied"))
        let (stop, start) = (Step.stopUnit("k3s-agent.service"), Step.startUnit("k3s-agent.service"))
        let report = try await executor([m2], servers: ["m1"]).execute(
            plan(Phase(.agentUpgrade, tasks: [task("m2", stop, .setSysctls([Sysctl(key: "vm.x", value: "1")]), start)])))
        #expect(report.failures.count == 2, "\(report.failures)")
        #expect(report.failures.last?.summary == "another run took this one for dead and works there now: this one stops")
        #expect(report.failures.last?.cause == "bob@desk, homelab bootstrap")
        #expect(events.lines.contains("m2: stop k3s-agent.service") && events.lines.contains { $0.contains("is left in use") })
        #expect(!events.lines.contains("m2: start k3s-agent.service"), "\(events.lines)")
    }

    /// The server that an agent is watched through says nothing about it while it is away.
    @Test func anAgentDoesNotGoBackForAServerThatIsAway() async throws {
        let m1 = FakeHost("m1").on("get node", .fails("connection refused")).withLocks()
        let m2 = FakeHost("m2").on("systemctl show", Self.looks("active")).withLocks().on("systemctl", .ok())
        let back = Fallback(version: "v1.33.4+k3s1", steps: [PlannedStep(.restoreBinary(path: NodeLayout.k3s), "test")])
        let wait = Step.awaitNode(name: "m2", via: "m1", votingMember: false)
        let report = try await executor([m1, m2], servers: ["m1"], patience: .seconds(2)).execute(
            plan(Phase(.agentUpgrade, tasks: [NodeTask(node: "m2", steps: [PlannedStep(wait, "test")], fallback: back)])))
        #expect(report.failures.map(\.summary) == ["node m2 is not ready after 2.0 s"], "\(report.failures)")
        #expect(report.failures.first?.cause?.hasPrefix("m1 does not answer") == true, "\(report.failures)")
        #expect(!m2.log.contains { $0.contains(".prev") }, "\(m2.log)")
    }

    // MARK: The plan under the locks

    @Test func whatIsConfirmedUnderTheLocksIsCarriedOut() async throws {
        let m1 = FakeHost("m1").withLocks().on("systemctl", .ok())
        let first = plan(Phase(.configuration, tasks: [task("m1", .enableUnit("old.service"))]))
        let second = plan(Phase(.configuration, tasks: [task("m1", .enableUnit("new.service"))]))
        let report = try await executor([m1], servers: ["m1"]).execute(first) {
            #expect(m1.log.contains { $0.contains("lock=/run/homelab.lock") }, "the locks come first")
            return second
        }
        #expect(report.succeeded, "\(report.failures)")
        #expect(m1.actions.contains { $0.contains("new") } && !m1.actions.contains { $0.contains("old") })

        let nothing = try await executor([m1], servers: ["m1"]).execute(first) { NodePlan(cluster: "home") }
        #expect(nothing.succeeded && nothing.stepsDone == 0)
    }

    /// With the lock held and before anything is looked at: what goes on there may change what there is to do.
    @Test func whatAnEarlierRunBeganHasEndedBeforeAnythingIsDone() async throws {
        let busy = FakeHost.Answer(status: NodeWork.busyStatus, output: "71 (sh -c tar)")
        let m1 = FakeHost("m1").on(FakeHost.workQuestion, busy, busy, .ok()).withLocks().on("systemctl", .ok())
        let first = plan(Phase(.configuration, tasks: [task("m1", .enableUnit("x.service"))]))
        let report = try await executor([m1], servers: ["m1"]).execute(first) {
            #expect(m1.log.filter { $0.hasSuffix(FakeHost.workQuestion) }.count == 3)
            return first
        }
        #expect(report.succeeded && m1.log.first?.contains("lock=/run/homelab.lock") == true, "\(report.failures)")
        #expect(events.lines.filter { $0 == "m1: waits for what was begun there before: process 71 (sh -c tar)" }.count == 1)
    }

    @Test func aPlanThatReachesFurtherIsNotBegun() async throws {
        let (m1, m2) = (FakeHost("m1").withLocks(), FakeHost("m2").withLocks())
        let first = plan(Phase(.configuration, tasks: [task("m1", .enableUnit("x"))]))
        let further = plan(Phase(.configuration, tasks: [task("m1", .enableUnit("x")), task("m2", .enableUnit("x"))]))
        await #expect(throws: Diagnostics.self) {
            _ = try await executor([m1, m2], servers: ["m1"]).execute(first) { further }
        }
        #expect(m1.actions.isEmpty && m2.actions.isEmpty)
        #expect(m1.log.last?.contains("rm -f /run/homelab.lock") == true, "the locks are given back")
    }

    @Test func oldK3sJoinsWithTheAgentToken() async throws {
        let m1 = FakeHost("m1").on("token create", .fails("unknown command")).withLocks()
            .file("/var/lib/rancher/k3s/server/node-token", "K10nodetoken\n")
        let m2 = FakeHost("m2").withLocks().on("", .ok())
        let report = try await executor([m1, m2], servers: ["m1"]).execute(
            plan(Phase(.agents, concurrency: 2, tasks: [task("m2", .writeToken(.bootstrapToken(via: "m1", minutes: 30)))])))
        #expect(report.succeeded, "\(report.failures)")
        #expect(m2.inputs.contains { $0.contains("K10nodetoken") })
    }

    @Test func cancellingReleasesTheLocksAndSaysWhere() async throws {
        let m1 = FakeHost("m1").on("systemctl show", Self.looks("activating")).withLocks()
        var slow = try executor([m1], servers: ["m1"])
        slow.limits.k3s = .seconds(600)
        let (executor, plan) = (slow, plan(Phase(.firstServer, tasks: [task("m1", .awaitK3s(role: .server), .enableUnit("x"))])))
        let run = Task { try await executor.execute(plan) }
        while !m1.log.contains(where: { $0.contains("systemctl show") }) { await Task.yield() }
        run.cancel()
        let report = try await run.value
        #expect(report.wasStopped && report.failures.isEmpty)
        #expect(report.stoppedAt == ["m1: wait for the k3s server"])
        #expect(report.skipped.map(\.text) == ["enable x"])
        #expect(m1.log.last?.contains("rm -f /run/homelab.lock") == true)
    }

    @Test func secretsStayOutOfEventsAndLogs() async throws {
        let folder = try Files.makeTemporaryDirectory()
        let token = "K10" + String(repeating: "b", count: 64) + "::server:s3cretpassword"
        let m1 = FakeHost("m1").file(NodeLayout.serverToken, token + "\n").withLocks()
        let m2 = FakeHost("m2").withLocks().on("", .fails("could not use \(token)"))
        let report = try await executor([m1, m2], servers: ["m1", "m2"], folder: folder).execute(
            plan(Phase(.servers, tasks: [task("m2", .writeToken(.serverToken(of: "m1")))])))
        #expect(report.failures.count == 1)
        #expect(report.failures.first?.cause?.contains("s3cret") == false)
        let log = try Files.readText(folder + "/m2.log")
        #expect(log.contains("write the join token"))
        #expect(!log.contains("s3cret") && !events.lines.contains { $0.contains("s3cret") })
        #expect(try Files.status(folder + "/m2.log").mode == 0o600)
        try Files.removeTree(folder)
    }

    static let readyNode = """
        {"metadata":{"name":"m2","labels":{}},"status":{"conditions":[{"type":"Ready","status":"True","message":"ok",\
        "lastHeartbeatTime":"2026-11-26T10:00:30Z"}]}}
        """
    /// 10:00:20, ten seconds before the kubelet of `readyNode` reported.
    static let started = FakeHost.Answer.ok("1795687220\n")
}
