package import Git

/// A bare repository on this very server: it is its own mirror, and a push to it is seen at once.
package struct LocalRepository: RepositorySource {
    package let url: String
    private let reference: String
    private let store: KeptRepository

    package init(path: String, branch: String) {
        url = path
        reference = "refs/heads/" + branch
        store = KeptRepository(path: path)
    }

    package var localPath: String? { url }

    package func head() async throws(SourceProblem) -> ObjectID? {
        try await store.ask { (repository) async throws(GitError) in try await repository.commit(named: reference) }
    }

    package func fetch() async throws(SourceProblem) -> CommitInfo? { try await mirrored() }

    package func mirrored() async throws(SourceProblem) -> CommitInfo? {
        try await store.ask { (repository) async throws(GitError) in
            guard let commit = try await repository.commit(named: reference) else { return nil }
            return try await repository.info(of: commit)
        }
    }

    package func followedObject() async throws(SourceProblem) -> ObjectID? {
        try await store.ask { (repository) async throws(GitError) in try await repository.target(of: reference) }
    }

    package func info(of commit: ObjectID) async throws(SourceProblem) -> CommitInfo { try await store.info(of: commit) }

    package func tree(
        of commit: ObjectID, under directories: [String], keeping isKept: @escaping @Sendable (String) -> Bool, reusing old: GitTree?
    ) async throws(SourceProblem) -> GitTree {
        try await store.tree(of: commit, under: directories, keeping: isKept, reusing: old)
    }

    package func object(_ id: ObjectID) async throws(SourceProblem) -> StoredObject { try await store.object(id) }

    package func isAncestor(_ old: ObjectID, of new: ObjectID) async throws(SourceProblem) -> Bool {
        try await store.isAncestor(old, of: new)
    }
}
