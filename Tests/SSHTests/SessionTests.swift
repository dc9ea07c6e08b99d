import Cryptography
import Foundation
import HomelabTestSupport
import SSH
import Testing

/// Sessions with a real OpenSSH server on loopback.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/sbin/sshd"), "needs /usr/sbin/sshd (openssh-server)"))
struct SessionTests {
    let server: LoopbackServer
    let target: SSHTarget

    init() throws {
        server = try LoopbackServer()
        let key = try server.makeKey("user", type: "ed25519", authorized: true)
        target = try Self.target(server, [.keyFile(key)])
    }

    static func target(_ server: LoopbackServer, _ authentication: [SSHAuthentication], hostKey: String = "host_ed25519") throws
        -> SSHTarget
    {
        let pin = try #require(OpenSSHPublicKey(line: server.publicLine(hostKey)))
        return SSHTarget(
            host: "127.0.0.1", port: server.port, user: NSUserName(), authentication: authentication, hostKeys: .pinned([pin]))
    }

    @Test func runsCommandsWithInputOutputAndStatus() async throws {
        let session = try await SSHSession.connect(to: target)
        let result = try await session.run("sh -c 'cat; echo problem >&2; exit 7'", input: Array("hello".utf8))
        #expect(result == CommandResult(exitStatus: 7, output: Array("hello".utf8), errorOutput: Array("problem\n".utf8)))
        #expect(!result.succeeded)
        let killed = try await session.run("sh -c 'kill -TERM $$'")
        #expect(killed.signal == "TERM")
        #expect(!killed.succeeded)
        #expect(try await session.run("true", input: [UInt8](repeating: 1, count: 5 << 20)).succeeded, "input nobody reads")
        #expect(session.hostKey == target.hostKeys.pinned.first)
        await session.close()
        #expect(!session.isAlive)
        await #expect(throws: SSHError.self) { try await session.run("true") }
    }

