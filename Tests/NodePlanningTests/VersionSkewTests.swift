import NodeInventory
import Testing

@testable import NodePlanning

/// What upgrades refuse is no way in for a machine that joins either (version skew policy of Kubernetes, docs.k3s.io/upgrades).
@Suite struct VersionSkewTests {
    /// All run v1.33.4 and are to run `version`; the third server joins with a fresh disk, unless it is there.
    private func plan(_ version: String, agents: String? = nil, joins: Bool = true) throws -> NodePlan {
        var machines = try SimulatedMachines.settled("fresh-three-servers")
        machines.spec.k3s.version = try #require(K3sVersion(version))
        if joins {
            machines.observed["s3"] = try PlanningCase.named("fresh-three-servers").observed()["s3"]
            machines.cluster.nodes.removeAll { $0.name == "s3" }
        }
        for at in machines.cluster.nodes.indices where ["pi", "fed"].contains(machines.cluster.nodes[at].name) {
            if let agents { machines.cluster.nodes[at].kubeletVersion = agents }
        }
        let (observed, cluster) = machines.look()
        return NodePlanner.plan(
            desired: machines.spec, observed: observed, cluster: cluster, context: SimulatedMachines.context(machines.spec, version: 1))
    }

    private func text(_ plan: NodePlan, of node: String) -> String { plan.pending.first { $0.node == node }?.text ?? "nothing" }

    private func joins(_ plan: NodePlan) -> Bool {
        plan.phases.contains { $0.kind == .servers && $0.tasks.contains { $0.node == "s3" } }
    }

    @Test func aServerDoesNotJoinThoseThatWouldSkipAMinor() throws {
        let plan = try plan("v1.35.1+k3s1")
        #expect(!joins(plan), "\(plan.text)")
        #expect(
            text(plan, of: "s3").hasSuffix("the server s1 runs k3s v1.33.4+k3s1, and v1.35.1+k3s1 skips a minor version"), "\(plan.text)")
    }

    @Test func aServerDoesNotJoinThoseThatAreNewer() throws {
        let plan = try plan("v1.32.9+k3s1")
        #expect(!joins(plan), "\(plan.text)")
        #expect(text(plan, of: "s3").hasSuffix("the server s1 runs k3s v1.33.4+k3s1, which is newer than v1.32.9+k3s1"), "\(plan.text)")
    }

    @Test func aServerJoinsThoseOfItsVersion() throws { #expect(joins(try plan("v1.33.4+k3s1"))) }

    @Test func serversWaitForAKubeletThatWouldBeTooOld() throws {
        let refused = try plan("v1.34.1+k3s1", agents: "v1.30.9+k3s1", joins: false)
        #expect(
            text(refused, of: "s1")
                == "is not upgraded: pi runs k3s v1.30.9+k3s1, and a kubelet may be three minor versions older than the "
                + "API at most", "\(refused.text)")
        #expect(!refused.phases.contains { $0.kind == .serverUpgrade }, "\(refused.text)")
        let allowed = try plan("v1.34.1+k3s1", agents: "v1.31.9+k3s1", joins: false)
        #expect(allowed.phases.contains { $0.kind == .serverUpgrade }, "\(allowed.text)")
    }
}
