import Diagnostics
import NodeInventory
import Testing

@testable import NodePlanning

/// A reset takes what is of this very cluster, and nothing else.
@Suite struct ResetScopeTests {
    private static func spec(servers: Int = 3, agents: Int = 1, absent: Set<String> = []) throws -> ClusterSpec {
        let names = (1...servers).map { ("s\($0)", "server") } + (0..<agents).map { ("a\($0 + 1)", "agent") }
        let nodes = names.enumerated().map { at, node in
            "  - {name: \(node.0), role: \(node.1), host: 10.0.0.\(at + 1)\(absent.contains(node.0) ? ", state: absent" : "")}\n"
        }
        return try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": "apiVersion: homelab.dev/v1alpha1\nkind: Cluster\nname: home\nk3s: {version: v1.33.4+k3s1}\nnodes:\n"
                    + nodes.joined()
            ])
    }

    /// A machine whose k3s is of a cluster; nil: it has no k3s.
    private static func machine(
        _ role: NodeRole?, of authority: String?, joining: String? = nil, keys: [String] = []
    ) -> NodeObservation {
        var facts = NodeFacts()
        if let role { facts.units[role.unit] = UnitFact(active: "active", enabled: true) }
        facts.k3s.authority = authority
        facts.k3s.config = joining.map { "node-name: x\nserver: \($0)\n" }
        for key in keys { facts.access.authorizedKeys[key] = "ssh-ed25519 AAAA \(key)" }
        return .facts(facts)
    }

    private static let unseen = NodeObservation.unreachable(reason: "no route to it")

    @Test func `all machines of one cluster go, a fresh one and one that was half cleared among them`() throws {
        let spec = try Self.spec(agents: 2)
        var halfCleared = try #require(Self.machine(.server, of: nil).facts)
        halfCleared.k3s.config =
            K3sConfiguration(spec: spec, node: spec.servers[1], entry: .join(server: "https://10.0.0.1:6443")).config.text
        let scope = try ResetScope(
            spec,
            observed: [
                "s1": Self.machine(.server, of: "x"), "s2": .facts(halfCleared), "s3": Self.machine(nil, of: nil),
                "a1": Self.machine(.agent, of: "x"), "a2": Self.unseen,
            ])
        #expect(scope.nodes == ["s1", "s2", "s3", "a1"] && scope.spared == [])
    }

    @Test func `a machine of another cluster is spared and named`() throws {
        let scope = try ResetScope(
            try Self.spec(servers: 1, agents: 2),
            observed: [
                "s1": Self.machine(.server, of: "x"), "a1": Self.machine(.agent, of: "y"),
                // Its k3s was taken off by other means, and the data of the other cluster are still there.
                "a2": Self.machine(nil, of: "y"),
            ])
        #expect(scope.nodes == ["s1"] && scope.spared.map(\.node) == ["a1", "a2"])
        #expect(scope.spared.first?.text == "its k3s is of another cluster than that of s1")
    }

    @Test func `an absent machine goes only with what it holds of this cluster`() throws {
        let spec = try Self.spec(servers: 1, agents: 5, absent: ["a1", "a2", "a3", "a4", "a5"])
        let scope = try ResetScope(
            spec,
            observed: [
                "s1": Self.machine(.server, of: "x"), "a1": Self.machine(nil, of: nil), "a2": Self.machine(.agent, of: "x"),
                "a3": Self.machine(.agent, of: "y"), "a4": Self.machine(.agent, of: nil, keys: ["homelab-agent@home/s1"]),
                "a5": Self.unseen,
            ])
        #expect(scope.nodes == ["s1", "a2", "a4"])
        #expect(
            scope.spared.map(\.text) == [
                "is to be absent, and holds nothing of this cluster", "its k3s is of another cluster than that of s1",
                "is to be absent, and was not looked at: no route to it",
            ])
        let other = Self.machine(.agent, of: nil, keys: ["homelab-agent@other/s1"])
        #expect(try ResetScope(spec, observed: ["a1": other]).nodes == [], "another cluster's keys tell nothing of this one")
    }

    @Test func `most of the servers tell which cluster is meant`() throws {
        let two = ["s1": Self.machine(.server, of: "y"), "s2": Self.machine(.server, of: "x"), "s3": Self.machine(.server, of: "x")]
        let scope = try ResetScope(try Self.spec(), observed: two)
        #expect(scope.nodes == ["s2", "s3"] && scope.spared.map(\.node) == ["s1"])
    }

    /// The one that was not seen might be of either.
    @Test(arguments: [false, true]) func `servers that disagree stop everything`(_ thirdIsSeen: Bool) throws {
        let observed = [
            "s1": Self.machine(.server, of: "y"), "s2": Self.machine(.server, of: "x"),
            "s3": thirdIsSeen ? Self.machine(.server, of: nil) : Self.unseen, "a1": Self.machine(.agent, of: "x"),
        ]
        let problem = #expect(throws: Diagnostic.self) { try ResetScope(try Self.spec(), observed: observed) }
        #expect(problem?.subject == #"cluster "home""# && problem?.cause == "s1 against s2: their certificate authorities differ")
        #expect(problem?.remedy?.hasPrefix("nothing was done") == true)
    }

    /// An agent does not become this cluster's by standing in its inventory.
    @Test func `without a server an agent goes only when it is known to have joined one`() throws {
        let scope = try ResetScope(
            try Self.spec(servers: 1, agents: 4),
            observed: [
                "s1": Self.unseen, "a1": Self.machine(.agent, of: "x", joining: "https://10.0.0.1:6443"),
                "a2": Self.machine(.agent, of: "x", joining: "https://10.9.9.9:6443"), "a3": Self.machine(.agent, of: "x"),
                "a4": Self.machine(nil, of: nil),
            ])
        #expect(scope.nodes == ["a1", "a4"] && scope.spared.map(\.node) == ["a2", "a3"])
        #expect(scope.spared.first?.text == "no server was seen that could tell whether its k3s is of this cluster")
    }

    /// A server that serves another cluster as an agent says nothing of what this one is.
    @Test func `a server that became another cluster's agent tells nothing`() throws {
        let scope = try ResetScope(
            try Self.spec(servers: 1), observed: ["s1": Self.machine(.agent, of: "y"), "a1": Self.machine(.agent, of: "x")])
        #expect(scope.nodes == [] && scope.spared.map(\.node) == ["s1", "a1"])
    }
}
