import Cryptography
import Foundation
import HomelabTestSupport
import SSH
import Testing

/// Pinned keys and pinned fingerprints, with a real OpenSSH server that has several keys.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/sbin/sshd"), "needs /usr/sbin/sshd (openssh-server)"))
struct HostKeyTests {
    let server: LoopbackServer
    let login: SSHAuthentication

    init() throws {
        server = try LoopbackServer(hostKeys: ["ed25519", "ecdsa"])
        login = .keyFile(try server.makeKey("user", type: "ed25519", authorized: true))
    }

    private func key(_ name: String) throws -> OpenSSHPublicKey { try #require(OpenSSHPublicKey(line: server.publicLine(name))) }

    private func target(_ policy: HostKeyPolicy) -> SSHTarget {
        SSHTarget(host: "127.0.0.1", port: server.port, user: NSUserName(), authentication: [login], hostKeys: policy)
    }

    /// A fingerprint does not say of what type its key is, and the server shows the one that it is asked for first.
    @Test(arguments: ["host_ed25519", "host_ecdsa"]) func `the fingerprint of any of its keys is enough`(_ name: String) async throws {
        let key = try key(name)
        let session = try await SSHSession.connect(to: target(.pinned([], fingerprints: [key.fingerprint])))
        #expect(session.hostKey == key)
        #expect(try await session.run("true").succeeded)
        await session.close()
    }

    @Test func `a whole key beside a fingerprint counts, too`() async throws {
        try server.makeKey("other", type: "ed25519")
        let policy = HostKeyPolicy.pinned([try key("host_ecdsa")], fingerprints: [try key("other").fingerprint])
        let session = try await SSHSession.connect(to: target(policy))
        #expect(session.hostKey == (try key("host_ecdsa")))
        await session.close()
    }

    /// Whoever is in between must not have his key offered for pinning.
    @Test func `another fingerprint than the pinned one is a changed key`() async throws {
        try server.makeKey("other", type: "ed25519")
        let expected = try key("other").fingerprint
        let error = await #expect(throws: SSHError.self) {
            try await SSHSession.connect(to: target(.pinned([], fingerprints: [expected])))
        }
        let shown = try key("host_ed25519")
        #expect(error?.kind == .hostKeyChanged(offered: shown, expected: [expected]))
        #expect(error?.summary.hasSuffix("shows ssh-ed25519 \(shown.fingerprint), expected \(expected)") == true)
    }

    /// libssh2 1.10 takes RSA host keys with SHA-1 only, which servers do not offer any more.
    @Test func `the fingerprint of an RSA key is checked, or it is said why not`() async throws {
        let server = try LoopbackServer(hostKeys: ["ed25519", "rsa"])
        let login = SSHAuthentication.keyFile(try server.makeKey("user", type: "ed25519", authorized: true))
        let key = try #require(OpenSSHPublicKey(line: server.publicLine("host_rsa")))
        let target = SSHTarget(
            host: "127.0.0.1", port: server.port, user: NSUserName(), authentication: [login],
            hostKeys: .pinned([], fingerprints: [key.fingerprint]))
        do {
            let session = try await SSHSession.connect(to: target)
            #expect(session.hostKey == key)
            await session.close()
        } catch {
            #expect(SSHSession.libraryVersion.hasPrefix("1.10"), "\(error)")
            guard case .hostKeyChanged = error.kind else { throw error }
            #expect(error.summary.hasSuffix("1.11 can; pin another of its keys)"), "\(error.summary)")
        }
    }

    @Test func `through a jump host the other keys are asked for, too`() async throws {
        let jump = try LoopbackServer(hostKeys: ["ecdsa", "ed25519"])
        let carrier = SSHTarget(
            host: "127.0.0.1", port: jump.port, user: NSUserName(),
            authentication: [.keyFile(try jump.makeKey("user", type: "ed25519", authorized: true))],
            hostKeys: .pinned([], fingerprints: [try #require(OpenSSHPublicKey(line: jump.publicLine("host_ecdsa"))).fingerprint]))
        var target = target(.pinned([], fingerprints: [try key("host_ecdsa").fingerprint]))
        target.jump = [carrier]
        let session = try await SSHSession.connect(to: target)
        #expect(session.hostKey == (try key("host_ecdsa")))
        await session.close()
    }
}
