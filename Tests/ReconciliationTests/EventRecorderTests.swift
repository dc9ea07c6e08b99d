import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

@Suite struct EventRecorderTests {
    /// The API server takes no Event whose name is no DNS subdomain, and nobody hears of that.
    @Test(arguments: [
        ("site", "site"), ("v1beta1.metrics.k8s.io", "v1beta1.metrics.k8s.io"),
        ("cert-manager:leaderelection", "cert-manager-leaderelection"), ("system:", "system"), ("system:.Node-", "system.node"),
        (":.:", "event"), ("ünder_score", "nder-score"), (String(repeating: "a", count: 199) + "-b", String(repeating: "a", count: 199)),
        (String(repeating: "a", count: 199) + ".b", String(repeating: "a", count: 199)),
    ])
    func `an Event has a name that the API server takes, whatever its object is called`(name: String, stem: String) async throws {
        let api = FakeClusterAPI()
        let events = EventRecorder(api: api, clock: SystemClock(), node: "m1")
        let running = Task { await events.run() }
        defer { running.cancel() }
        let role = ObjectKey(group: "rbac.authorization.k8s.io", kind: "ClusterRole", name: name)
        events.record(EventRecorder.Event("Any", "any", object: role, apiVersion: "rbac.authorization.k8s.io/v1"))
        try await eventually("the Event") { await api.keys.contains { $0.kind == "Event" } }
        let event = try #require(await api.keys.first { $0.kind == "Event" })
        #expect(event.name.hasPrefix(stem + ".") && event.name.dropFirst(stem.count + 1).allSatisfy(\.isHexDigit), "\(event.name)")
        #expect(await api.object(event)?.value[path: "involvedObject", "name"]?.string == name)
    }

    @Test func `what is told again is news where the contrary was told in between, and no more than five times`() async throws {
        let (api, clock) = (FakeClusterAPI(), ManualClock())
        let events = EventRecorder(api: api, clock: clock, node: "m1")
        let running = Task { await events.run() }
        defer { running.cancel() }
        var expected = ["Ill": 0, "Well": 0]
        func tell(_ reasons: String..., news: [String: Int], round: String) async throws {
            func record(_ name: String, _ reason: String) {
                let unit = ObjectKey(unit: Ownership(namespace: "default", name: name))
                events.record(EventRecorder.Event(reason, "", object: unit, apiVersion: "v1", isWarning: reason == "Ill"))
            }
            for reason in reasons { record("app", reason) }
            // They are told in order.
            record("mark", round)
            expected.merge(news, uniquingKeysWith: +)
            func count(_ reason: String) async -> Int {
                var count = 0
                for key in await api.keys where key.kind == "Event" {
                    if await api.object(key)?.value["reason"]?.string == reason { count += 1 }
                }
                return count
            }
            try await eventually("round \(round)") { await count(round) == 1 }
            for (reason, times) in expected { #expect(await count(reason) == times, "\(reason) after \(round)") }
        }
        try await tell("Well", "Well", news: ["Well": 1], round: "same")
        try await tell("Ill", "Ill", "Well", news: ["Ill": 1, "Well": 1], round: "recovery")
        try await tell("Ill", "Well", "Ill", "Well", "Ill", "Well", "Ill", "Well", "Ill", news: ["Well": 0], round: "to and fro")
        clock.advance(by: .seconds(600))
        try await tell("Well", "Ill", news: ["Ill": 1, "Well": 1], round: "later")
    }
}
