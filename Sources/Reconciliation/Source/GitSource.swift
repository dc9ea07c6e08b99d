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

    /// Whose commits are taken, and how often that has changed: a commit may be under examination meanwhile.
    private nonisolated let trust: Shared<(rule: CommitTrust, changes: Int)>
    /// The GitRepository in the newest commit that says who has to sign the agent's own repository.
    nonisolated let signing = Shared<ObjectKey?>(nil)
    /// Whether the commit was taken by this very source, and not from one before it, which may have believed others.
    private var isOwnChoice = false
    /// Whether rules for which files count have been taken.
    private var hasHeeded = false
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
        trust = Shared((.signed(rules.verification.map { [$0] } ?? []), 0))
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
    func heed(ignore: String?) async {
        hasHeeded = true
        if await trees.heed(ignore: ignore) { state.update { $0.ignore = ignore } }
    }

    /// Takes the rules that were in force before, until a commit has been looked at: no unit is to begin with the files that they leave out.
    func begin(ignore: String?) async {
        if !hasHeeded { await heed(ignore: ignore) }
    }

    /// Takes the commit that a person has written on an object, as one that need not contain those before; nil for none.
    nonisolated func take(acceptance commit: String?, of key: ObjectKey) {
        if state.value.accepted[key] != commit { state.update { $0.accept(commit, by: key) } }
    }

    /// Takes what the mirror has, without asking anybody.
    func restore() async {
        guard state.value.commit == nil, let mirrored = try? await repository.mirrored() else { return }
        try? await consider(mirrored, isFirst: true)
    }

    // MARK: Whose commits count

    /// From now on there is no commit until somebody says whose count: what was taken before may be anybody's.
    package func awaitTrust() {
        trust.update { $0 = (.undecided, $0.changes + 1) }
        state.update { state in
            (state.commit, state.signers, state.doubt, state.problem) = (nil, "", "", nil)
            state.isUndecided = true
        }
    }

    /// Whoever has pushed a commit, it is taken.
    package func trustAnybody() async {
        believe(.anybody)
        await judge()
    }

    /// Says whose commits are taken from now on; `judge` is to follow.
    nonisolated func believe(_ rule: CommitTrust) { trust.update { $0 = (rule, $0.changes + 1) } }

    /// Looks at the commit as it has to be signed now. One that was taken stays, whoever signed it.
    /// - Parameter adopted: the one that was taken by the agent before this one.
    func judge(adopted: ObjectID? = nil) async {
        await restore()
        if state.value.commit == nil, let adopted, let commit = try? await repository.info(of: adopted), state.value.commit == nil {
            take(commit, "", nil)
        }
        await doubtTaken()
        if state.value.isUndecided, !trust.value.rule.isUndecided { state.update { $0.isUndecided = false } }
        bell.ring()
    }

    private func doubtTaken() async {
        guard let commit = state.value.commit else { return }
        let changes = trust.value.changes
        var (signed, doubt) = ("", "")
        do throws(SourceProblem) {
            signed = try await signers(of: commit) ?? ""
        } catch {
            doubt = error.kind == .unverified ? error.message : ""
        }
        guard changes == trust.value.changes, state.value.commit == commit else { return }
        guard state.value.signers != signed || state.value.doubt != doubt else { return }
        state.update { [signed, doubt] in ($0.signers, $0.doubt) = (signed, doubt) }
    }

    /// Takes a commit that is signed as it has to be.
    /// - Parameter isFirst: it is taken only where there is none.
    private func consider(_ commit: CommitInfo, isFirst: Bool = false) async throws(SourceProblem) {
        let changes = trust.value.changes
        guard let signers = try await signers(of: commit) else { return }
        let name = try await chosenName()
        // Whoever has changed it looks anew.
        if changes == trust.value.changes, !isFirst || state.value.commit == nil { take(commit, signers, name) }
    }

    /// Who signed a commit that has to be signed; nil while nobody knows whether it has to be.
    /// - Throws: of one that nobody trusted signed, which is left where it is.
    private func signers(of commit: CommitInfo) async throws(SourceProblem) -> String? {
        switch trust.value.rule {
        case .undecided: return nil
        case .nobody(let problem): throw problem
        case .signed(let verifications):
            var texts: [String] = []
            for verification in verifications { texts.append(try await verification.signers(of: commit, in: repository)) }
            return texts.joined(separator: "; ")
        }
    }

    // MARK: Looking

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
        var head: ObjectID?
        do throws(SourceProblem) {
            head = try await repository.head()
            if let head {
                let name = try await chosenName()
                if head != state.value.commit?.id || name != state.value.names.last?.reference {
                    let commit = try await repository.fetch()
                    // Whoever decides whose commits count takes first what was taken before, and looks anew then.
                    if let commit, !state.value.isUndecided { try await consider(commit) }
                } else if !isOwnChoice, let commit = state.value.commit {
                    try await consider(commit)
                }
            }
            try takeInclusions()
            backoff.reset()
            let what = reference.isEmpty ? "commit" : reference
            let refusal = state.value.isUndecided ? nil : trust.value.rule.problem
            let problem = head == nil ? SourceProblem(.branchMissing, "the repository has no \(what) yet") : refusal
            await note(problem, at: head)
            let now = clock.timestamp
            lastContact.update { $0 = now }
            return pollInterval + pollInterval * Double.random(in: -0.1...0.1)
        } catch {
            if Task.isCancelled { return .zero }
            await note(error, at: head)
            return backoff.failed()
        }
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

    private func note(_ problem: SourceProblem?, at head: ObjectID?) async {
        var missed: SourceState.CommitName?
        if let problem, [.diskFull, .corrupt].contains(problem.kind), let head, head != state.value.commit?.id {
            missed = SourceState.CommitName(commit: head, reference: (try? await chosenName()) ?? nil)
        }
        guard state.value.problem != problem || state.value.missed != missed else { return }
        state.update { [missed] in $0.note(problem, missed: missed) }
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

    /// The revision that could not be kept here, where there is one.
    nonisolated var missedRevision: String? {
        state.value.missed.map { KustomizationStatus.revision(of: $0.reference ?? reference, at: $0.commit.hex) }
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
            (state.signers, state.doubt) = (signers, "")
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
