import NodeInventory
import Testing
import YAML

@testable import NodePlanning

@Suite struct SnapshotDirectoryTests {
    @Test(arguments: [
        ("", "", "", "/var/lib/rancher/k3s/server/db/snapshots"), ("/srv/all/", "", "", "/srv/all"),
        ("/srv/all", "/srv/servers", "", "/srv/servers"),
        ("", "/srv/servers", "/srv/own", "/srv/own"), ("", "backup/etcd", "", "/var/lib/rancher/k3s/server/backup/etcd"),
    ])
    func `the nearest entry counts, and a relative one begins in the data folder`(
        _ all: String, _ servers: String, _ own: String, _ folder: String
    )
        throws
    {
        var spec = try PlanningCase.named("upgrade").spec()
        if !all.isEmpty { spec.k3s.config["etcd-snapshot-dir"] = .string(all) }
        if !servers.isEmpty { spec.k3s.serverConfig["etcd-snapshot-dir"] = .string(servers) }
        let at = try #require(spec.nodes.firstIndex { $0.role == .server })
        if !own.isEmpty { spec.nodes[at].config["etcd-snapshot-dir"] = .string(own) }
        #expect(spec.snapshotDirectory(of: spec.nodes[at]) == folder)
    }
}
