import NodePlanning
import Testing

@testable import Provisioning

@Suite struct NodeStatusTests {
    private func node(ready: String, labels: String = "", annotations: String = "", conditions: String = "") throws -> NodeStatus? {
        try NodeStatus(
            json: """
                {"metadata":{"labels":{\(labels)},"annotations":{\(annotations)}},
                 "status":{"conditions":[{"type":"Ready","status":"\(ready)","message":"container runtime is down"}\(conditions)]}}
                """)
    }

    private let etcd = "\"node-role.kubernetes.io/etcd\":\"true\""

    @Test func missingNodeIsNil() throws { #expect(try NodeStatus(json: "") == nil) }

    @Test func readyAgentIsNoMember() throws {
        let status = try #require(try node(ready: "True"))
        #expect(status.isReady && status.isVotingMember == nil)
    }

    @Test func notReadyTellsWhy() throws {
        #expect(try node(ready: "False")?.reason == "container runtime is down")
    }

    @Test func learnerDoesNotVote() throws {
        let voter = ",{\"type\":\"EtcdIsVoter\",\"status\":\"False\",\"reason\":\"MemberIsLearner\"}"
        #expect(try node(ready: "True", labels: etcd, conditions: voter)?.isVotingMember == false)
        #expect(try node(ready: "True", labels: etcd, conditions: voter.replacing("False", with: "True"))?.isVotingMember == true)
    }

    @Test func withoutTheConditionTheAnnotationTells() throws {
        #expect(try node(ready: "True", labels: etcd)?.isVotingMember == false)
        #expect(try node(ready: "True", labels: etcd, annotations: "\"etcd.k3s.cattle.io/node-name\":\"m1-abc\"")?.isVotingMember == true)
    }

    @Test func unitWatchReadsEachJournalLineOnce() {
        var watch = UnitWatch(unit: "k3s.service", cursor: nil)
        #expect(watch.command.argv[2].contains("InactiveExitTimestamp"))
        let look = watch.read("ActiveState=activating\nSubState=start\nNRestarts=2\n-- journal\na b[1]: one\n-- cursor: s=1;i=2\n")
        #expect(look.active == "activating" && look.restarts == 2)
        #expect(look.lines == ["a b[1]: one"])
        #expect(watch.cursor == "s=1;i=2")
        #expect(watch.command.argv[2].contains("--after-cursor='s=1;i=2'"))
        #expect(watch.lastWords == "one")
    }
}