    @Test func carriesMuchInBothDirectionsAtOnce() async throws {
        let session = try await SSHSession.connect(to: target)
        let bytes = (0..<20_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) }
        let result = try await session.run("cat", input: bytes)
        #expect(result.output == bytes)
        await session.close()
    }

    @Test func runsShortCommandsBesideALongOne() async throws {
        let session = try await SSHSession.connect(to: target)
        let lines = session.lines(of: "sh -c 'for i in 1 2 3; do echo line $i; sleep 0.2; done; printf end'")
        async let followed = lines.reduce(into: []) { $0.append($1) }
        for index in 0..<20 {
            #expect(try await session.run("echo \(index)").outputText == "\(index)\n")
        }
        #expect(try await followed == ["line 1", "line 2", "line 3", "end"])
        let many = try await withThrowingTaskGroup(of: String.self) { group in
            for index in 0..<8 { group.addTask { try await session.run("sh -c 'sleep 0.1; echo \(index)'").outputText } }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(many.count == 8)
        await session.close()
    }

    @Test func aFailedLineCommandEndsTheSequenceWithItsWords() async throws {
        let session = try await SSHSession.connect(to: target)
        let error = await #expect(throws: SSHError.self) {
            for try await _ in session.lines(of: "sh -c 'echo no such unit >&2; exit 1'") {}
        }
        #expect(error?.summary.contains("no such unit") == true)
        await session.close()
    }

    @Test func uploadsInOneStep() async throws {
        let session = try await SSHSession.connect(to: target)
        let file = server.directory.appendingPathComponent("big")
        let bytes = SecureRandom.bytes(3_000_001)
        try Data(bytes).write(to: file)
        let copy = server.directory.appendingPathComponent("it's a copy").path
        let seen = Progress()
        try await session.upload(file: file.path, to: copy, mode: 0o750) { sent, total in seen.note(sent, total) }
        #expect(try SHA256.hex(ofFile: copy) == SHA256.hex(of: bytes))
        #expect(try FileManager.default.attributesOfItem(atPath: copy)[.posixPermissions] as? Int == 0o750)
        #expect(seen.last?.0 == 3_000_001 && seen.last?.1 == 3_000_001)
        try await session.upload(Array("small".utf8), to: copy, mode: 0o600)
        #expect(try String(contentsOfFile: copy, encoding: .utf8) == "small")
        let error = await #expect(throws: SSHError.self) { try await session.upload([1], to: "/nowhere/at/all") }
        #expect(error?.summary.contains("writing /nowhere/at/all failed") == true)
        let missing = await #expect(throws: SSHError.self) { try await session.upload(file: "/nowhere", to: copy) }
        #expect(missing?.summary.contains("cannot look at /nowhere") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: server.directory.path).allSatisfy { !$0.contains("homelab-upload") })
        await session.close()
    }

    /// Where the line is the limit, what is small has its turn after each packet of what is big.
    @Test func shortCommandsGetThroughBesideAnUploadOverASlowLine() async throws {
        let relay = try Relay(to: server.port, bytesPerSecond: 1_000_000)
        defer { relay.stop() }
        var target = target
        target.port = relay.port
        let session = try await SSHSession.connect(to: target)
        let (file, copy) = (server.directory.appendingPathComponent("big"), server.directory.appendingPathComponent("copy").path)
        try Data(repeating: 7, count: 32_000_000).write(to: file)
        let handedOver = Progress()
        let upload = Task { try await session.upload(file: file.path, to: copy) { handedOver.note($0, $1) } }
        while (handedOver.last?.0 ?? 0) == 0 { try await Task.sleep(for: .milliseconds(10)) }
        for index in 0..<3 {
            #expect(try await session.run("echo \(index)").outputText == "\(index)\n")
        }
        #expect(handedOver.last.map { $0.0 < $0.1 } == true, "\(String(describing: handedOver.last))")
        upload.cancel()
        _ = await upload.result
        await session.close()
    }

    /// Two that give up while their channel is being opened, the second while the first one's is still open half-way.
    @Test func whoGivesUpInTheOpeningOfAChannelDoesNotCostTheSession() async throws {
        let relay = try Relay(to: server.port)
        defer { relay.stop() }
        var target = target
        target.port = relay.port
        let session = try await SSHSession.connect(to: target)
        relay.stall()
        let error = await #expect(throws: SSHError.self) { try await session.run("true", timeout: .seconds(1)) }
        #expect(error?.kind == .timedOut(after: .seconds(1)))
        let cancelled = Task { try await session.run("true") }
        try await Task.sleep(for: .milliseconds(200))
        cancelled.cancel()
        await #expect(throws: SSHError.self) { try await cancelled.value }
        relay.resume()
        for index in 0..<3 { #expect(try await session.run("echo \(index)").outputText == "\(index)\n") }
        await session.close()
    }

    @Test func limitsAndCancelsCommandsWithoutLosingTheSession() async throws {
        let session = try await SSHSession.connect(to: target)
        let error = await #expect(throws: SSHError.self) { try await session.run("sleep 60", timeout: .seconds(5)) }
        #expect(error?.kind == .timedOut(after: .seconds(5)))
        let (started, note) = AsyncStream<Void>.makeStream()
        let task = Task { try await session.run("echo started; sleep 60", onOutput: { _ in note.yield() }) }
        for await _ in started { break }
        task.cancel()
        let cancelled = await #expect(throws: SSHError.self) { try await task.value }
        #expect(cancelled?.kind == .cancelled)
        #expect(try await session.run("echo still here").outputText == "still here\n")
        await session.close()
    }

    @Test func talksBothWaysWithARunningCommand() async throws {
        let session = try await SSHSession.connect(to: target)
        let stream = try await session.open("sh -c 'while read line; do echo got $line; done; echo over >&2; exit 3'")
        try await stream.write(Array("one\n".utf8))
        #expect(try await stream.read() == Array("got one\n".utf8))
        try await stream.write(Array("two\n".utf8))
        #expect(try await stream.read() == Array("got two\n".utf8))
        try await stream.finishInput()
        #expect(try await stream.read() == nil)
        #expect(await stream.errorText == "over\n")
        #expect(try await stream.wait().exitStatus == 3)
        await session.close()
    }

    @Test func goesThroughJumpHosts() async throws {
        let second = try LoopbackServer()
        let third = try LoopbackServer()
        let secondTarget = try Self.target(second, [.keyFile(second.makeKey("user", type: "ed25519", authorized: true))])
        var thirdTarget = try Self.target(third, [.keyFile(third.makeKey("user", type: "ed25519", authorized: true))])
        thirdTarget.jump = [target, secondTarget]
        let session = try await SSHSession.connect(to: thirdTarget)
        #expect(try await session.run("sh -c 'echo $SSH_CONNECTION'").outputText.hasSuffix("127.0.0.1 \(third.port)\n"))
        let bytes = SecureRandom.bytes(4_000_000)
        #expect(try await session.run("cat", input: bytes).output == bytes)
        await session.close()

        thirdTarget.port = try Loopback.freePort()
        let error = await #expect(throws: SSHError.self) { try await SSHSession.connect(to: thirdTarget) }
        guard case .unreachable(.throughJump) = error?.kind else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.recovery == .retry)
    }

    /// The jump host takes every question of ours, and no answer comes.
    @Test func aServerBehindAJumpHostThatSaysNothingAnyMoreIsLost() async throws {
        let server = try LoopbackServer()
        var target = try Self.target(server, [.keyFile(server.makeKey("user", type: "ed25519", authorized: true))])
        target.jump = [self.target]
        let session = try await SSHSession.connect(to: target)
        let error = await #expect(throws: SSHError.self) {
            try await session.run("exec sh -c 'p=$PPID; kill -STOP $p; sleep 25; kill -CONT $p'")
        }
        #expect(error?.description.contains("no sign of life for 9") == true, "\(String(describing: error))")
        await session.close()
    }

    @Test func aRefusedPasswordIsNotLookedForAmongKeys() async throws {
        let server = try LoopbackServer(settings: "PasswordAuthentication yes")
        let target = try Self.target(server, [.password { _ in "not this one" }])
        let error = await #expect(throws: SSHError.self) { try await SSHSession.connect(to: target) }
        #expect(error?.summary.hasSuffix("login refused (tried password)") == true)
        #expect(error?.advice.hasPrefix("check the user name and the password") == true)
    }

    @Test func aQuestionThatNobodyAnswersIsNoRefusedPassword() async throws {
        let server = try LoopbackServer(settings: "PasswordAuthentication yes")
        let target = try Self.target(server, [.password { _ in nil }])
        let error = await #expect(throws: SSHError.self) { try await SSHSession.connect(to: target) }
        #expect(error?.summary.hasSuffix("login refused, with nothing to log in with") == true)
        #expect(error?.advice.hasPrefix("its password has to be asked for, and nobody answered: run it on a terminal") == true)
    }
}

/// The last progress reported.
final class Progress: @unchecked Sendable {
    private let lock = NSLock()
    private var value: (Int, Int)?

    func note(_ sent: Int, _ total: Int) { lock.withLock { value = (sent, total) } }

    var last: (Int, Int)? { lock.withLock { value } }
}
