import Diagnostics
import Foundation
import NodeInventory
import Testing

@testable import Provisioning

/// The order of a restore over three servers, which k3s documents and which nothing else may come between.
@Suite struct SnapshotRestoreTests {
    private let folder = NSTemporaryDirectory() + "homelab-restore-" + UUID().uuidString
    private let log = EventLog()

    private func machines() throws -> Machines {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml":
                    "apiVersion: homelab.dev/v1alpha1\nkind: Cluster\nname: home\nk3s: {version: v1.33.4+k3s1}\nnodes:\n"
                    + (1...3).map { "  - {name: s\($0), role: server, host: 10.0.0.\($0)}\n" }.joined()
            ])
        let log = log
        return try Machines(
            spec, inventoryDirectory: folder, logDirectory: nil, interaction: BootstrapInteraction(events: { log.add($0) }))
    }

    private func snapshot() throws -> String {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try "data".write(toFile: folder + "/snapshot", atomically: true, encoding: .utf8)
        try "K10abc::server:secret\n".write(toFile: folder + "/snapshot.token", atomically: true, encoding: .utf8)
        return folder + "/snapshot"
    }

    private func server(_ name: String) -> FakeHost {
        FakeHost(name).on("systemctl stop", .ok()).on("--cluster-reset", .ok()).on("rm -rf", .ok()).on("--no-block start", .ok())
            .on("/readyz", .ok()).on("systemctl start homelab-agent", .ok())
    }

    private static let voter =
        #"{"metadata":{"labels":{"node-role.kubernetes.io/etcd":"true"}},"status":{"conditions":[{"type":"Ready","status":"True"},"#
        + #"{"type":"EtcdIsVoter","status":"True"}]}}"#

    @Test func allStopThenTheFirstBeginsAnewThenTheOthersOneByOne() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let restore = try SnapshotRestore(try machines(), file: try snapshot())
        let (s1, s2, s3) = (server("s1").on("get node", .ok(Self.voter)), server("s2"), server("s3"))
        try await restore.run(["s1": s1, "s2": s2, "s3": s3])
        let steps = log.lines.filter { !$0.contains("done in") }
        #expect(
            steps == [
                "s1: bring the snapshot to it", "s1: stop k3s and the homelab agent", "s2: stop k3s and the homelab agent",
                "s3: stop k3s and the homelab agent", "s1: begin anew from the snapshot", "s1: start k3s", "s2: forget its data and join",
                "s1: wait until its member votes", "s3: forget its data and join", "s1: wait until its member votes",
            ])
        for host in [s1, s2, s3] { #expect(host.unexpected.isEmpty, "\(host.unexpected)") }
        #expect(s1.uploads.map(\.mode) == [0o600])
        #expect(!s2.log.contains { $0.contains("--cluster-reset") } && !s1.log.contains { $0.contains("rm -rf") })
        // The token of the snapshot's time goes over stdin only.
        for host in [s1, s2, s3] {
            #expect(!host.log.contains { $0.contains("secret") })
            #expect(host.inputs.contains("K10abc::server:secret\n"))
        }
    }

    @Test func aResetThatFailsLeavesTheOthersTheirData() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let restore = try SnapshotRestore(try machines(), file: try snapshot())
        let s1 = FakeHost("s1").on("systemctl stop", .ok()).on("--cluster-reset", .fails("cannot read the snapshot"))
        let (s2, s3) = (server("s2"), server("s3"))
        await #expect(throws: Diagnostic.self) { try await restore.run(["s1": s1, "s2": s2, "s3": s3]) }
        #expect(!(s2.log + s3.log).contains { $0.contains("rm -rf") })
        #expect(log.lines.last?.contains("cannot read the snapshot") == true, "\(log.lines)")
    }

    @Test func aSnapshotWithoutItsTokenIsRefused() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = try snapshot()
        try FileManager.default.removeItem(atPath: file + ".token")
        #expect(throws: Diagnostic.self) { try SnapshotRestore(try machines(), file: file) }
    }
}
