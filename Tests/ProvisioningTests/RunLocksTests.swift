import Diagnostics
import NodePlanning
import Synchronization
import Testing

@testable import Provisioning

/// A machine that takes heartbeats and ends none of them.
private final class SilentHost: CommandHost {
    let name = "m1"
    /// What the heartbeats were given.
    let limits = Mutex<[Duration]>([])

    func run(_ command: RemoteCommand) async throws -> CommandResult {
        guard command.argv.joined().contains("&& touch") else { return CommandResult(exitStatus: 0) }
        limits.withLock { $0.append(command.limit ?? .zero) }
        try await Task.sleep(for: .seconds(3600))
        throw HostError.silent(node: name, after: .seconds(3600))
    }
}

/// The heartbeats of what a run holds.
@Suite struct RunLocksTests {
    private static let other = FakeHost.Answer.held("r9\nbob@desk\n2026-11-24T04:10:00Z\n2\n")

    private let recorder: RunRecorder

    init() throws { recorder = try RunRecorder(folder: nil, forward: { _ in }) }

    private func locks(_ hosts: [any Host]) -> NodeLocks {
        NodeLocks(hosts: hosts, run: "r1", owner: "alice", recorder: recorder, heartbeatEvery: .milliseconds(5))
    }

    private static func beats(_ host: FakeHost) -> Int { host.log.count { $0.contains("&& touch") } }

    private static func hearsBeats(of host: FakeHost) async -> Bool {
        await shielded {
            let enough = beats(host) + 3
            let deadline = ContinuousClock.now + .seconds(60)
            while beats(host) < enough, .now < deadline { try? await Task.sleep(for: .milliseconds(5)) }
            return beats(host) >= enough
        }
    }

    /// Work that is stopped may still bring k3s back, for minutes.
    @Test func whatIsStoppedKeepsItsLocksUntilItHasReturned() async throws {
        let host = FakeHost("m1").withLocks()
        let locks = locks([host])
        let run = Task {
            try await RunLocks(machines: locks, lease: nil).holding {
                while !Task.isCancelled { try? await Task.sleep(for: .milliseconds(5)) }
                return await Self.hearsBeats(of: host)
            }
        }
        while Self.beats(host) == 0 { await Task.yield() }
        run.cancel()
        let isKept = try await run.value
        #expect(isKept)
        #expect(host.log.last?.contains("rm -f /run/homelab.lock") == true, "no heartbeat comes after it")
    }

    @Test func whatIsLostStopsTheWorkAndWaitsForNoOtherHeartbeat() async throws {
        let host = FakeHost("m1").on("&& touch", .fails("")).on("lock=/run/homelab.lock", .ok(), Self.other).withLocks()
            .on("get lease", .fails("connection refused"))
        let lease = ClusterLease(cluster: "home", servers: [host], run: "r1", owner: "alice", recorder: recorder)
        let run = RunLocks(machines: locks([host]), lease: lease)
        let lost = await #expect(throws: Diagnostics.self) {
            try await run.holding { try await Task.sleep(for: .seconds(3600)) }
        }
        #expect(lost?.all.map(\.cause) == ["bob@desk"], "\(lost?.description ?? "")")
    }

    @Test func aMachineThatHangsOrIsLostEndsNoOthersHeartbeat() async throws {
        let lost = FakeHost("m2").on("&& touch", .ok(), .fails("")).on("lock=/run/homelab.lock", .ok(), Self.other).withLocks()
        let host = FakeHost("m3").withLocks()
        let isKept = Mutex(false)
        let error = await #expect(throws: Diagnostics.self) {
            try await RunLocks(machines: locks([SilentHost(), lost, host]), lease: nil).holding {
                while !Task.isCancelled { try? await Task.sleep(for: .milliseconds(5)) }
                let isBeating = await Self.hearsBeats(of: host)
                isKept.withLock { $0 = isBeating }
            }
        }
        #expect(error?.all.map(\.subject) == [#"node "m2""#])
        #expect(isKept.withLock { $0 })
    }

    @Test func aHeartbeatThatIsNotAnsweredIsGivenUp() async throws {
        let silent = SilentHost()
        let locks = locks([silent])
        let renewal = Task { await locks.renew(silent) }
        while silent.limits.withLock({ $0.isEmpty }) { await Task.yield() }
        renewal.cancel()
        let lost = await renewal.value
        #expect(lost == nil)
        let limits = silent.limits.withLock { $0 }
        #expect(limits == [Duration.seconds(20)])
    }
}
