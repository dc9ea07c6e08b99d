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
    /// What is followed: the branch, the tag, the range of versions; empty for a commit of any branch.
    package nonisolated let reference: String
    /// Whether each commit has to follow from the one before; a tag or a version may move anywhere.
    package nonisolated let followsBranch: Bool

    /// What other repositories add to the tree.
    nonisolated let inclusions = Shared<[SourceInclusion]>([])

    /// How many looks were asked for, and how many of these requests have been answered by one that began later.
    private nonisolated let asked = Shared(0)
    nonisolated let answered = Shared(0)

    private let verification: CommitVerification?
    /// Whether the commit was taken by this very source, and not from one before it, which may have believed others.
    private var isOwnChoice = false
    private let clock: any AgentClock
    private let pollInterval: Duration
    /// Rung for a look now; those whose state matters here ring it too.
    nonisolated let bell = Bell()
    private var backoff = Backoff(first: .seconds(2), limit: .seconds(120))

    package init(
        repository: any RepositorySource, clock: any AgentClock, pollInterval: Duration, reference: String = "main",
        rules: SourceRules = SourceRules(), followsBranch: Bool = true
    ) {
        self.repository = repository
        self.reference = reference
        self.followsBranch = followsBranch
        verification = rules.verification
        trees = CommitTrees(repository: repository, rules: rules, inclusions: inclusions)
        self.clock = clock
        self.pollInterval = pollInterval
    }

    /// Look now: somebody pushed.
    package nonisolated func wake() { bell.ring() }

    /// Asks for a look now; gives the count that `answered` has reached when it is over.
    nonisolated func ask() -> Int {
        asked.update { $0 += 1 }
        let count = asked.value
        bell.ring()
        return count
    }

    /// Takes rules for which files count, and lets all units know that have used others.
    /// - Returns: Whether they are others than before, so that the files have to be read anew.
    func heed(ignore: String?) async -> Bool {
        guard await trees.heed(ignore: ignore) else { return false }
        state.update { $0.ignore = ignore }
        return true
    }

    /// Takes the commit that a person has written on an object, as one that need not contain those before; nil for none.
    nonisolated func take(acceptance commit: String?, of key: ObjectKey) {
        if state.value.accepted[key] != commit { state.update { $0.accept(commit, by: key) } }
    }

    /// Takes what the mirror has, without asking anybody.
    func restore() async {
        if state.value.commit == nil, let mirrored = try? await repository.mirrored(), let signers = try? await signers(of: mirrored) {
            take(mirrored, signers, try? await chosenName())
        }
    }

    package func run() async {
        await restore()
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
        let count = asked.value
        defer { if answered.value < count { answered.update { $0 = count } } }
        do throws(SourceProblem) {
            let head = try await repository.head()
            if let head {
                let name = try await chosenName()
                if head != state.value.commit?.id || name != state.value.names.last?.reference {
                    if let commit = try await repository.fetch() { take(commit, try await signers(of: commit), try await chosenName()) }
                } else if !isOwnChoice, let commit = state.value.commit {
                    take(commit, try await signers(of: commit), name)
                }
            }
            try takeInclusions()
            backoff.reset()
            let what = reference.isEmpty ? "commit" : reference
            note(head == nil ? SourceProblem(.branchMissing, "the repository has no \(what) yet") : nil)
            let now = clock.timestamp
            lastContact.update { $0 = now }
            return pollInterval + pollInterval * Double.random(in: -0.1...0.1)
        } catch {
            if Task.isCancelled { return .zero }
            note(error)
            return backoff.failed()
        }
    }

    /// Who signed a commit that has to be signed; a commit that nobody trusted signed is left where it is.
    private func signers(of commit: CommitInfo) async throws(SourceProblem) -> String {
        try await verification?.signers(of: commit, in: repository) ?? ""
    }

    private func takeInclusions() throws(SourceProblem) {
        var commits: [CommitInfo] = []
        for inclusion in inclusions.value { commits += try inclusion.commits() }
        guard commits != state.value.included else { return }
        let now = clock.timestamp
        state.update { [commits] state in
            state.included = commits
            state.lastChange = now
        }
    }

    private func note(_ problem: SourceProblem?) {
        if state.value.problem != problem { state.update { $0.problem = problem } }
    }

    /// The tag that a range of versions stands for.
    private func chosenName() async throws(SourceProblem) -> String? {
        let prefix = "refs/tags/"
        return try await repository.chosenReference().map { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
    }

    /// The revision of a commit, as Flux writes it: `main@sha1:…`, `v1.4.2@sha1:…`, `sha1:…`.
    nonisolated func revision(of commit: String) -> String {
        let name = state.value.names.last { $0.commit.hex == commit } ?? state.value.names.last
        return KustomizationStatus.revision(of: name?.reference ?? reference, at: commit)
    }

    /// Whether it is known how a commit was called when it came; not of those before the agent was started.
    nonisolated func hasName(of commit: String) -> Bool { state.value.names.contains { $0.commit.hex == commit } }

    private func take(_ commit: CommitInfo, _ signers: String, _ name: String?) {
        isOwnChoice = true
        guard state.value.commit != commit || state.value.signers != signers || state.value.names.last?.reference != name else { return }
        let now = clock.timestamp
        state.update { state in
            state.commit = commit
            state.name(commit.id, name)
            state.signers = signers
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
