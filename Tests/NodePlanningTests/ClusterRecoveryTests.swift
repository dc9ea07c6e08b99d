import NodeInventory
import Testing

@testable import NodePlanning

@Suite struct ClusterRecoveryTests {
    private func recovery(unreachable: Set<String> = []) throws -> ClusterRecovery {
        let fixture = PlanningCase.named("power-cut")
        let spec = try fixture.spec()
        var observed = try fixture.observed()
        for name in unreachable { observed[name] = .unreachable(reason: "no route to host") }
        let plan = NodePlanner.plan(
            desired: spec, observed: observed, cluster: ClusterFacts(unavailable: "no server runs"), context: PlanningCase.context)
        return ClusterRecovery(plan, desired: spec, observed: observed)
    }

    @Test func `after a power cut the servers are started with what they have, and waited for`() throws {
        let recovery = try recovery()
        #expect(recovery.notes == [])
        let steps = recovery.plan.phases.flatMap(\.tasks).map { task in
            "\(task.node): \(task.steps.map(\.step.summary).joined(separator: ", "))"
        }
        #expect(steps.prefix(3) == ["s1: start k3s.service", "s2: start k3s.service", "s3: start k3s.service"], "\(steps)")
        #expect(steps.count == 6 && steps[3].hasPrefix("s1: wait until k3s is ready"), "\(steps)")
    }

    @Test func `who is to leave stays until the API answers, which is said of it`() throws {
        let fixture = PlanningCase.named("remove-server")
        let spec = try fixture.spec()
        let leaving = try #require(spec.nodes.first { $0.state == .absent })
        let plan = NodePlanner.plan(
            desired: spec, observed: try fixture.observed(), cluster: ClusterFacts(unavailable: "no server runs"),
            context: PlanningCase.context)
        let notes = plan.pending.filter { $0.node == leaving.name }
        #expect(notes.map(\.text) == ["is not taken out yet: the cluster's API does not answer"], "\(plan.pending)")
        #expect(!plan.phases.flatMap(\.tasks).contains { $0.node == leaving.name }, "\(plan.phases)")
    }

    @Test func `a server that is off is named, and the majority starts`() throws {
        let recovery = try recovery(unreachable: ["s3"])
        #expect(recovery.notes.map(\.node) == ["s3"])
        #expect(Set(recovery.plan.phases.flatMap(\.tasks).map(\.node)) == ["s1", "s2"])
        #expect(
            recovery.standing == [
                "answers and holds the cluster's data: s1, s2", "does not answer: s3: no route to host",
                "etcd needs 2 of its 3 members: those that answer are enough",
            ])
        #expect(recovery.missing == 0 && recovery.awaited == "the API of s1, s2")
    }

    @Test func `without a majority it is told what that takes`() throws {
        let recovery = try recovery(unreachable: ["s2", "s3"])
        let note = try #require(recovery.notes.first { $0.node == nil })
        #expect(note.text == "etcd needs 2 of its 3 members, and only 1 can be reached")
        #expect(
            note.remedy == "bring s2 or s3 back and run `homelab recover` again; when they are lost for good: on s1 `systemctl stop k3s`; "
                + "on s1 `k3s server --cluster-reset --server=` (the empty `--server=` is there because k3s refuses this while config.yaml "
                + "has a `server:`), which keeps the newest data it has, and `systemctl start k3s`; then write state: absent for the lost ones"
        )
        #expect(recovery.missing == 1 && recovery.awaited == "s2 or s3")
        #expect(recovery.standing.last == "etcd needs 2 of its 3 members: 1 more has to come back")
    }

    /// Which of five is to join which, and not to found a cluster of its own.
    @Test func `of several survivors one begins anew and the others join it`() throws {
        let fixture = PlanningCase.named("power-cut")
        var spec = try fixture.spec()
        var observed = try fixture.observed()
        for name in ["s4", "s5", "s6"] {
            spec.nodes.append(spec.servers[0])
            spec.nodes[spec.nodes.count - 1].name = name
            observed[name] = .unreachable(reason: "no route to host")
        }
        let plan = NodePlanner.plan(
            desired: spec, observed: observed, cluster: ClusterFacts(unavailable: "no server runs"), context: PlanningCase.context)
        let recovery = ClusterRecovery(plan, desired: spec, observed: observed)
        let remedy = try #require(recovery.notes.first { $0.node == nil }?.remedy)
        for words in [
            "on s1, s2, s3 `systemctl stop k3s`; on s1 `k3s server --cluster-reset --server=`",
            "; on s2, s3, one after the other, write `server: https://10.0.0.1:6443` into /etc/rancher/k3s/config.yaml in place of "
                + "`cluster-init` or another `server:`, remove /var/lib/rancher/k3s/server/db and `systemctl start k3s`; then write",
        ] { #expect(remedy.contains(words), "\(words) is not in: \(remedy)") }
    }

    @Test func `with all servers off two are waited for, and none is told to begin anew`() throws {
        let recovery = try recovery(unreachable: ["s1", "s2", "s3"])
        #expect(recovery.isOfCluster && recovery.missing == 2 && recovery.awaited == "2 of s1, s2, s3")
        #expect(recovery.standing.first == "no server answers" && recovery.standing.count == 5)
        let note = try #require(recovery.notes.first { $0.node == nil })
        #expect(note.text == "etcd needs 2 of its 3 members, and none can be reached")
        #expect(note.remedy == "bring 2 of s1, s2, s3 back and run `homelab recover` again")
    }
}
