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
}
