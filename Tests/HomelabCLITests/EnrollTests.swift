import ArgumentParser
import Diagnostics
import Foundation
import HomelabTestSupport
import Testing

@testable import HomelabCLI

/// `homelab enroll` from the command line to the machine and back into the inventory, with a real sshd.
@Suite(
    .enabled(
        if: getuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/sbin/sshd"),
        "needs root and /usr/sbin/sshd (openssh-server)"))
struct EnrollTests {
    private let folder: String
    private let server: LoopbackServer
    private let identity: String

    init() throws {
        folder = NSTemporaryDirectory() + "homelab-enroll-" + UUID().uuidString
        for name in ["home/.ssh", "inventory"] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
        }
        server = try LoopbackServer(settings: "SetEnv HOME=\(folder)/home")
        identity = try server.makeKey("user", type: "ed25519", authorized: true)
        try server.makeKey("agent", type: "ed25519")
        let words = try server.publicLine("agent").split(separator: " ")
        try "\(words[0]) \(words[1]) homelab-agent@home/m1\n".write(toFile: folder + "/keys", atomically: true, encoding: .utf8)
        try """
        apiVersion: homelab.dev/v1alpha1
        kind: Cluster
        name: home
        k3s: {version: v1.36.4+k3s1}
        nodes:
          - name: m1   # by the door
            role: server
            host: 192.0.2.1
            user: \(NSUserName())

        """.write(toFile: folder + "/inventory/home.yaml", atomically: true, encoding: .utf8)
    }

    private func enroll(_ more: String...) async throws {
        let arguments = ["-i", folder + "/inventory/home.yaml", "--keys", folder + "/keys", "--identity-file", identity]
        try await Enroll.parse(arguments + ["\(NSUserName())@127.0.0.1:\(server.port)", "--name", "m2"] + more).run()
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: "\(folder)/\(path)", encoding: .utf8) }

    @Test func `a machine is let in and pinned, once`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let before = try text("inventory/home.yaml")
        let key = try server.publicLine("host_ed25519").split(separator: " ").prefix(2).joined(separator: " ")
        try await enroll("--yes")
        let user = NSUserName() == "root" ? "" : "    user: \(NSUserName())\n"
        let entry = "  - name: m2\n    role: agent\n    host: 127.0.0.1\n    port: \(server.port)\n\(user)    hostKeys: [\(key)]\n"
        #expect(try text("inventory/home.yaml") == before + entry)
        let line = try #require(text("keys").split(separator: "\n").first)
        #expect(try text("home/.ssh/authorized_keys") == "restrict,from=\"192.0.2.1\" \(line)\n")
        await #expect(throws: Diagnostic.self, "there is one of this name now") { try await enroll("--yes") }
    }

    @Test func `another fingerprint than the given one leaves everything as it is`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let before = try text("inventory/home.yaml")
        let refused = await #expect(throws: Diagnostic.self) { try await enroll("--fingerprint", "SHA256:AAAA") }
        #expect(refused?.summary == "it shows another host key than the given one")
        #expect(try text("inventory/home.yaml") == before)
        #expect(!FileManager.default.fileExists(atPath: folder + "/home/.ssh/authorized_keys"))
    }
}
