import Diagnostics
import HomelabTestSupport
import KubernetesModel
import Reconciliation
import Testing
import YAML

@testable import HomelabCLI

/// When `homelab status` calls a cluster healthy.
@Suite struct ClusterSnapshotTests {
    private func text(_ snapshot: ClusterSnapshot) -> String {
        snapshot.text(Console(isTerminal: false, hasColour: false), isWide: false)
    }

    private static func unit(_ name: String, ready: String = "True") -> Manifest {
        Manifest([
            "apiVersion": .string(FluxKinds.kustomization.apiVersion), "kind": "Kustomization",
            "metadata": ["namespace": "default", "name": .string(name)],
            "spec": ["path": .string("./\(name)"), "sourceRef": ["kind": "GitRepository", "name": "home"]],
            "status": ["conditions": [["type": "Ready", "status": .string(ready), "reason": "R", "message": "m"]]],
        ])
    }

    private static func cluster(_ objects: Manifest...) async -> FakeClusterAPI {
        let api = FakeClusterAPI()
        for definition in (try? FluxKinds.definitions) ?? [] { await api.put(definition) }
        for object in objects { await api.put(object) }
        return api
    }

    @Test func `without an agent that leads nothing is called healthy`() async throws {
        var report = StatusReport(unit: "home")
        report.phase = .ready
        let api = await Self.cluster(report.manifest)
        func complaint() async throws -> String { try await ClusterSnapshot(of: api).complaint }
        #expect(try await complaint() == "no agent leads: the Lease homelab-system/homelab-agent is not there")
        for (holder, seconds) in [("", 0), ("m1_1", 300), ("m1_1", -300)] {
            await api.put(LeaseRecord.held(by: holder, age: .seconds(seconds)))
            let snapshot = try await ClusterSnapshot(of: api)
            #expect(!snapshot.isHealthy && snapshot.value["healthy"] == false && snapshot.value["leader"]?["leads"] == false)
            #expect(text(snapshot).contains(snapshot.complaint))
        }
        await api.put(LeaseRecord.held(by: "m1_1", age: .seconds(40)))
        let led = try await ClusterSnapshot(of: api)
        #expect(led.isHealthy && led.value["leader"]?["node"] == "m1", "\(led.complaint)")
        #expect(text(led).contains("\n\nled by m1 since 2026-01-01T00:00:00Z, renewed 4"))
        // That it goes on is nothing to show again; that another one leads is.
        await api.put(LeaseRecord.held(by: "m1_1"))
        let renewed = try await ClusterSnapshot(of: api)
        #expect(renewed.value["leader"]?["renewed"] != led.value["leader"]?["renewed"])
        #expect(renewed.news(since: led) == nil)
        await api.put(LeaseRecord.held(by: "m2_1"))
        #expect(try await ClusterSnapshot(of: api).news(since: renewed) != nil)
        await api.fail(
            .get, kind: LeaseRecord.kind.groupKind, with: ClusterError(.forbidden, subject: "Lease", message: "no right to read it"))
        #expect(try await complaint() == "whether an agent leads cannot be read: Lease: no right to read it")
    }

    @Test func `units that cannot be listed are no units that are well`() async throws {
        var report = StatusReport(unit: "home")
        report.phase = .ready
        let api = await Self.cluster(report.manifest, LeaseRecord.held(by: "m1_1"), Self.unit("app", ready: "False"))
        let refusal = ClusterError(.serverFailure, subject: "Kustomization", message: "the conversion webhook failed")
        await api.fail(.list, kind: FluxKinds.kustomization.groupKind, with: refusal)
        let snapshot = try await ClusterSnapshot(of: api)
        #expect(snapshot.complaint == "the units cannot be listed: Kustomization: the conversion webhook failed")
        let told = text(snapshot)
        #expect(told.contains("error: the units cannot be listed") && snapshot.value["problems"]?.array?.count == 1, "\(told)")
        // Before an agent has led for the first time there is no such kind.
        let bare = FakeClusterAPI(objects: [report.manifest, LeaseRecord.held(by: "m1_1")])
        #expect(try await ClusterSnapshot(of: bare).isHealthy)
    }

    @Test func `what nobody can fetch is not as git says`() async throws {
        var report = StatusReport(unit: "home")
        report.phase = .ready
        func source(_ name: String, _ message: String, isFetched: Bool = false) -> Manifest {
            let ready: Value = ["type": "Ready", "status": "False", "reason": "R", "message": .string(message)]
            let failed: Value = ["type": "FetchFailed", "status": "True", "reason": "R", "message": .string(message)]
            return Manifest([
                "apiVersion": .string(FluxKinds.gitRepository.apiVersion), "kind": "GitRepository",
                "metadata": ["namespace": "default", "name": .string(name)],
                "status": ["conditions": .array(isFetched ? [ready] : [ready, failed])],
            ])
        }
        let api = await Self.cluster(report.manifest, LeaseRecord.held(by: "m1_1"), Self.unit("app"), source("unused", "no such host"))
        #expect(try await ClusterSnapshot(of: api).isHealthy)
        await api.put(source("home", "its spec says something in vain", isFetched: true))
        #expect(try await ClusterSnapshot(of: api).isHealthy)
        await api.put(source("home", "the token has expired"))
        let silent = try await ClusterSnapshot(of: api)
        #expect(silent.complaint.hasSuffix("/default/home: gives no newer commit: the token has expired"), "\(silent.complaint)")
        #expect(text(silent).contains("the token has expired"))
        // The agent's own repository is told by its own unit, whose directory may be that of others, too.
        report.owner = Ownership(namespace: "default", name: "app")
        await api.put(report.manifest)
        #expect(try await ClusterSnapshot(of: api).isHealthy)
        (report.source.problem, report.source.message) = ("Unreachable", "no route to git.example.org")
        await api.put(report.manifest)
        #expect(try await ClusterSnapshot(of: api).complaint == "home: repository: Unreachable: no route to git.example.org")
    }
}

extension LeaseRecord {
    /// As an agent keeps it that gave its last sign of life so long ago.
    static func held(by holder: String, age: Duration = .zero) -> Manifest {
        LeaseRecord(
            holder: holder, durationSeconds: 15, acquireTime: Timestamp("2026-01-01T00:00:00Z"),
            renewTime: SystemClock().timestamp.advanced(by: .zero - age)
        ).manifest(namespace: "homelab-system", name: "homelab-agent")
    }
}
