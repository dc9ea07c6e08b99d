import Cryptography
import Diagnostics
import Foundation
import HomelabTestSupport
import NodePlanning
import SSH
import Synchronization
import Testing

@testable import Provisioning

/// Files brought to a real OpenSSH server on loopback: whole, in part, damaged, interrupted.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/sbin/sshd"), "needs /usr/sbin/sshd (openssh-server)"))
struct UploadTests {
    let server: LoopbackServer
    let host: SSHHost
    let bytes = (0..<3_000_001).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) }
    let upload: FileUpload
    private let seen = Sent()

    init() async throws {
        let server = try LoopbackServer()
        self.server = server
        let key = try server.makeKey("user", type: "ed25519", authorized: true)
        let pin = try #require(OpenSSHPublicKey(line: server.publicLine("host_ed25519")))
        let target = SSHTarget(
            host: "127.0.0.1", port: server.port, user: NSUserName(), authentication: [.keyFile(key)], hostKeys: .pinned([pin]))
        host = SSHHost(name: "m1", user: NSUserName(), dial: { try await SSHSession.connect(to: target) }, sudoPassword: { nil })
        try await host.connect()
        let source = server.directory.appendingPathComponent("source")
        try Data(bytes).write(to: source)
        upload = FileUpload(
            source: source.path, destination: server.directory.appendingPathComponent("it's there").path, mode: 0o640,
            sha256: SHA256.hex(of: bytes))
    }

    private var part: String { upload.destination + SSHSession.partSuffix }

    private func bring(_ upload: FileUpload) async throws {
        try await host.upload(upload) { [seen] sent, _ in seen.note(Int(sent)) }
    }

    private func expectWhole() throws {
        #expect(try SHA256.hex(ofFile: upload.destination) == upload.sha256)
        #expect(try FileManager.default.attributesOfItem(atPath: upload.destination)[.posixPermissions] as? Int == 0o640)
        let left = try FileManager.default.contentsOfDirectory(atPath: server.directory.path).filter { $0.contains("homelab-upload") }
        #expect(left == [])
    }

    @Test func whatIsThereIsNotSentAgain() async throws {
        try await bring(upload)
        #expect(seen.values.first == 0)
        try expectWhole()
        let before = seen.values.count
        try await bring(upload)
        #expect(seen.values.count == before)
        try Data([UInt8](repeating: 7, count: bytes.count)).write(to: URL(fileURLWithPath: upload.destination))
        try await bring(upload)
        try expectWhole()
        await host.close()
    }

    @Test func goesOnFromAPartThatIsHowTheFileBegins() async throws {
        try Data(bytes.prefix(2_000_000)).write(to: URL(fileURLWithPath: part))
        try await bring(upload)
        #expect(seen.values.first == 2_000_000)
        try expectWhole()
        await host.close()
    }

    @Test(arguments: [1_000_000, 4_000_000]) func beginsAnewWhenThePartIsOfAnotherFile(size: Int) async throws {
        try Data([UInt8](repeating: 7, count: size)).write(to: URL(fileURLWithPath: part))
        try await bring(upload)
        #expect(seen.values.first == 0)
        try expectWhole()
        await host.close()
    }

    @Test func anInterruptedTransferLeavesAPartToGoOnFrom() async throws {
        let task = Task { [host, upload, seen] in
            try await host.upload(upload) { sent, _ in
                seen.note(Int(sent))
                if sent > 1_000_000 { withUnsafeCurrentTask { $0?.cancel() } }
            }
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(!FileManager.default.fileExists(atPath: upload.destination))
        await host.close()
        try await host.connect()
        let limit = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < limit, (try? Data(contentsOf: URL(fileURLWithPath: part)).count) ?? 0 == 0 {
            try await Task.sleep(for: .milliseconds(20))
        }
        let before = seen.values.count
        try await bring(upload)
        #expect(seen.values[before] > 0)
        try expectWhole()
    }

    @Test func damageIsSeenBeforeTheFileHasItsName() async throws {
        var damaged = upload
        damaged.sha256 = SHA256.hex(of: "another")
        let error = await #expect(throws: Diagnostic.self) { try await bring(damaged) }
        #expect(error?.description.contains("its sha256 is \(upload.sha256), not \(damaged.sha256)") == true)
        #expect(!FileManager.default.fileExists(atPath: upload.destination) && !FileManager.default.fileExists(atPath: part))
        await host.close()
    }
}

/// What progress told, in order.
private final class Sent: Sendable {
    private let list = Mutex<[Int]>([])

    func note(_ bytes: Int) { list.withLock { $0.append(bytes) } }
    var values: [Int] { list.withLock { $0 } }
}
