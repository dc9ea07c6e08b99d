import Git
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// Whatever the repository's trouble is: the last good commit is enforced, and both statuses say what it is and what to do.
@Suite struct SourceTroubleTests {
    let bench = UnitBench()
    private static let repository = ObjectKey(
        group: FluxKinds.gitRepository.group, kind: "GitRepository", namespace: "homelab-system", name: "home")

    private func ready() async -> FluxCondition? {
        FluxConditions(await bench.api.object(Self.repository)?.value[path: "status", "conditions"])["Ready"]
    }

    private func events() async -> [(reason: String, revision: String)] {
        var found: [(reason: String, revision: String)] = []
        for key in await bench.api.keys where key.kind == "Event" {
            guard let event = await bench.api.object(key), event.value[path: "involvedObject", "kind"] == "GitRepository" else { continue }
            found.append((event.value["reason"]?.string ?? "", event.annotation("source.toolkit.fluxcd.io/revision") ?? ""))
        }
        return found
    }

    @Test(arguments: [
        SourceProblem.Kind.unreachable, .timedOut, .diskFull, .corrupt, .authentication, .keyRefused, .untrusted, .repositoryMissing,
        .unverified, .keysMissing,
    ]) func `the last good commit stays enforced`(kind: SourceProblem.Kind) async throws {
        let good = bench.repository.push(Files.app())
        try await bench.run { source in
            try await bench.phase(.ready, at: good)
            try await eventually("the repository is ready") { await ready()?.status == "True" }
            let problem = SourceProblem(kind, "fetch ssh://host/x: in the host's words")
            bench.repository.fail(problem)
            source.wake()
            try await eventually("the GitRepository says so", { await String(describing: ready()) }) { await ready()?.status == "False" }
            #expect(await ready()?.message == "\(problem.message); \(problem.remedy)")
            let artifact = await bench.api.object(Self.repository)?.value[path: "status", "artifact", "revision"]
            #expect(artifact == .string("main@sha1:\(good.id.hex)"))
            try await eventually("the unit says so") { await bench.report()?.source.problem == kind.rawValue }
            await bench.api.remove(Files.configKey)
            try await eventually("what is gone comes back") { await bench.api.object(Files.configKey) != nil }
            bench.repository.fail(nil)
            let next = bench.repository.push(Files.app(title: "two"))
            source.wake()
            try await bench.phase(.ready, at: next)
            try await eventually("all is well") {
                let isReady = await ready()?.status == "True"
                return await bench.report()?.source.problem == "" && isReady
            }
            try await eventually("its events", { "\(await events())" }) {
                let reasons = await events().map(\.reason)
                let words = RepositoryTrouble(problem, isOwn: true).reason
                return reasons.filter { $0 == "NewArtifact" }.count == 2 && reasons.filter { $0 == words }.count == 1
            }
            #expect(await events().last?.revision == "main@sha1:\(next.id.hex)")
        }
    }
}
