import Diagnostics
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

/// The look at a running cluster: what one server does not tell takes nothing away from what the others do.
@Suite struct ClusterSurveyTests {
    private static let ready = FakeHost.Answer.ok("-- readyz\n[+]etcd ok\nreadyz check passed\n-- snapshots\n-- certificates\n")
    private static let waiting = FakeHost.Answer.ok("-- readyz\n[-]etcd failed: reason withheld\n-- snapshots\n-- certificates\n")

    private func findings(_ hosts: FakeHost...) async throws -> [Diagnostic] {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml": """
                {apiVersion: homelab.dev/v1alpha1, kind: Cluster, name: home, k3s: {version: v1.33.4+k3s1}, nodes: [
                  {name: s1, role: server, host: 10.0.0.1}, {name: s2, role: server, host: 10.0.0.2},
                  {name: s3, role: server, host: 10.0.0.3}]}
                """
            ])
        var facts = NodeFacts()
        facts.units[NodeRole.server.unit] = UnitFact(active: "active", enabled: true)
        var nodes = NodeObservations()
        for host in hosts {
            nodes.observed[host.name] = .facts(facts)
            nodes.hosts[host.name] = host
        }
        let survey = try ClusterSurvey(spec: spec, recorder: RunRecorder(folder: nil) { _ in })
        return try await survey.findings(nodes, strangers: []).all
    }

    @Test(arguments: [
        (FakeHost.Answer.fails("E1124 memcache.go:265\nError from server (Forbidden)"), "Error from server (Forbidden)"),
        (.lost, "the connection was lost: test"), (.ok("{"), "its answer cannot be read: "),
    ]) func aServerThatDoesNotListTheNodesIsOneFindingAmongTheOthers(_ answer: FakeHost.Answer, _ cause: String) async throws {
        let s1 = FakeHost("s1").on("/readyz", Self.ready).on("get nodes", answer)
        let found = try await findings(s1, FakeHost("s2").on("/readyz", Self.waiting), FakeHost("s3").on("/readyz", Self.ready))
        #expect(found.map(\.subject) == [#"node "s2""#, #"cluster "home""#, #"node "s1""#], "\(found)")
        let told = try #require(found.last)
        #expect(told.severity == .error && told.summary.hasPrefix("its API is ready and does not list the nodes"), "\(told)")
        #expect(told.cause?.hasPrefix(cause) == true && told.remedy?.contains("`homelab doctor s1`") == true, "\(told)")
        #expect(s1.unexpected.isEmpty, "\(s1.unexpected)")
    }

    /// Nobody can say then which nodes are missing, nor who votes.
    @Test func whileNoServerIsReadyNoNodeIsCalledMissing() async throws {
        let found = try await findings(FakeHost("s1").on("/readyz", Self.waiting), FakeHost("s2").on("/readyz", .lost))
        #expect(found.map(\.summary) == ["its API is not ready", "its API is not ready", "there is no snapshot of etcd"], "\(found)")
    }

    @Test func nodesThatAreListedAreCompared() async throws {
        let s1 = FakeHost("s1").on("/readyz", Self.ready).on("get nodes", .ok(#"{"items":[]}"#)).on("poddisruptionbudgets", .fails("no"))
        let found = try await findings(s1)
        #expect(found.map(\.summary).first == "k3s is installed on it, but the cluster has no Node of this name", "\(found)")
        #expect(!found.contains { $0.summary.contains("does not list") }, "\(found)")
    }
}
