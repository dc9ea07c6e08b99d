import NodeInventory
import Testing
import YAML

@testable import NodePlanning

/// Machines that the inventory knows by names, and users that it does not name.
@Suite struct NodeAddressesTests {
    /// The case of fresh machines, with the inventory and the facts changed.
    private func plan(
        inventory: [String: String], facts: [String: [String: String]] = [:], from fixture: String = "fresh-three-servers",
        without: Set<String> = []
    ) throws -> (planner: NodePlan, spec: ClusterSpec, observed: [String: NodeObservation]) {
        let fixture = PlanningCase.named(fixture)
        var text = try #require(fixture.text("inventory.yaml"))
        for (old, new) in inventory {
            #expect(text.contains(old), "\(old)")
            text = text.replacing(old, with: new)
        }
        let spec = try ClusterSpec.load("home.yaml", files: ["home.yaml": text])
        var observed = try fixture.observed()
        for (name, changes) in facts {
            var text = try #require(fixture.text("facts/\(name).txt"))
            for (old, new) in changes {
                #expect(text.contains(old), "\(old)")
                text = text.replacing(old, with: new)
            }
            observed[name] = .facts(try NodeFacts.parse(text))
        }
        for name in without { observed[name] = .unreachable(reason: "off") }
        let plan = NodePlanner.plan(desired: spec, observed: observed, cluster: try fixture.cluster(), context: PlanningCase.context)
        return (plan, spec, observed)
    }

    private func steps(_ plan: NodePlan, on node: String) -> [Step] {
        plan.phases.flatMap(\.tasks).filter { $0.node == node }.flatMap { $0.steps.map(\.step) }
    }

    private func file(_ path: String, on node: String, _ plan: NodePlan) -> String? {
        steps(plan, on: node).lazy.compactMap { if case .writeFile(let file) = $0, file.path == path { file.text } else { nil } }.first
    }

    private let named = ["host: 10.0.0.1,": "host: attic,", "host: 10.0.0.5,": "host: fed.lan,"]

    /// The operator's machine may be the only one to which a name means something.
    @Test func `others join by the address of a server that has only a name`() throws {
        let plan = try plan(inventory: named).planner
        for node in ["s2", "s3", "pi", "fed"] {
            #expect(file(NodeLayout.k3sConfig, on: node, plan)?.contains("server: https://10.0.0.1:6443\n") == true, "\(node)")
        }
        let firewall = steps(plan, on: "fed").lazy.compactMap { if case .openFirewall(let rules) = $0 { rules.sources } else { nil } }.first
        #expect(firewall?.contains("10.0.0.1") == true && firewall?.contains("10.0.0.5") == false, "\(firewall ?? [])")
        let keys = steps(plan, on: "s2").compactMap { if case .authorizeKeys(let keys, _, _) = $0 { keys } else { nil } }.flatMap { $0 }
        #expect(keys.first { $0.node == "s1" }?.from == ["10.0.0.1"])
    }

    /// - Parameter addresses: of s1, beside 10.0.0.1.
    private func sources(of host: String, beside addresses: [String]) throws -> [String]? {
        let plan = try plan(
            inventory: ["host: 10.0.0.2,": "host: \(host), nodeIP: 10.0.0.2,"],
            facts: ["s1": ["\nend": addresses.map { "\naddress=\($0)" }.joined() + "\nend"]]
        ).planner
        let keys = steps(plan, on: "s2").compactMap { if case .authorizeKeys(let keys, _, _) = $0 { keys } else { nil } }.flatMap { $0 }
        return keys.first { $0.node == "s1" && $0.purpose == .manage }?.from
    }

    /// SSH may go over another network than k3s, and a key that is let in from k3s' address alone would be refused.
    @Test func `an agent is let in from each address that its server may come from`() throws {
        let beside = ["tail0 100.64.0.1/32 static", "cni0 10.42.0.1/24 static", "eth1 fd00::1/64 static"]
        #expect(try sources(of: "100.64.0.2", beside: beside) == ["10.0.0.1", "100.64.0.1"])
        #expect(try sources(of: "s2.lan", beside: beside) == ["10.0.0.1", "100.64.0.1", "fd00::1"])
        #expect(try sources(of: "s2.lan", beside: ["eth1 2001:db8::1/64 dynamic"]) == [], "it has another one tomorrow")
        #expect(try sources(of: "10.0.0.2", beside: ["eth1 2001:db8::1/64 dynamic"]) == ["10.0.0.1"])
    }

