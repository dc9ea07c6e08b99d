import Cryptography
import Diagnostics
import Foundation
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

/// The order of a restore over three servers, which k3s documents and which nothing else may come between.
@Suite struct SnapshotRestoreTests {
    private let folder = NSTemporaryDirectory() + "homelab-restore-" + UUID().uuidString
    private let log = EventLog()

    private func machines(absent: Set<Int> = []) throws -> Machines {
        let spec = try ClusterSpec.load(
            "home.yaml",
            files: [
                "home.yaml":
                    "apiVersion: homelab.dev/v1alpha1\nkind: Cluster\nname: home\nk3s: {version: v1.33.4+k3s1}\nnodes:\n"
                    + (1...3).map {
                        "  - {name: s\($0), role: server, host: 10.0.0.\($0)\(absent.contains($0) ? ", state: absent" : "")}\n"
                    }.joined()
            ])
        let log = log
        return try Machines(
            spec, inventoryDirectory: folder, logDirectory: nil, interaction: BootstrapInteraction(events: { log.add($0) }))
    }

    private func snapshot() throws -> String {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(Self.whole).write(to: URL(fileURLWithPath: folder + "/snapshot"))
        try "K10abc::server:secret\n".write(toFile: folder + "/snapshot.token", atomically: true, encoding: .utf8)
        return folder + "/snapshot"
    }

    /// Two pages with bbolt's magic number, and their sha256.
    static let whole: [UInt8] = {
        var bytes = [UInt8](repeating: 0, count: 8192)
        for page in [0, 4096] { bytes.replaceSubrange(page + 16..<page + 20, with: [0xED, 0xDA, 0x0C, 0xED]) }
        let sum = Array(SHA256.hex(of: bytes))
        return bytes + stride(from: 0, to: 64, by: 2).compactMap { UInt8(String(sum[$0...$0 + 1]), radix: 16) }
    }()

    private static let given = "echo '-- unit'"
    private static let joinsTheFirst = "server: https://10.0.0.1:6443\n"

    private func server(_ name: String, config: String? = nil, keepsSQLite: Bool = false) -> FakeHost {
        let config = config ?? (name == "s1" ? "cluster-init: true\n" : Self.joinsTheFirst)
        return FakeHost(name).on("[ -e state.db ]", keepsSQLite ? .ok() : .fails("")).on(Self.given, .ok("-- config\n\(config)")).file(
            NodeLayout.k3sConfig, config
        )
        .on("homelab /etc/rancher/k3s/config.yaml 0600", .ok()).on("-p ActiveState", .ok("ActiveState=active\n-- journal\n")).on(
            "systemctl stop", .ok()
        ).on(
            "--cluster-reset", .ok()
        ).on("rm -rf", .ok()).on("--no-block start", .ok())
        .on("/readyz", .ok()).on("systemctl start homelab-agent", .ok()).on("-p MainPID", PlanExecutorTests.started)
    }

    private static let voter =
        #"{"metadata":{"labels":{"node-role.kubernetes.io/etcd":"true"}},"status":{"conditions":["#
        + #"{"type":"Ready","status":"True","lastHeartbeatTime":"2026-11-26T10:00:30Z"},"#
        + #"{"type":"EtcdIsVoter","status":"True"}]}}"#

