import Cryptography
import Foundation
import HomelabTestSupport
import NodePlanning
import SSH
import Synchronization
import Testing

@testable import Provisioning

/// A host behind a real OpenSSH server on loopback.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/sbin/sshd"), "needs /usr/sbin/sshd (openssh-server)"))
struct SSHHostTests {
    private func connected(to server: LoopbackServer) async throws -> SSHHost {
        let key = try server.makeKey("user", type: "ed25519", authorized: true)
        let pin = try #require(OpenSSHPublicKey(line: server.publicLine("host_ed25519")))
        let target = SSHTarget(
            host: "127.0.0.1", port: server.port, user: NSUserName(), authentication: [.keyFile(key)], hostKeys: .pinned([pin]))
        let host = SSHHost(
            name: "m1", user: NSUserName(), dial: { try await SSHSession.connect(to: target) }, sudoPassword: { nil })
        try await host.connect()
        return host
    }

    @Test func whatIsHandedOverAsItComesIsInTheResultToo() async throws {
        let host = try await connected(to: try LoopbackServer())
        let lines = Mutex<[String]>([])
        let script = "echo one; echo two; echo 'could not remove: /x' >&2; exit 1"
        let result = try await host.streamLines(RemoteCommand(["sh", "-c", script], asRoot: false)) { line in
            lines.withLock { $0.append(line) }
        }
        #expect(lines.withLock { $0 } == ["one", "two"])
        #expect(result.exitStatus == 1 && result.output == "one\ntwo\n")
        #expect(result.complaint == "could not remove: /x", "a failure is told with the machine's own words")
        await host.close()
    }

    @Test func whatOnlyLooksIsGivenUpAtItsLimit() async throws {
        let host = try await connected(to: try LoopbackServer())
        // A limit that passes while the channel is being opened costs the connection.
        let look = RemoteCommand(["sleep", "20"], asRoot: false).within(.seconds(5))
        await #expect(throws: HostError.silent(node: "m1", after: .seconds(5))) { try await host.run(look) }
        #expect(try await host.run(RemoteCommand(["echo", "well"], asRoot: false)).output == "well\n")
        await host.close()
    }
}
