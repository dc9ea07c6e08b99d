import FileSystem
import Git
package import KubernetesModel

/// Keeps the mirror current and says when there is a new commit: at once for a repository on this server and when a push is announced,
/// by polling otherwise.
package actor GitSource {
    package nonisolated let state = Shared(SourceState())
    /// When the repository last answered; apart from the state, which wakes every unit that is built from it.
    package nonisolated let lastContact = Shared<Timestamp?>(nil)
    package nonisolated let repository: any RepositorySource
    package nonisolated let trees: CommitTrees
    /// What stands before the `@` of a revision: the branch, the tag.
    package nonisolated let reference: String
    /// Whether each commit has to follow from the one before; a tag or a version may move anywhere.
    package nonisolated let followsBranch: Bool

    private let clock: any AgentClock
    private let pollInterval: Duration
    private nonisolated let bell = Bell()
    private var backoff = Backoff(first: .seconds(2), limit: .seconds(120))

    package init(
        repository: any RepositorySource, clock: any AgentClock, pollInterval: Duration, reference: String = "main",
        ignore: String? = nil, followsBranch: Bool = true
    ) {
        self.repository = repository
        self.reference = reference
        self.followsBranch = followsBranch
        trees = CommitTrees(repository: repository, ignore: ignore)
        self.clock = clock
        self.pollInterval = pollInterval
    }

    /// Look now: somebody pushed.
    package nonisolated func wake() { bell.ring() }

    package func run() async {
        if let mirrored = try? await repository.mirrored() { take(mirrored) }
        await withTaskGroup(of: Void.self) { group in
            if let path = repository.localPath { group.addTask { await self.watchReferences(in: path) } }
            while !Task.isCancelled {
                let wait = await check()
                await bell.wait(until: clock.now + wait, clock: clock)
            }
            group.cancelAll()
        }
    }

    /// One look at the repository; gives the wait until the next.
    private func check() async -> Duration {
        do throws(SourceProblem) {
            let head = try await repository.head()
            if let head {
                if head != state.value.commit?.id, let commit = try await repository.fetch() { take(commit) }
            }
            backoff.reset()
            note(head == nil ? SourceProblem(.branchMissing, "the repository has no \(reference) yet") : nil)
            let now = clock.timestamp
            lastContact.update { $0 = now }
            return pollInterval + pollInterval * Double.random(in: -0.1...0.1)
        } catch {
            if Task.isCancelled { return .zero }
            note(error)
            return backoff.failed()
        }
    }

    private func note(_ problem: SourceProblem?) {
        if state.value.problem != problem { state.update { $0.problem = problem } }
    }

    private func take(_ commit: CommitInfo) {
        guard state.value.commit != commit else { return }
        let now = clock.timestamp
        state.update { state in
            state.commit = commit
            state.lastChange = now
        }
    }

    /// A push to a repository on this server is seen through the kernel, within milliseconds.
    private func watchReferences(in path: String) async {
        while !Task.isCancelled {
            if let changes = try? FileWatch.changes(in: path, subdirectories: ["refs/heads"]) {
                // What came between the last look and the watch is not missed.
                bell.ring()
                for await name in changes where !name.hasSuffix(".lock") { bell.ring() }
            }
            try? await clock.sleep(for: .seconds(5))
        }
    }
}
