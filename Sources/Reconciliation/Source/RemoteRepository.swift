import FileSystem
package import Git

/// A repository elsewhere, followed through a bare mirror on this server. What the mirror has can be read while the remote is away, and a
/// mirror that is damaged is made anew beside the old one, which stays until the new one is whole.
package actor RemoteRepository: RepositorySource {
    package nonisolated let url: String
    private let remote: Remote
    private let followed: FollowedReference
    private let mirror: String
    private let submodules: Submodules?
    private let inUse: CommitsInUse?
    private let packLimit: Int
    private let log: @Sendable (String) -> Void
    /// What the last listing had of what is followed.
    private var target: FollowedReference.Target?
    /// The names of that listing, where it decides among them.
    private var listed: Set<String> = []
    private let store: KeptRepository
    private var renewal: Task<SourceProblem?, Never>?

    /// - Parameters:
    ///   - mirror: a path that is this repository's alone; `.new` and `.old` beside it are used too.
    ///   - submodules: where their commits come from; nil where submodules are left empty.
    ///   - packLimit: how many packs may lie in the mirror before they are put together.
    ///   - inUse: tells what of the commits that were on the branch once is still needed; without it nothing is ever dropped.
    package init(
        transport: any GitTransport, following followed: FollowedReference, mirror: String, limits: RemoteLimits = RemoteLimits(),
        submodules: RemoteCommits? = nil, inUse: CommitsInUse? = nil, packLimit: Int = 50, log: @escaping @Sendable (String) -> Void
    ) {
        remote = Remote(transport: transport, limits: limits)
        self.followed = followed
        self.mirror = mirror
        store = KeptRepository(path: mirror)
        self.submodules = submodules.map { Submodules($0) }
        self.inUse = inUse
        self.packLimit = packLimit
        self.log = log
        url = transport.url
    }

    package nonisolated var localPath: String? { nil }

    package func head() async throws(SourceProblem) -> ObjectID? {
        do throws(GitError) {
            try await look()
            return target?.commit
        } catch {
            throw problem(error)
        }
    }

    private func look() async throws(GitError) {
        let references = try await remote.references()
        target = followed.target(in: references)
        if case .versions = followed { listed = Set(references.map(\.name)) }
    }

    package func chosenReference() async throws(SourceProblem) -> String? {
        guard case .versions = followed else { return nil }
        if let target { return target.names.first }
        guard Files.exists(mirror) else { return nil }
        return try await store.ask { [followed] (repository) async throws(GitError) in try await followed.reference(in: repository) }
    }

    package func fetch() async throws(SourceProblem) -> CommitInfo? {
        while let renewal { _ = await renewal.value }
        // Units may still be at the commit that is left now.
        let left = try? await mirrored()?.id
        do throws(GitError) {
            try restoreInterruptedRenewal()
            guard try await bring(into: mirror) else { return nil }
        } catch  where error.kind == .corrupt {
            try await renew(error)
        } catch {
            throw problem(error)
        }
        await consolidate(besides: left)
        guard let commit = try await mirrored() else {
            let commit = target?.commit.hex ?? ""
            if case .commit(_, nil) = followed {
                throw SourceProblem(.branchMissing, "no branch or tag leads to the commit \(commit)")
            }
            throw SourceProblem(.branchMissing, "the history of \(target?.names.first ?? "what is followed") has no commit \(commit)")
        }
        return commit
    }

    /// Every fetch leaves a pack behind, and every force-push what nobody needs any more: a mirror of years would be thousands of files,
    /// and of any size.
    private func consolidate(besides left: ObjectID?) async {
        do throws(GitError) {
            let repository = try await Repository(path: mirror)
            guard await repository.isScattered(above: packLimit) else { return }
            var kept = await inUse?.commits()
            if let left { kept?.insert(left) }
            guard try await repository.consolidate(keeping: kept) else { return }
            // The objects have other places now.
            await store.close()
        } catch {
            log("the packs of the mirror \(mirror) cannot be put together: \(error)")
        }
    }

    /// False when the remote has nothing of what is followed.
    private func bring(into mirror: String) async throws(GitError) -> Bool {
        if target == nil { try await look() }
        guard let target else { return false }
        if case .commit(let commit, nil) = followed {
            let repository = try await Repository(openingOrMaking: mirror, branch: "main")
            for name in target.names {
                if try await repository.commit(named: commit.hex) != nil { break }
                _ = try await remote.fetch(name, into: mirror)
            }
            return true
        }
        for name in target.names {
            guard try await remote.fetch(name, into: mirror) != nil else { return false }
        }
        if case .versions = followed { try await forgetWithdrawnTags(in: mirror) }
        return true
    }

    /// A version that was withdrawn must not be the highest any more.
    private func forgetWithdrawnTags(in mirror: String) async throws(GitError) {
        let repository = try await Repository(path: mirror)
        for tag in try await repository.tags() where !listed.contains("refs/tags/" + tag) { try await repository.removeTag(tag) }
    }

    package func mirrored() async throws(SourceProblem) -> CommitInfo? {
        do throws(GitError) { try restoreInterruptedRenewal() } catch { throw SourceProblem(error) }
        guard Files.exists(mirror) else { return nil }
        return try await store.ask { [followed] (repository) async throws(GitError) in
            guard let commit = try await followed.commit(in: repository) else { return nil }
            return try await repository.info(of: commit)
        }
    }

    package func info(of commit: ObjectID) async throws(SourceProblem) -> CommitInfo {
        try await store.info(of: commit)
    }

    package func tree(
        of commit: ObjectID, under directories: [String], keeping isKept: @escaping @Sendable (String) -> Bool, reusing old: GitTree?
    ) async throws(SourceProblem) -> GitTree {
        let tree = try await files(of: commit, under: directories, keeping: isKept, reusing: old)
        guard let submodules else { return tree }
        let list = try await files(of: commit, under: [".gitmodules"], keeping: { _ in true }, reusing: nil).text(".gitmodules") ?? ""
        return try await submodules.filled(tree, file: list, of: url, keeping: isKept, reusing: old)
    }

    private func files(
        of commit: ObjectID, under directories: [String], keeping isKept: @escaping @Sendable (String) -> Bool, reusing old: GitTree?
    ) async throws(SourceProblem) -> GitTree {
        do throws(SourceProblem) {
            return try await store.tree(of: commit, under: directories, keeping: isKept, reusing: old)
        } catch  where error.kind == .corrupt {
            try await renew(GitError(.corrupt, operation: "read the mirror", message: error.message))
            return try await store.tree(of: commit, under: directories, keeping: isKept, reusing: old)
        }
    }

    package func followedObject() async throws(SourceProblem) -> ObjectID? {
        try await store.ask { [followed] (repository) async throws(GitError) in
            guard let name = try await followed.reference(in: repository) else { return nil }
            return try await repository.target(of: name)
        }
    }

    package func object(_ id: ObjectID) async throws(SourceProblem) -> StoredObject {
        try await store.object(id)
    }

    package func isAncestor(_ old: ObjectID, of new: ObjectID) async throws(SourceProblem) -> Bool {
        try await store.isAncestor(old, of: new)
    }

    /// What speaking with the remote met: what is not found there is the repository, and what ssh refuses is the key.
    private func problem(_ error: GitError) -> SourceProblem {
        switch error.kind {
        case .notFound: SourceProblem(.repositoryMissing, error.description)
        case .authentication where url.hasPrefix("ssh://"): SourceProblem(.keyRefused, error.description)
        default: SourceProblem(error)
        }
    }

    // MARK: A damaged mirror

    /// Makes the mirror anew; whoever finds the damage while that is under way waits for it.
    private func renew(_ damage: GitError) async throws(SourceProblem) {
        let task = renewal ?? Task { await self.makeAnew(damage) }
        renewal = task
        let problem = await task.value
        if renewal == task { renewal = nil }
        if let problem { throw problem }
    }

    private func makeAnew(_ damage: GitError) async -> SourceProblem? {
        log("the mirror \(mirror) is damaged and is made anew: \(damage)")
        let (new, old) = (mirror + ".new", mirror + ".old")
        do {
            try Files.removeTree(new)
            _ = try await bring(into: new)
            // Nothing else runs on this actor until the new one is in its place.
            try Files.removeTree(old)
            if Files.exists(mirror) { try Files.move(mirror, to: old) }
            try Files.move(new, to: mirror)
            await store.close()
            try Files.removeTree(old)
            return nil
        } catch {
            try? Files.removeTree(new)
            return SourceProblem(.corrupt, "\(damage); it cannot be made anew now: \(error)")
        }
    }

    /// A renewal that was cut between its two renames has left a whole new mirror beside the place of the old.
    private func restoreInterruptedRenewal() throws(GitError) {
        guard !Files.exists(mirror), Files.exists(mirror + ".old"), Files.exists(mirror + ".new") else { return }
        do throws(FileError) {
            try Files.move(mirror + ".new", to: mirror)
        } catch {
            throw GitError(.other, operation: "put the mirror in its place", message: "\(error)")
        }
    }
}