    private func entry(_ server: String, joined: Bool, seen: Bool, internalIP: String? = nil) throws -> K3sConfiguration.Entry {
        var changes = try #require(PlanningCase.named("fresh-three-servers").text("facts/s2.txt"))
        changes = changes.replacing("\nend", with: "\nk3s.config=server: \(server)\n\(joined ? "k3s.datastore=etcd\n" : "")end")
        let (_, spec, observed) = try plan(inventory: named, without: seen ? [] : ["s1"])
        let nodes: Value = [
            "items": [
                [
                    "metadata": ["name": "s1"],
                    "status": ["addresses": internalIP.map { [["type": "InternalIP", "address": .string($0)]] } ?? []],
                ]
            ]
        ]
        let facts = try NodeFacts.parse(changes)
        var all = observed
        all["s2"] = .facts(facts)
        var planner = NodePlanner(
            desired: spec, observed: all, cluster: ClusterFacts(nodes: nodes, tokens: [:]), context: PlanningCase.context)
        planner.leader = spec.node(named: "s1")
        return planner.entry(try #require(spec.node(named: "s2")), facts)
    }

    /// A URL that works stays: another one would restart k3s.
    @Test func `who has joined by a name keeps it`() throws {
        #expect(try entry("https://attic:6443", joined: true, seen: true) == .join(server: "https://attic:6443"))
        #expect(try entry("https://10.0.0.1:6443", joined: true, seen: true) == .join(server: "https://10.0.0.1:6443"))
        #expect(
            try entry("https://10.0.0.1:6443", joined: true, seen: false, internalIP: "10.0.0.1") == .join(server: "https://10.0.0.1:6443"),
            "the Node object tells it while the machine is off")
        #expect(
            try entry("https://10.0.0.1:6443", joined: true, seen: false) == .join(server: "https://10.0.0.1:6443"), "nobody knows better")
    }

    @Test func `who could not join by a name gets the address`() throws {
        #expect(try entry("https://attic:6443", joined: false, seen: true) == .join(server: "https://10.0.0.1:6443"))
    }

    @Test func `a machine with IPv6 alone is known by that`() throws {
        var facts = NodeFacts()
        facts.network.defaultInterface6 = "eth0"
        facts.network.addresses = [
            .init(interface: "eth1", cidr: CIDR("10.9.9.9/24")!, dynamic: false),
            .init(interface: "eth0", cidr: CIDR("fd00::7/64")!, dynamic: false),
        ]
        #expect(facts.primaryAddress == IPAddress("fd00::7"))
        facts.network.defaultInterface4 = "eth1"
        #expect(facts.primaryAddress == IPAddress("10.9.9.9"))
    }

    @Test func `both addresses of a dual-stack node are given to k3s`() throws {
        let plan = try plan(inventory: [
            "nodeIP: 10.0.0.4": "nodeIP: [10.0.0.4, \"fd00::4\"]",
            "nodes: 10.0.0.0/24": "nodes: [10.0.0.0/24, \"fd00::/64\"]",
        ]).planner
        #expect(file(NodeLayout.k3sConfig, on: "pi", plan)?.contains("node-ip: 10.0.0.4,fd00::4\n") == true)
    }

    // MARK: Users

    private let unnamed = ["defaults: {user: ops}\n": ""]

    /// Who really logged in has the keys, the repository and its URL.
    @Test func `without user: it is who logged in`() throws {
        let plan = try plan(inventory: unnamed).planner
        let users = plan.phases.flatMap(\.tasks).flatMap { $0.steps.map(\.step) }.compactMap { step -> String? in
            if case .authorizeKeys(_, let user, let home) = step { return "\(user) \(home)" }
            if case .createRepository(_, let owner, _) = step { return owner }
            return nil
        }
        #expect(users.count == 7 && Set(users) == ["ops", "ops /home/ops"], "\(users)")
        #expect(file(NodeLayout.agentConfiguration, on: "s2", plan)?.contains("url: ssh://ops@10.0.0.1/") == true)
        let root = try self.plan(inventory: ["defaults: {user: ops}\n": "defaults: {user: root}\n"]).planner
        #expect(
            !root.phases.flatMap(\.tasks).flatMap(\.steps).contains { if case .authorizeKeys = $0.step { true } else { false } },
            "what is written is not what was looked at")
    }

    /// An agent looks at its own machine as root.
    @Test func `the repository belongs to whom it belonged`() throws {
        let there = ["\nend": "\nhomelab.repository=ops\nend", "user=ops": "user=root"]
        let plan = try plan(inventory: unnamed, facts: ["s1": there]).planner
        #expect(file(NodeLayout.agentConfiguration, on: "s2", plan)?.contains("url: ssh://ops@10.0.0.1/") == true)
        #expect(!plan.pending.contains { $0.text.contains("cannot push") })
        let other = try self.plan(inventory: unnamed, facts: ["s1": ["\nend": "\nhomelab.repository=root\nend"]]).planner
        #expect(other.pending.contains { $0.text == "its repository belongs to root, and ops cannot push to it" })
    }
}