    private static func members(_ names: String..., isLearner: Bool = false) -> FakeHost.Answer {
        let list = names.map { #"{"name":"\#($0)-1a2b3c4d","isLearner":\#(isLearner)}"# }
        return .ok(#"{"members":[\#(list.joined(separator: ","))]}"#)
    }

    @Test func allStopThenTheFirstBeginsAnewThenTheOthersOneByOne() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let restore = try SnapshotRestore(try machines(), file: try snapshot())
        // The Nodes come from the snapshot and say that all vote.
        let s1 = server("s1").on("get node", .ok(Self.voter))
            .on("/db/info", Self.members("s2", isLearner: true), Self.members("s2"), Self.members("s2", "s3"))
        let (s2, s3) = (server("s2"), server("s3"))
        try await restore.run(["s1": s1, "s2": s2, "s3": s3])
        let steps = log.lines.filter { !$0.contains("done in") }
        #expect(
            steps == [
                "s1: bring the snapshot to it", "s1: stop k3s and the homelab agent", "s2: stop k3s and the homelab agent",
                "s3: stop k3s and the homelab agent", "s1: begin anew from the snapshot", "s1: start k3s", "s2: forget its data and join",
                "s2: wait until its member votes", "s2: wait until its member votes: its etcd member does not vote yet",
                "s3: forget its data and join", "s3: wait until its member votes",
            ])
        for host in [s1, s2, s3] { #expect(host.unexpected.isEmpty, "\(host.unexpected)") }
        #expect(s1.uploads.map(\.mode) == [0o600])
        #expect(!s2.log.contains { $0.contains("--cluster-reset") } && !s1.log.contains { $0.contains("rm -rf") })
        // The token of the snapshot's time goes over stdin only.
        for host in [s1, s2, s3] {
            #expect(!host.log.contains { $0.contains("server:secret") })
            #expect(host.inputs.contains("K10abc::server:secret\n"))
        }
    }

    /// The others are lost, and the inventory says so: what one server would have by itself does not count.
    @Test func theLastOfThreeBeginsAnewAlone() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let machines = try machines(absent: [2, 3])
        let s1 = server("s1").on("get node", .ok(Self.voter))
        try await SnapshotRestore(machines, file: try snapshot()).run(["s1": s1])
        #expect(s1.log.contains { $0.contains("--cluster-reset") } && s1.unexpected.isEmpty, "\(s1.unexpected)")

        let small = server("s1", keepsSQLite: true)
        let refused = await #expect(throws: Diagnostic.self) {
            try await SnapshotRestore(machines, file: try snapshot()).run(["s1": small])
        }
        #expect(refused?.summary == "its data is in SQLite, of which k3s makes no snapshots")
        #expect(!small.log.contains { $0.contains("systemctl stop") })
    }

    @Test func aServerThatIsLostIsToBeCalledAbsent() {
        let lost = Diagnostics([Diagnostic(.error, "cannot be reached", subject: #"node "s2""#, remedy: "check that it is on")])
        let refused = #expect(throws: Diagnostics.self) { try SnapshotRestore.demandAll(lost) }
        #expect(refused?.description.contains("for one that is gone for good write `state: absent`, then run again") == true)
    }

    /// The first server of the inventory once joined the second, which founded the cluster; the third joined that one.
    @Test func theOthersJoinTheFirstWhateverTheyDidBefore() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let machines = try machines()
        func config(_ at: Int, _ entry: K3sConfiguration.Entry) -> String {
            K3sConfiguration(spec: machines.spec, node: machines.spec.servers[at], entry: entry).config.text
        }
        let joinsTheSecond = K3sConfiguration.Entry.join(server: "https://10.0.0.2:6443")
        let s1 = server("s1", config: config(0, joinsTheSecond)).on("get node", .ok(Self.voter)).on("/db/info", Self.members("s2", "s3"))
        let s2 = server("s2", config: config(1, .cluster(initializesEtcd: true)))
        let s3 = server("s3", config: config(2, joinsTheSecond))
        try await SnapshotRestore(machines, file: try snapshot()).run(["s1": s1, "s2": s2, "s3": s3])
        // k3s refuses a reset while it has a server to join.
        #expect(s1.log.contains { $0.contains("server --cluster-reset --server= ") })
        #expect(!s1.log.contains { $0.contains("config.yaml 0600") })
        for (at, host) in [(1, s2), (2, s3)] {
            let order = host.log.compactMap { line in ["config.yaml 0600", "rm -rf", "--no-block start k3s"].first { line.contains($0) } }
            #expect(order == ["config.yaml 0600", "rm -rf", "--no-block start k3s"])
            // The planner's own text: it has nothing to change afterwards.
            #expect(host.inputs.contains(config(at, .join(server: "https://10.0.0.1:6443"))), "\(host.inputs)")
            #expect(host.unexpected.isEmpty)
        }
        #expect(log.lines.contains("s2: its config.yaml says that it joins s1"), "\(log.lines)")
    }

    @Test(arguments: [
        ("-- config\n\(joinsTheFirst)-- config\nserver: https://10.0.0.3:6443\n", "join https://10.0.0.3:6443, whatever config.yaml says"),
        ("-- config\n\(joinsTheFirst)-- unit\nargv[]=k3s server --server https://10.0.0.9:6443 ; \n", "join https://10.0.0.9:6443"),
        ("-- config\n\(joinsTheFirst)-- unit\n\n-- environment\nK3S_CONFIG_FILE=/etc/k3s.yaml\n", "it reads /etc/k3s.yaml in place of"),
    ])
    func whatWouldNotFollowIsToldBeforeAnythingStops(_ given: String, _ cause: String) async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let restore = try SnapshotRestore(try machines(), file: try snapshot())
        let s1 = server("s1")
        let s2 = FakeHost("s2").on(Self.given, .ok(given)).file(NodeLayout.k3sConfig, Self.joinsTheFirst)
        let problem = await #expect(throws: Diagnostic.self) { try await restore.run(["s1": s1, "s2": s2, "s3": server("s3")]) }
        #expect(problem?.subject == #"node "s2""# && problem?.cause?.contains(cause) == true, "\(String(describing: problem))")
        #expect(!s1.log.contains { $0.contains("systemctl stop") } && s1.uploads.isEmpty)
    }

    @Test func aResetThatFailsLeavesTheOthersTheirData() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let restore = try SnapshotRestore(try machines(), file: try snapshot())
        let s1 = FakeHost("s1").on("[ -e state.db ]", .fails("")).on(Self.given, .ok()).on("systemctl stop", .ok()).on(
            "--cluster-reset", .fails("cannot read the snapshot"))
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

    @Test(arguments: [
        ("truncated", "it breaks off: the sha256 at its end is missing"), ("damaged", "its content does not have the sha256 at its end"),
        ("text", "it does not begin as a database of etcd does"), ("empty", "it does not begin as a database of etcd does"),
        ("archive", "the archive breaks off: it has no directory at its end"),
    ])
    func whatIsNoWholeSnapshotIsRefusedBeforeAnythingStops(_ kind: String, _ cause: String) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = try snapshot()
        var bytes = Self.whole
        switch kind {
        case "truncated": bytes.removeLast(100)
        case "damaged": bytes[5000] ^= 1
        case "text": bytes = Array("apiVersion: v1\n".utf8)
        case "empty": bytes = []
        default: bytes = [0x50, 0x4B, 0x03, 0x04] + bytes
        }
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        let problem = #expect(throws: Diagnostic.self) { try SnapshotRestore(try machines(), file: file) }
        #expect(problem?.summary == "this is no whole snapshot of etcd, and nothing was done with it")
        #expect(problem?.cause == cause && problem?.subject == file)
    }

    @Test func aPackedSnapshotIsTakenAndAnEmptyTokenIsNot() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = try snapshot()
        try Data([0x50, 0x4B, 0x03, 0x04] + Self.whole + [0x50, 0x4B, 0x05, 0x06] + [UInt8](repeating: 0, count: 18))
            .write(to: URL(fileURLWithPath: file))
        let restore = try SnapshotRestore(try machines(), file: file)
        let s1 = server("s1").on("get node", .ok(Self.voter)).on("/db/info", Self.members("s2", "s3"))
        try await restore.run(["s1": s1, "s2": server("s2"), "s3": server("s3")])
        // k3s goes by the name's ending.
        #expect(s1.uploads.map(\.destination) == ["/tmp/homelab-restore.zip"])
        #expect(s1.log.contains { $0.contains("--cluster-reset-restore-path=\"$PWD/homelab-restore.zip\"") })
        try "\n".write(toFile: file + ".token", atomically: true, encoding: .utf8)
        let problem = #expect(throws: Diagnostic.self) { try SnapshotRestore(try machines(), file: file) }
        #expect(
            problem?.summary == "the snapshot and its token have to lie side by side" && problem?.cause?.contains("it is empty") == true)
    }

    @Test func waitsSayForWhatAndEndEarlyWhenWaitingDoesNotHelp() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let restore = try SnapshotRestore(try machines(), file: try snapshot())
        let journal = "ActiveState=activating\n-- journal\nNov 24 10:00:00 s2 k3s[1]: time=\"t\" level=info msg=\"Waiting for etcd\"\n"
        let rejected = "ActiveState=activating\n-- journal\nNov 24 10:00:01 s2 k3s[1]: level=fatal msg=\"duplicate node name found\"\n"
        let s2 = FakeHost("s2").on(Self.given, .ok("-- config\n" + Self.joinsTheFirst)).file(NodeLayout.k3sConfig, Self.joinsTheFirst)
            .on("systemctl stop", .ok()).on("rm -rf", .ok()).on("--no-block start", .ok())
            .on("-p ActiveState", .ok(journal), .ok(rejected))
        let problem = await #expect(throws: Diagnostic.self) { try await restore.run(["s1": server("s1"), "s2": s2, "s3": server("s3")]) }
        #expect(problem?.summary == "etcd already has a member of this name")
        #expect(log.lines.contains("s2: forget its data and join: Waiting for etcd"), "\(log.lines)")
    }
}
