import Diagnostics
import Foundation
import NodeInventory
import Testing
import YAML

@testable import NodePlanning

@Suite struct NodePlannerTests {
    @Test func thereAreCases() { #expect(PlanningCase.all.count >= 8) }

    @Test(arguments: PlanningCase.all) func plan(_ fixture: PlanningCase) throws {
        let plan = try fixture.plan()
        #expect(plan.text == fixture.text("expected-plan.txt"))
    }

    @Test(arguments: PlanningCase.all) func preflight(_ fixture: PlanningCase) throws {
        let found = Preflight.check(try fixture.spec(), observed: try fixture.observed(), context: PlanningCase.context)
        let expected = fixture.text("expected-preflight.txt") ?? ""
        #expect(found.description == expected.trimmingCharacters(in: .newlines))
    }

    /// What a plan changes, carried out on the facts, leaves nothing to do, or what had to wait for it: runs come to an end.
    @Test(arguments: PlanningCase.all) func afterwardsThereIsNothingToDo(_ fixture: PlanningCase) throws {
        let spec = try fixture.spec()
        var plan = try fixture.plan()
        let isSeveral = ["after", "before", "anew", "majority", "quorum", "dead"].contains { fixture.folder.lastPathComponent.contains($0) }
        var machines = SimulatedMachines(spec: spec, observed: try fixture.observed(), cluster: try fixture.cluster())
        var context = PlanningCase.context
        context.hasKubeconfig = true
        for _ in 0..<(isSeveral ? 4 : 1) {
            machines.carryOut(plan)
            plan = NodePlanner.plan(desired: spec, observed: machines.observed, cluster: machines.cluster, context: context)
        }
        #expect(plan.phases == [], "\(plan.text)")
    }

    @Test func hashIsStableAndTellsPlansApart() throws {
        let fixture = PlanningCase.named("fresh-three-servers")
        let plan = try fixture.plan()
        let again = try fixture.plan()
        #expect(plan.hash == again.hash)
        #expect(plan.hash.count == 64)
        var other = plan
        other.phases[0].tasks[0].steps.removeLast()
        #expect(other.hash != plan.hash)
        var reasons = plan
        reasons.phases[0].tasks[0].steps[0].reason = "another reason"
        #expect(reasons.hash == plan.hash)
    }

    /// A server that an interrupted run started becomes well by itself: that is no other plan.
    @Test func whatOnlyWaitsDoesNotCount() throws {
        let plan = try PlanningCase.named("fresh-three-servers").plan()
        var waiting = plan
        let wait = NodeTask(node: "s1", steps: [PlannedStep(.awaitNode(name: "s1", via: "s1", votingMember: true), "")])
        let at = try #require(plan.phases.firstIndex { $0.kind == .servers })
        waiting.phases[at].tasks.insert(wait, at: 0)
        #expect(waiting.hash == plan.hash)
        waiting.phases.insert(Phase(.firstServer, tasks: [wait]), at: 0)
        #expect(waiting.hash == plan.hash)
        // One that starts it first does.
        waiting.phases[0].tasks[0].steps.insert(PlannedStep(.startUnit("k3s.service"), ""), at: 0)
        #expect(waiting.hash != plan.hash)
    }

    @Test func noSecretIsInAPlan() throws {
        let plan = try PlanningCase.named("fresh-three-servers").plan()
        let json = JSONWriter.text(plan.json)
        #expect(!json.contains("quoted"))
        #expect(json.contains("environment variable REGISTRY_PASSWORD"))
        let read = try YAMLReader.values(json, file: "plan.json")
        #expect(read == [plan.json])
    }
}

/// Details that a whole plan's text does not show.
@Suite struct PlannedContentTests {
    private func file(_ path: String, on node: String, in fixture: String) throws -> PlannedFile {
        let plan = try PlanningCase.named(fixture).plan()
        for task in plan.phases.flatMap(\.tasks) where task.node == node {
            for case .writeFile(let file) in task.steps.map(\.step) where file.path == path { return file }
        }
        throw Diagnostic(.error, "no step writes \(path) on \(node)")
    }

