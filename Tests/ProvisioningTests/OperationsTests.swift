import Foundation
import NodeInventory
import NodePlanning
import Testing

@testable import Provisioning

@Suite struct OperationsTests {
    @Test func theMagicPacketHasTheAddressSixteenTimes() throws {
        let packet = try #require(WakePacket(mac: "0a:1b:2C:3d:4e:ff"))
        #expect(packet.bytes.count == 102)
        #expect(packet.bytes.prefix(6).allSatisfy { $0 == 0xFF })
        for start in stride(from: 6, to: 102, by: 6) {
            #expect(Array(packet.bytes[start..<(start + 6)]) == [0x0A, 0x1B, 0x2C, 0x3D, 0x4E, 0xFF])
        }
        #expect(WakePacket(mac: "0a:1b:2c:3d:4e") == nil)
        #expect(WakePacket(mac: "0a:1b:2c:3d:4e:zz") == nil)
    }

    @Test func aLockKeepsOtherVersionsAndIsReadBack() async throws {
        let folder = NSTemporaryDirectory() + "homelab-lock-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let sum = String(repeating: "d", count: 64)
        try "\(sum)  k3s-arm64\n".write(toFile: folder + "/sha256sum-arm64.txt", atomically: true, encoding: .utf8)
        try "binary".write(toFile: folder + "/k3s", atomically: true, encoding: .utf8)
        var spec = K3sSpec(version: try #require(K3sVersion("v1.33.4+k3s1")))
        spec.source = .folder(folder)
        spec.sha256 = [.amd64: String(repeating: "0", count: 64)]
        let lock = try await ReleaseLock(spec, store: BinaryStore(cache: folder + "/cache", transport: nil), folderBase: folder)
        #expect(lock.sums[.arm64] == sum, "from the list")
        #expect(lock.sums[.amd64] == "9a3a45d01531a20e89ac6ae10b0b0beb0492acd7216a368aa062d1a5fecaf9cd", "of the file, not the old pin")
        #expect(lock.missing.keys.sorted() == [.arm])
        let old = "apiVersion: homelab.dev/v1alpha1\nkind: Lock\nk3s:\n  v1.32.1+k3s1: {amd64: \(sum)}\n"
        let text = lock.text(replacing: old)
        let inventory = """
            apiVersion: homelab.dev/v1alpha1
            kind: Cluster
            name: home
            k3s: {version: VERSION}
            nodes:
              - {name: s1, role: server, host: 10.0.0.1}
            """
        for (version, architecture) in [("v1.33.4+k3s1", Architecture.arm64), ("v1.32.1+k3s1", .amd64)] {
            let spec = try ClusterSpec.load(
                "home.yaml",
                files: ["home.yaml": inventory.replacingOccurrences(of: "VERSION", with: version), "home.lock.yaml": text])
            #expect(spec.k3s.sha256[architecture] == sum, "\(version)")
        }
        #expect(lock.text(replacing: text) == text, "written twice is the same")
    }

    @Test func aFolderWithNothingOfItCannotBeLocked() async throws {
        var spec = K3sSpec(version: try #require(K3sVersion("v1.33.4+k3s1")))
        spec.source = .folder("/nowhere")
        await #expect(throws: (any Error).self) {
            _ = try await ReleaseLock(spec, store: BinaryStore(cache: "/nowhere", transport: nil), folderBase: "/")
        }
    }

    @Test func theUnitsCommandLineIsReadFromSystemd() {
        let line =
            "{ path=/usr/local/bin/k3s ; argv[]=/usr/local/bin/k3s server --disable traefik --debug ; ignore_errors=no ; pid=0 }"
        #expect(Adoption.arguments(line) == ["--disable", "traefik", "--debug"])
        #expect(Adoption.arguments("{ path=/bin/k3s ; argv[]=/bin/k3s agent ; }").isEmpty)
    }

    @Test func aServersAnswerIsReadBySections() {
        let ready = ServerReview(
            printed: "-- readyz\n[+]ping ok\n[+]etcd ok\nreadyz check passed\n-- snapshots\n100\n300\n200\n-- certificates\n")
        #expect(ready.readiness == "ok" && ready.newestSnapshot == 300)
        let failing = ServerReview(
            printed: "-- readyz\n[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n-- snapshots\n-- certificates\n")
        #expect(failing.readiness == "[-]etcd failed: reason withheld")
        #expect(ServerReview(printed: "-- readyz\nThe connection was refused\n-- snapshots\n").readiness == "The connection was refused")
        #expect(ServerReview(printed: "").readiness == "it gives no answer")
    }

    @Test func anAskersWordsBecomeOutcomes() {
        #expect(ReachOutcome("ok 812") == .reached(microseconds: 812))
        #expect(ReachOutcome("small 1500 90") == .onlySmall(largest: 1500, microseconds: 90))
        #expect(ReachOutcome("refused") == .refused)
        #expect(ReachOutcome("silent") == .silent)
        #expect(ReachOutcome("failed No route to host") == .failed("No route to host"))
    }

    /// Two ports of loopback that nobody has.
    private static func freePorts(_ type: Int32) throws -> [Int] {
        let sockets = (0..<2).map { _ in socket(AF_INET, type, 0) }
        defer { for socket in sockets { close(socket) } }
        return try sockets.map { socket in
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let status = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket, $0, size) == 0 ? getsockname(socket, $0, &size) : -1
                }
            }
            try #require(status == 0)
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }

    /// The two ends of the probes against each other over loopback.
    @Test func probesReachAListenerAndNothingElse() async throws {
        let (tcp, udp) = (try Self.freePorts(Int32(SOCK_STREAM.rawValue)), try Self.freePorts(Int32(SOCK_DGRAM.rawValue)))
        let ports = ["tcp:\(tcp[0])", "udp:\(udp[0])", "udp:0"].compactMap { ProbeListener.Port($0) }
        let (said, feed) = AsyncStream<String>.makeStream()
        let listening = Thread { ProbeListener(ports, address: "127.0.0.1", say: { feed.yield($0) }).run(seconds: 60) }
        listening.start()
        var lines: [String] = []
        for await line in said {
            lines.append(line)
            if line == "ready" { break }
        }
        #expect(
            lines.count == 4 && lines.prefix(2) == ["tcp:\(tcp[0]) open", "udp:\(udp[0]) open"] && lines.last == "ready", "\(lines)")
        let chosen = try #require(lines.first { $0.hasPrefix("udp:0 open ") }?.split(separator: " ").last.flatMap { Int($0) })
        var sender = ProbeSender([
            "tcp:\(tcp[0]) 127.0.0.1", "udp:\(udp[0]) 127.0.0.1", "tcp:\(tcp[1]) 127.0.0.1", "udp:\(udp[1]) 127.0.0.1",
            "udp:\(chosen) 127.0.0.1",
        ])
        let results = sender.run(seconds: 30)
        #expect(results[0].hasPrefix("tcp:\(tcp[0]) 127.0.0.1 ok "), "\(results)")
        #expect(results[1].hasPrefix("udp:\(udp[0]) 127.0.0.1 ok "), "\(results)")
        #expect(results[2] == "tcp:\(tcp[1]) 127.0.0.1 refused" && results[3] == "udp:\(udp[1]) 127.0.0.1 refused", "\(results)")
        #expect(results[4].hasPrefix("udp:\(chosen) 127.0.0.1 ok "), "\(results)")
        #expect(ProbeListener.Port("icmp:1") == nil && ProbeListener.Port("tcp:0") == nil)
    }
}
