import Git
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// What many units cost: never a time, always a number of requests, builds or looks.
extension UnitsTests {
    private func files(_ count: Int) -> [String: String] {
        var files: [String: String] = [:]
        for number in 0..<count {
            files["clusters/home/\(number).yaml"] = Self.unit("u\(number)", path: "apps/\(number)", more: "wait: true")
            files["apps/\(number)/one.yaml"] = Files.config("one", name: "one-\(number)", namespace: "default")
            files["apps/\(number)/two.yaml"] = Files.config("two", name: "two-\(number)", namespace: "default")
        }
        return files
    }

    private func awaitAll(_ count: Int, at commit: CommitInfo) async throws {
        for number in 0..<count { try await awaitReady("u\(number)", at: commit) }
        try await bench.phase(.ready, at: commit)
    }

    @Test func `a unit costs its objects, two statuses and its own definition, whatever the number of units`() async throws {
        let count = 12
        let commit = bench.repository.push(files(count))
        try await bench.run { _ in
            try await awaitAll(count, at: commit)
            let requests = await bench.api.requests
            for number in 0..<count {
                let own = requests.filter { $0.name == "u\(number)" && $0.kind == FluxKinds.kustomization }
                #expect(own.count { $0.verb == .apply } == 1 && own.count { $0.verb == .patch } <= 2 && own.count <= 3, "\(own)")
                for name in ["one-\(number)", "two-\(number)"] { #expect(requests.count { $0.name == name && $0.verb != .create } == 1) }
            }
            // Lists and watches are one for each kind, besides the look at who has to sign before a commit is taken; an Event is all else.
            for (verb, kinds) in [(FakeClusterAPI.Verb.list, 7), (.watch, 6)] {
                let asked = requests.filter { $0.verb == verb }
                // A root unit that comes before the definitions are there waits for them.
                let definitions = asked.count { $0.kind.kind == "CustomResourceDefinition" }
                #expect(asked.count - definitions <= kinds && definitions <= 1, "\(verb): \(asked.map { "\($0.kind) \($0.namespace)" })")
            }
        }
    }

    @Test func `requests that get no answer keep back none of the unit's other objects`() async throws {
        let (clock, isHanging) = (ForwardClock(), Shared(true))
        var bench = bench
        bench.clock = clock
        var files = ["clusters/home/a.yaml": Self.unit("a", path: "a"), "a/z.yaml": Files.config("z", name: "z", namespace: "default")]
        // More than are sent at the same time.
        for number in 0..<20 {
            files["a/\(number).yaml"] = Files.config("hung", name: "hung-\(number)", namespace: "default")
            await bench.api.during(.apply, name: "hung-\(number)") { _ in
                while isHanging.value, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(2)) }
            }
        }
        let commit = bench.repository.push(files)
        try await bench.run { _ in
            try await eventually("the others' turn, which the clock brings") {
                clock.advance(by: .seconds(2))
                return await bench.api.object(Self.config("z")) != nil
            }
            for number in 0..<20 { #expect(await bench.api.object(Self.config("hung-\(number)")) == nil) }
            isHanging.update { $0 = false }
            try await awaitReady("a", at: commit)
        }
    }

