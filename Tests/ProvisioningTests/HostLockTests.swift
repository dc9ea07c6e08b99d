import Diagnostics
import Foundation
import Testing

@testable import Provisioning

/// Runs the lock's own scripts against a lock file in a folder of their own.
@Suite struct HostLockTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "homelab-lock-\(UUID().uuidString)")
    private var file: URL { folder.appending(path: "lock") }

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }

    private func sh(_ script: String) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script.replacingOccurrences(of: HostLock.path, with: file.path)]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    @Test func secondRunIsToldWhoHoldsIt() throws {
        #expect(try sh(HostLock.acquire(run: "r1", owner: "alice@laptop, homelab bootstrap")).status == 0)
        let refused = try sh(HostLock.acquire(run: "r2", owner: "bob@desk"))
        #expect(refused.status == HostLock.heldStatus)
        let owner = try #require(HostLock.owner(in: refused.output))
        #expect(owner.owner == "alice@laptop, homelab bootstrap")
        #expect(HostLock.held(node: "m1", by: owner).description.contains("alice@laptop, homelab bootstrap, since 20"))
        try FileManager.default.removeItem(at: folder)
    }

    @Test func sameRunTakesItAgainAndReleasesIt() throws {
        #expect(try sh(HostLock.acquire(run: "r1", owner: "a")).status == 0)
        #expect(try sh(HostLock.acquire(run: "r1", owner: "a")).status == 0)
        #expect(try sh(HostLock.renew(run: "r1")).status == 0)
        #expect(try sh(HostLock.renew(run: "r2")).status != 0)
        #expect(try sh(HostLock.release(run: "r2")).status == 0)
        #expect(FileManager.default.fileExists(atPath: file.path))
        #expect(try sh(HostLock.release(run: "r1")).status == 0)
        #expect(!FileManager.default.fileExists(atPath: file.path))
        try FileManager.default.removeItem(at: folder)
    }

    /// One that is cut off goes on there while its run gives the lock back.
    @Test func aHeartbeatThatTheReleaseOvertakesLeavesNoLock() throws {
        let overtaken = #"head() { command head "$@"; rm -f \#(HostLock.path); }; "#
        for script in [HostLock.renew(run: "r1"), HostLock.acquire(run: "r1", owner: "a")] {
            #expect(try sh(HostLock.acquire(run: "r1", owner: "a")).status == 0)
            _ = try sh(overtaken + script)
            #expect(!FileManager.default.fileExists(atPath: file.path))
        }
        try FileManager.default.removeItem(at: folder)
    }

    @Test func aHolderThatMissedAHeartbeatIsKnown() throws {
        #expect(try sh(HostLock.acquire(run: "r1", owner: "a")).status == 0)
        let old = Date(timeIntervalSinceNow: -Double(HostLock.suspectAfter) - 5)
        try FileManager.default.setAttributes([.modificationDate: old], ofItemAtPath: file.path)
        let refused = try sh(HostLock.acquire(run: "r2", owner: "b"))
        #expect(refused.status == HostLock.heldStatus)
        #expect(try #require(HostLock.owner(in: refused.output)).idle > HostLock.suspectAfter)
        try FileManager.default.removeItem(at: folder)
    }

    /// A clock that was put forward makes a live holder's lock look old, one that was put back a dead one's look new.
    @Test(arguments: [-3600.0, 3600.0]) func aClockThatWasPutDecidesNothing(_ offset: Double) async throws {
        func put() throws {
            try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: offset)], ofItemAtPath: file.path)
        }
        #expect(try sh(HostLock.acquire(run: "r1", owner: "a")).status == 0)
        try put()
        let heart = Task {
            try? await Task.sleep(for: .seconds(HostLock.watchFor / 2))
            _ = try? sh(HostLock.renew(run: "r1"))
        }
        #expect(try sh(HostLock.acquire(run: "r2", owner: "b")).status == HostLock.heldStatus, "it gave a sign of life")
        await heart.value
        try put()
        let taken = try sh(HostLock.acquire(run: "r2", owner: "b"))
        #expect(taken.status == 0 && taken.output == "r1\n", "whose it was is told")
        try FileManager.default.removeItem(at: folder)
    }

    @Test func deadRunsLockIsTakenOver() throws {
        #expect(try sh(HostLock.acquire(run: "r1", owner: "a")).status == 0)
        let old = Date(timeIntervalSinceNow: -Double(HostLock.staleAfter) - 5)
        try FileManager.default.setAttributes([.modificationDate: old], ofItemAtPath: file.path)
        #expect(try sh(HostLock.acquire(run: "r2", owner: "b")).status == 0)
        #expect(try sh(HostLock.renew(run: "r2")).status == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["lock"])
        try FileManager.default.removeItem(at: folder)
    }
}
