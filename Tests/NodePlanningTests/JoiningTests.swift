import NodeInventory
import Testing

@testable import NodePlanning

/// A server that is to join another one after a restore, in the words in which the planner would have it.
@Suite struct JoiningTests {
    private let url = "https://10.0.0.1:6443"

    @Test(arguments: [
        K3sConfiguration.Entry.cluster(initializesEtcd: true), .cluster(initializesEtcd: false), .join(server: "https://10.0.0.3:6443"),
    ])
    func `a file of homelab's becomes what the planner writes of a server that joins`(_ entry: K3sConfiguration.Entry) throws {
        let spec = try PlanningCase.named("config-change").spec()
        let node = try #require(spec.servers.last)
        let now = K3sConfiguration(spec: spec, node: node, entry: entry).config.text
        let wanted = K3sConfiguration(spec: spec, node: node, entry: .join(server: url)).config.text
        #expect(try K3sConfiguration.joining(url, in: now) == wanted)
        #expect(try K3sConfiguration.joining(url, in: wanted) == nil, "nothing is left to write")
    }

    @Test func `a file of somebody else's keeps all else`() throws {
        let text = try #require(
            try K3sConfiguration.joining(url, in: "# mine\ntoken: \"12\"\ncluster-init: true\nserver: https://x:6443\ndisable: [traefik]\n")
        )
        #expect(text.hasSuffix("\ndisable:\n- traefik\nserver: https://10.0.0.1:6443\ntoken: \"12\"\n"), "\(text)")
        #expect(try K3sConfiguration.joining(url, in: "")?.hasSuffix("\nserver: https://10.0.0.1:6443\n") == true)
    }
}