    @Test func `units that get no answer, more than have a turn at the same time, keep back no other unit`() async throws {
        let (isHanging, hung) = (Shared(true), Shared(0))
        var files: [String: String] = [:]
        for number in 0..<20 {
            files["clusters/home/\(number).yaml"] = Self.unit("u\(number)", path: "apps/\(number)")
            files["apps/\(number)/hung.yaml"] = Files.config("hung", name: "hung-\(number)", namespace: "default")
            await bench.api.during(.apply, name: "hung-\(number)") { _ in
                hung.update { $0 += 1 }
                while isHanging.value, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(2)) }
            }
        }
        bench.repository.push(files)
        try await bench.run { source in
            try await eventually("all turns are taken") { hung.value >= 16 }
            files["clusters/home/well.yaml"] = Self.unit("well", path: "apps/well")
            files["apps/well/one.yaml"] = Files.config("one", name: "one", namespace: "default")
            let second = bench.repository.push(files)
            source.wake()
            try await awaitReady("well", at: second)
            isHanging.update { $0 = false }
            for number in 0..<20 { try await awaitReady("u\(number)", at: second) }
        }
    }

    @Test func `a push that changes one unit builds and sends that one alone`() async throws {
        let count = 12
        var files = files(count)
        let first = bench.repository.push(files)
        try await bench.run { source in
            try await awaitAll(count, at: first)
            bench.built.update { $0 = [] }
            await bench.api.forgetRequests()
            let descents = bench.repository.descents
            files["apps/7/one.yaml"] = Files.config("changed", name: "one-7", namespace: "default")
            let second = bench.repository.push(files)
            source.wake()
            try await awaitAll(count, at: second)
            #expect(bench.built.value == ["apps/7"])
            #expect(bench.repository.descents == descents + 1)
            let requests = await bench.api.requests
            let applies = requests.filter { $0.verb == .apply && $0.kind.kind == "ConfigMap" && $0.namespace == "default" }
            #expect(applies.map(\.name) == ["one-7"])
            for number in 0..<count { #expect(requests.count { $0.name == "u\(number)" && $0.verb == .patch } == 1) }
        }
    }

    @Test func `of a large unit only what changed is looked at, and what has to be done is done`() async throws {
        let count = StatusReport.objectLimit + 20
        var files = ["clusters/home/namespace.yaml": Files.namespace, "clusters/home/app.yaml": Files.deployment()]
        for number in 0..<count { files["clusters/home/\(number).yaml"] = Files.config("one", name: "c\(number)") }
        let commit = bench.repository.push(files)
        func key(_ number: Int) -> ObjectKey { ObjectKey(group: "", kind: "ConfigMap", namespace: "web", name: "c\(number)") }
        try await bench.run { source in
            try await eventually("the Deployment") { await bench.api.object(Files.deploymentKey) != nil }
            await bench.api.setStatus(Files.deploymentKey, Files.running(1))
            try await bench.phase(.ready, at: commit)
            // Its health comes and goes.
            let glances = bench.monitor.value.glances
            await bench.api.setStatus(Files.deploymentKey, ["observedGeneration": 1, "replicas": 1, "unavailableReplicas": 1])
            try await bench.phase(.unhealthy)
            let report = try #require(await bench.report())
            #expect(report.objectCount == count + 2 && report.healthCounts == [.current: count + 1, .inProgress: 1], "\(report)")
            #expect(report.objects.map(\.key) == [Files.deploymentKey])
            await bench.api.setStatus(Files.deploymentKey, Files.running(1))
            try await bench.phase(.ready)
            #expect(bench.monitor.value.glances > glances)
            // What takes more than a look is not missed.
            await bench.api.edit(key(7)) { $0["data"] = ["title": "by hand"] }
            try await eventually("the title is back") { await bench.api.object(key(7))?.value[path: "data", "title"] == "one" }
            await bench.api.remove(key(8))
            try await eventually("it is back") { await bench.api.object(key(8)) != nil }
            files["clusters/home/9.yaml"] = nil
            let second = bench.repository.push(files)
            source.wake()
            try await bench.phase(.ready, at: second)
            try await eventually("it is gone") { await bench.api.object(key(9)) == nil }
            try await eventually("it is not counted") { await bench.report()?.objectCount == count + 1 }
        }
    }

    @Test func `a look at the repository that finds nothing new wakes nobody`() async throws {
        let commit = bench.repository.push(files(1))
        let source = GitSource(repository: bench.repository, clock: SystemClock(), pollInterval: .seconds(3600))
        let running = Task { await source.run() }
        try await eventually("a first look") { source.lastContact.value != nil && source.state.value.commit == commit }
        let (bell, contact) = (Bell(), source.lastContact.value)
        source.state.attach(bell)
        source.wake()
        try await eventually("a second look") { source.lastContact.value != contact }
        let listening = Task {
            await bell.wait()
            return !Task.isCancelled
        }
        try await Task.sleep(for: .milliseconds(20))
        listening.cancel()
        #expect(await listening.value == false)
        running.cancel()
        await running.value
    }
}
