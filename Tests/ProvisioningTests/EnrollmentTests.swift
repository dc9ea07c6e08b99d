import Cryptography
import Diagnostics
import Foundation
import HomelabTestSupport
import NodeInventory
import Testing

@testable import Provisioning

/// Enrolling a machine with a real sshd whose user has a home of the test's own.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/sbin/sshd"), "needs /usr/sbin/sshd (openssh-server)"))
struct EnrollmentTests {
    private let home: String
    private let server: LoopbackServer
    private var node: NodeSpec
    private let keys = [
        Enrollment.AgentKey(server: "m1", publicKey: "ssh-ed25519 AAAAone homelab-agent@home/m1", from: ["192.0.2.1"]),
        Enrollment.AgentKey(server: "m2", publicKey: "ssh-ed25519 AAAAtwo homelab-agent@home/m2", from: []),
    ]

    init() throws {
        home = NSTemporaryDirectory() + "homelab-enroll-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: home + "/.ssh", withIntermediateDirectories: true)
        server = try LoopbackServer(settings: "SetEnv HOME=\(home)")
        node = NodeSpec(
            name: "new", role: .agent, host: "127.0.0.1", user: NSUserName(), location: SourceLocation(file: "test", line: 1))
        node.writtenPort = server.port
        node.login.identityFiles = [try server.makeKey("user", type: "ed25519", authorized: true)]
        node.login.agent = false
    }

    private func enrollment() throws -> Enrollment {
        try Enrollment(
            cluster: "home", inventoryDirectory: ".",
            interaction: BootstrapInteraction(events: { _ in }, prompt: nil, confirmHostKey: nil))
    }

    private func authorized() throws -> String { try String(contentsOfFile: home + "/.ssh/authorized_keys", encoding: .utf8) }

    @Test(.enabled(if: getuid() == 0, "authorized_keys is written as root")) func `the agents are let in once, with limits`() async throws {
        defer { try? FileManager.default.removeItem(atPath: home) }
        try "ssh-rsa AAAAmine me@laptop\n".write(toFile: home + "/.ssh/authorized_keys", atomically: true, encoding: .utf8)
        var node = node
        let offered = try await enrollment().offeredHostKey(of: node)
        let real = try #require(OpenSSHPublicKey(line: server.publicLine("host_ed25519")))
        #expect(offered.fingerprint == real.fingerprint && !offered.isKnown)
        node.hostKeys = [offered.key]
        let first = try await enrollment().letIn(keys, on: node, makesSudoRule: false)
        #expect(first.servers == ["m1", "m2"] && first.wereThere.isEmpty && first.unlimited == ["m2"] && !first.madeSudoRule)
        #expect(first.user == NSUserName() && !first.hostname.isEmpty)
        let expected = """
            ssh-rsa AAAAmine me@laptop
            restrict,from="192.0.2.1" ssh-ed25519 AAAAone homelab-agent@home/m1
            restrict ssh-ed25519 AAAAtwo homelab-agent@home/m2

            """
        #expect(try authorized() == expected)
        let again = try await enrollment().letIn(keys, on: node, makesSudoRule: false)
        #expect(again.wereThere == ["m1", "m2"])
        #expect(try authorized() == expected)
        #expect(try FileManager.default.contentsOfDirectory(atPath: home + "/.ssh") == ["authorized_keys"], "nothing else is left")
    }

    @Test func `another host key than the pinned one stops it before the login`() async throws {
        defer { try? FileManager.default.removeItem(atPath: home) }
        var node = node
        let other = try server.makeKey("other", type: "ed25519")
        let words = try String(contentsOfFile: other + ".pub", encoding: .utf8).split(separator: " ").map(String.init)
        node.hostKeys = [.key(type: words[0], blob: words[1])]
        let error = await #expect(throws: HostError.self) { try await enrollment().letIn(keys, on: node, makesSudoRule: false) }
        #expect(error?.diagnostic.summary.contains("host key has changed") == true)
        #expect(!FileManager.default.fileExists(atPath: home + "/.ssh/authorized_keys"))
    }
}