    private func values(_ path: String, on node: String, in fixture: String) throws -> Value {
        try YAMLReader.values(file(path, on: node, in: fixture).text, file: path).first ?? .null
    }

    @Test func firstServer() throws {
        let config = try values(NodeLayout.k3sConfig, on: "s1", in: "fresh-three-servers")
        #expect(
            config == [
                "cluster-init": true, "cluster-dns": "10.43.0.53", "disable": ["traefik"], "kubelet-arg": ["max-pods=150"],
                "node-name": "s1",
                "tls-san": ["k3s.home.arpa", "10.0.0.1"], "token-file": "/etc/rancher/k3s/homelab-token",
            ])
    }

    @Test func joiningServer() throws {
        let config = try values(NodeLayout.k3sConfig, on: "s3", in: "fresh-three-servers")
        #expect(config["server"] == "https://10.0.0.1:6443")
        #expect(config["cluster-init"] == nil)
        #expect(config["tls-san"] == ["k3s.home.arpa", "10.0.0.3"])
    }

    @Test func agent() throws {
        let config = try values(NodeLayout.k3sConfig, on: "pi", in: "fresh-three-servers")
        #expect(
            config == [
                "kubelet-arg": ["max-pods=150"], "node-ip": "10.0.0.4", "node-name": "pi", "server": "https://10.0.0.1:6443",
                "token-file": "/etc/rancher/k3s/homelab-token",
            ])
        // A label of Kubernetes' own name space is not one a kubelet may give itself.
        let registration = try values(NodeLayout.k3sRegistration, on: "pi", in: "fresh-three-servers")
        #expect(registration == ["node-label": ["disk=sd"], "node-taint": ["slow=yes:PreferNoSchedule"]])
    }

    /// Another leader is no reason to change the address a joined node has.
    @Test func joinedNodeKeepsItsServer() throws {
        let config = try values(NodeLayout.k3sConfig, on: "a1", in: "config-change")
        #expect(config["server"] == "https://10.0.0.2:6443")
    }

    @Test func agentConfigurations() throws {
        let first = try AgentConfiguration.decode(file(NodeLayout.agentConfiguration, on: "s1", in: "fresh-three-servers").text, file: "s1")
        #expect(first.repository.url == "/var/lib/homelab/repository.git")
        #expect(first.repository.identityFile == nil)
        let second = try AgentConfiguration.decode(
            file(NodeLayout.agentConfiguration, on: "s2", in: "fresh-three-servers").text, file: "s2")
        #expect(second.repository.url == "ssh://ops@10.0.0.1/var/lib/homelab/repository.git")
        #expect(second.repository.identityFile == "/etc/homelab/deploy_key")
        let elsewhere = try AgentConfiguration.decode(
            file(NodeLayout.agentConfiguration, on: "s1", in: "repository-elsewhere").text, file: "s1")
        #expect(elsewhere.repository.branch == "trunk")
        let https = try AgentConfiguration.decode(
            file(NodeLayout.agentConfiguration, on: "s1", in: "repository-over-https").text, file: "s1")
        #expect(https.repository.tokenFile == "/etc/homelab/repository-token")
        #expect(https.repository.username == "me")
        #expect(https.repository.caFile == "/etc/homelab/repository-ca.crt")
        #expect(https.webhookListen == "0.0.0.0:9292" && https.webhookSecretFile == "/etc/homelab/webhook-secret")
        #expect(https.allowsRemoteBases && !elsewhere.allowsRemoteBases && elsewhere.webhookListen == nil)
    }

    private func fallback(of node: String, in fixture: String) throws -> Fallback {
        let tasks = try PlanningCase.named(fixture).plan().phases.filter { $0.kind == .serverUpgrade || $0.kind == .agentUpgrade }
            .flatMap(\.tasks)
        return try #require(tasks.first { $0.node == node }?.fallback)
    }

    /// A server's data may have been changed by the new version, so its way back is a person's; an agent has none to lose.
    @Test func waysBack() throws {
        let server = try fallback(of: "s1", in: "upgrade")
        #expect(server.steps.isEmpty && server.version == "v1.33.4+k3s1")
        let recipe = try #require(server.recipe)
        for words in [
            "To go back to v1.33.4+k3s1 instead", "that has v1.34.1+k3s1 already",
            "`k3s server --cluster-reset --server= --cluster-reset-restore-path=SNAPSHOT`",
            "on s2, s3, one after the other, write `server: https://10.0.0.1:6443` into /etc/rancher/k3s/config.yaml in place of `cluster-init`",
            "with the oldest of the snapshots homelab-before-v1.34.1-k3s1-",
        ] { #expect(recipe.contains(words), "\(words) is not in: \(recipe)") }
        let single = try #require(try fallback(of: "s1", in: "upgrade-sqlite").recipe)
        #expect(single.contains("sqlite-*.tar") && !single.contains("cluster-reset"))
        let agent = try fallback(of: "a1", in: "upgrade")
        #expect(agent.recipe == nil && agent.steps.first?.step == .restoreBinary(path: NodeLayout.k3s))
        #expect(agent.steps.last?.step == .uncordon(node: "a1", via: "s1"))
    }

    /// The way back is told in the words of each machine's init system.
    @Test func waysBackUnderOpenRC() throws {
        let of = PlanningCase.named("upgrade")
        var observed = try of.observed()
        func recipe() throws -> String {
            let plan = NodePlanner.plan(
                desired: try of.spec(), observed: observed, cluster: try of.cluster(), context: PlanningCase.context)
            return try #require(plan.phases.first { $0.kind == .serverUpgrade }?.tasks.first { $0.node == "s1" }?.fallback?.recipe)
        }
        #expect(try recipe().contains("(`journalctl -u k3s` on s1)") && recipe().contains("instead: `systemctl stop k3s` on every server"))
        var facts = try #require(observed["s1"]?.facts)
        facts.system.initSystem = "openrc"
        observed["s1"] = .facts(facts)
        let mixed = try recipe()
        for words in [
            "(`tail -n 200 /var/log/k3s.log` on s1)", "`rc-service k3s stop` or `systemctl stop k3s` on every server",
            "then `rc-service k3s start`", "remove /var/lib/rancher/k3s/server/db and `systemctl start k3s`",
        ] { #expect(mixed.contains(words), "\(words) is not in: \(mixed)") }
    }

    @Test func knownHosts() throws {
        let text = try file(NodeLayout.knownHosts, on: "s1", in: "fresh-three-servers").text
        // The servers alone, so that a new agent node changes nothing on them; the repository's server, whose fingerprint alone is
        // pinned, as it was seen in this run.
        #expect(!text.contains("pi.home.arpa"))
        #expect(text.contains("\n10.0.0.1 ssh-ed25519 AAAA"))
        let elsewhere = try file(NodeLayout.knownHosts, on: "s1", in: "repository-elsewhere").text
        #expect(elsewhere.contains("\n[git.example]:2222 ssh-ed25519 AAAA"))
    }

    // MARK: etcd's own list of members

    /// The plan of a case when etcd lists these members beside those of the Node objects.
    private func plan(_ name: String, besides members: [EtcdMember]) throws -> NodePlan {
        let of = PlanningCase.named(name)
        var cluster = try of.cluster()
        cluster.members =
            cluster.nodes.filter(\.isEtcdMember).map {
                EtcdMember(name: $0.annotations["etcd.k3s.cattle.io/node-name"] ?? "\($0.name)-1a2b3c4d")
            } + members
        return NodePlanner.plan(desired: try of.spec(), observed: try of.observed(), cluster: cluster, context: PlanningCase.context)
    }

    @Test func membersWithoutANodeCountAsDown() throws {
        #expect(try plan("remove-server", besides: []) == PlanningCase.named("remove-server").plan())
        let plan = try plan("remove-server", besides: [EtcdMember(name: "old-1a2b3c4d"), EtcdMember(name: "older-1a2b3c4d")])
        let told = plan.pending.map { "\($0.node ?? ""): \($0.text)" }
        #expect(told.contains { $0.hasPrefix("s3: ") && $0.contains("etcd has 5 members, 3 of them healthy") }, "\(told)")
        #expect(told.contains { $0.hasPrefix("s1: is not restarted") && $0.contains("etcd would lose its majority") }, "\(told)")
        let remedies = plan.pending.compactMap(\.remedy)
        #expect(remedies.contains { $0.hasPrefix("bring old-1a2b3c4d (a member without a node), older-") })
    }

    /// To restart a server that is not well takes nothing from the majority, and the others are restarted once it votes again.
    @Test func aServerThatIsNotWellIsRestartedBeforeTheOthers() throws {
        let scene = PlanningCase.named("config-change")
        var cluster = try scene.cluster()
        let unwell = try #require(cluster.nodes.firstIndex { $0.name == "s2" })
        cluster.nodes[unwell].ready = false
        let plan = NodePlanner.plan(
            desired: try scene.spec(), observed: try scene.observed(), cluster: cluster, context: PlanningCase.context)
        let restarts = plan.phases.filter { $0.kind == .configuration }.flatMap(\.tasks).map(\.node)
        #expect(restarts == ["s2", "s1", "s3", "a1"], "\(plan.text)")
    }

    @Test func aJoinThatWasInterruptedIsNoStranger() throws {
        let joining = EtcdMember(name: "s2-0badcafe", isLearner: true)
        #expect(try plan("interrupted-join", besides: [joining]).text == plan("interrupted-join", besides: []).text)
        let unstarted = EtcdMember(name: "", peerURLs: ["https://10.0.0.2:2380"], isLearner: true)
        #expect(try plan("interrupted-join", besides: [unstarted]).text == plan("interrupted-join", besides: []).text)
        let stranger = try plan("interrupted-join", besides: [EtcdMember(name: "old-1a2b3c4d")])
        #expect(
            stranger.pending.contains { $0.node == "s2" && $0.text.contains("etcd has a member old-1a2b3c4d without a node") },
            "\(stranger.pending)")
    }

    /// Whoever has joined knows the other servers; who has not knows only the one that its file names.
    @Test(arguments: [true, false]) func whoJoinsThroughAServerThatIsDownIsShownAnother(hasJoined: Bool) throws {
        let scene = PlanningCase.named("remove-server")
        var (observed, cluster) = (try scene.observed(), try scene.cluster())
        observed["s1"] = .unreachable(reason: "switched off")
        if !hasJoined { cluster.nodes.removeAll { $0.name == "a1" } }
        let plan = NodePlanner.plan(desired: try scene.spec(), observed: observed, cluster: cluster, context: PlanningCase.context)
        let written = plan.phases.flatMap(\.tasks).filter { $0.node == "a1" }.flatMap(\.steps).compactMap { planned in
            if case .writeFile(let file) = planned.step, file.path == NodeLayout.k3sConfig { file } else { nil }
        }
        let file = try #require(written.first)
        #expect(file.text.contains("server: https://10.0.0.\(hasJoined ? 1 : 2):6443"), "\(file.text)")
    }

    @Test(arguments: [20.0, 3600]) func anAgentThatWasStartedAMomentAgoIsWaitedFor(secondsAgo: Double) throws {
        let scene = PlanningCase.named("add-agent")
        let spec = try scene.spec()
        var machines = SimulatedMachines(spec: spec, observed: try scene.observed(), cluster: try scene.cluster())
        machines.carryOut(try scene.plan())
        var (observed, cluster) = (machines.observed, machines.cluster)
        cluster.nodes.removeAll { $0.name == "a2" }
        var facts = try #require(observed["a2"]?.facts)
        facts.units[NodeRole.agent.unit]?.started = facts.clock.printed - secondsAgo
        observed["a2"] = .facts(facts)
        let plan = NodePlanner.plan(desired: spec, observed: observed, cluster: cluster, context: PlanningCase.context)
        let phases = plan.phases.filter { phase in phase.tasks.flatMap(\.steps).contains { $0.step.waitedNode == "a2" } }.map(\.kind)
        #expect(phases == (secondsAgo < 60 ? [.agents] : []), "\(plan.text)")
    }
}

extension Step {
    fileprivate var waitedNode: String? { if case .awaitNode(let name, _, _, _) = self { name } else { nil } }
}
