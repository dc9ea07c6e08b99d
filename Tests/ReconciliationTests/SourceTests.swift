import Foundation
import Git
import KubernetesModel
import Testing

@testable import Reconciliation

@Suite struct SourceTests {
    private func running(_ source: GitSource, _ body: () async throws -> Void) async rethrows {
        let task = Task { await source.run() }
        do {
            try await body()
        } catch {
            task.cancel()
            await task.value
            throw error
        }
        task.cancel()
        await task.value
    }

    @Test func `a poll that finds nothing new is one listing, and no fetch`() async throws {
        let (repository, clock) = (MemoryRepository(), ManualClock())
        let commit = repository.push(["a": "1"])
        let source = GitSource(repository: repository, clock: clock, pollInterval: .seconds(30))
        try await running(source) {
            try await eventually("the first look") { clock.sleeperCount == 1 }
            #expect(source.state.value.commit == commit)
            let before = (repository.listings, repository.fetches)
            clock.advance(by: .seconds(34))
            try await eventually("the second look") { repository.listings == before.0 + 1 && clock.sleeperCount == 1 }
            #expect(repository.fetches == before.1)
            let next = repository.push(["a": "2"])
            source.wake()
            try await eventually("the push is seen") { source.state.value.commit == next }
        }
    }

    @Test func `what a commit shares with the one before is in memory once`() async throws {
        let repository = MemoryRepository()
        let (first, second) = (repository.push(["a": "1"]), repository.push(["a": "1", "b": "2"]))
        let trees = CommitTrees(repository: repository, rules: SourceRules(), inclusions: Shared([]))
        _ = try await trees.files(of: first.id)
        #expect(repository.reused.isEmpty)
        _ = try await trees.files(of: second.id)
        #expect(repository.reused == [first.id])
    }

    @Test func `a commit that is too large is not read again before there are other rules`() async throws {
        let repository = MemoryRepository()
        let commit = repository.push(["a": "1"])
        repository.fail(SourceProblem(.tooLarge, "its files are larger than 64 MiB together"), readingFilesOf: commit)
        let trees = CommitTrees(repository: repository, rules: SourceRules(), inclusions: Shared([]))
        for _ in 0..<3 { await #expect(throws: SourceProblem.self) { try await trees.files(of: commit.id) } }
        #expect(repository.reads == [commit.id])
        repository.fail(nil, readingFilesOf: commit)
        #expect(await trees.heed(ignore: "/b"))
        #expect(try await trees.files(of: commit.id).tree.text("a") == "1")
    }

    @Test func `trouble is told, the last commit stays, and the waits grow`() async throws {
        let (repository, clock) = (MemoryRepository(), ManualClock())
        let commit = repository.push(["a": "1"])
        let source = GitSource(repository: repository, clock: clock, pollInterval: .seconds(30))
        try await running(source) {
            try await eventually("the first look") { clock.sleeperCount == 1 }
            repository.fail(SourceProblem(.authentication, "permission denied (publickey)"))
            source.wake()
            try await eventually("it is told") { source.state.value.problem?.kind == .authentication }
            #expect(source.state.value.commit == commit)
            try await eventually("it waits") { clock.sleeperCount == 1 }
            let before = repository.listings
            clock.advance(by: .seconds(3))
            try await eventually("it tries again") { repository.listings == before + 1 && clock.sleeperCount == 1 }
            clock.advance(by: .seconds(3))
            #expect(repository.listings == before + 1)
            repository.fail(nil)
            source.wake()
            try await eventually("it is well") { source.state.value.problem == nil }
        }
    }

    @Test func `while nobody has said whose commits count there is none, and what was taken before is nobody's`() async throws {
        let (repository, clock) = (MemoryRepository(), ManualClock())
        let first = repository.push(["a": "1"])
        let source = GitSource(repository: repository, clock: clock, pollInterval: .seconds(30))
        try await running(source) {
            try await eventually("the first look") { source.state.value.commit == first }
            await source.awaitTrust()
            #expect(source.state.value.commit == nil && source.state.value.isUndecided)
            let second = repository.push(["a": "2"])
            let look = source.ask()
            try await eventually("it is looked at") { source.answered.value >= look }
            #expect(source.state.value.commit == nil && source.state.value.problem == nil)
            let problem = SourceProblem(.keysMissing, "there is no Secret")
            source.believe(.nobody(problem))
            await source.judge(adopted: first.id)
            #expect(source.state.value.commit == first && !source.state.value.isUndecided)
            try await eventually("it is told") { source.state.value.problem == problem }
            #expect(source.state.value.commit == first)
            await source.trustAnybody()
            try await eventually("the newest is taken") { source.state.value.commit == second && source.state.value.problem == nil }
        }
    }

    /// The system's git pushes into a bare repository that is followed: no poll is due for an hour.
    @Test func `a push to a repository on this machine is seen at once`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("homelab-source-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (bare, work) = (folder.path + "/home.git", folder.path + "/work")
        _ = try await Repository(openingOrMaking: bare, branch: "main")
        try git("init", "-q", "-b", "main", work)
        let source = GitSource(repository: LocalRepository(path: bare, branch: "main"), clock: SystemClock(), pollInterval: .seconds(3600))
        try await running(source) {
            try await eventually("the missing branch is told") { source.state.value.problem?.kind == .branchMissing }
            for round in 1...2 {
                try "round \(round)\n".write(toFile: work + "/file", atomically: true, encoding: .utf8)
                try git("-C", work, "add", "file")
                try git("-C", work, "commit", "-q", "-m", "Round \(round)")
                try git("-C", work, "push", "-q", bare, "main")
                try await eventually("round \(round)") { source.state.value.commit?.summary == "Round \(round)" }
            }
            #expect(source.state.value.problem == nil)
        }
    }

    private func git(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"] + arguments
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "git \(arguments)")
    }
}
