package import Git

/// A bare repository on this very server: it is its own mirror, and a push to it is seen at once.
package actor LocalRepository: RepositorySource {
    package nonisolated let url: String
    private let branch: String
    /// Kept open; made anew after a failure, so that a repository which was replaced is found again.
    private var opened: Repository?

    package init(path: String, branch: String) {
        url = path
        self.branch = branch
    }

    package nonisolated var localPath: String? { url }

    package func head() async throws(SourceProblem) -> ObjectID? {
        try await ask { (repository, branch) async throws(GitError) in try await repository.commit(named: "refs/heads/" + branch) }
    }

    package func fetch() async throws(SourceProblem) -> CommitInfo? { try await mirrored() }

    package func mirrored() async throws(SourceProblem) -> CommitInfo? {
        try await ask { (repository, branch) async throws(GitError) in
            guard let commit = try await repository.commit(named: "refs/heads/" + branch) else { return nil }
            return try await repository.info(of: commit)
        }
    }

    package func info(of commit: ObjectID) async throws(SourceProblem) -> CommitInfo {
        try await ask { (repository, _) async throws(GitError) in try await repository.info(of: commit) }
    }

    package func tree(of commit: ObjectID, under directories: [String]) async throws(SourceProblem) -> GitTree {
        try await ask { (repository, _) async throws(GitError) in try await repository.tree(at: commit, under: directories) }
    }

    package func followedObject() async throws(SourceProblem) -> ObjectID? {
        try await ask { (repository, branch) async throws(GitError) in try await repository.target(of: "refs/heads/" + branch) }
    }

    package func object(_ id: ObjectID) async throws(SourceProblem) -> StoredObject {
        try await ask { (repository, _) async throws(GitError) in try await repository.object(id) }
    }

    package func isAncestor(_ old: ObjectID, of new: ObjectID) async throws(SourceProblem) -> Bool {
        try await ask { (repository, _) async throws(GitError) in
            guard try await repository.commit(named: old.hex) != nil else { return false }
            return try await repository.isAncestor(old, of: new)
        }
    }

    private func ask<Answer: Sendable>(
        _ question: @Sendable (Repository, String) async throws(GitError) -> Answer
    ) async throws(SourceProblem) -> Answer {
        do throws(GitError) {
            let repository: Repository
            if let opened { repository = opened } else { repository = try await Repository(path: url) }
            opened = repository
            return try await question(repository, branch)
        } catch {
            opened = nil
            throw SourceProblem(error)
        }
    }
}
