import Git

/// A bare repository on this server that is kept open from one question to the next, and opened anew after a failure, so that one which was
/// replaced is found again.
actor KeptRepository {
    private let path: String
    private var opened: Repository?

    init(path: String) { self.path = path }

    func ask<Answer: Sendable>(
        _ question: @Sendable (Repository) async throws(GitError) -> Answer
    ) async throws(SourceProblem) -> Answer {
        do throws(GitError) {
            let repository: Repository
            if let opened { repository = opened } else { repository = try await Repository(path: path) }
            opened = repository
            return try await question(repository)
        } catch {
            opened = nil
            throw SourceProblem(error)
        }
    }

    /// Its files are not where they were.
    func close() { opened = nil }

    func info(of commit: ObjectID) async throws(SourceProblem) -> CommitInfo {
        try await ask { (repository) async throws(GitError) in try await repository.info(of: commit) }
    }

    func tree(
        of commit: ObjectID, under directories: [String], keeping isKept: @escaping @Sendable (String) -> Bool, reusing old: GitTree?
    ) async throws(SourceProblem) -> GitTree {
        try await ask { (repository) async throws(GitError) in
            try await repository.tree(at: commit, under: directories, keeping: isKept, reusing: old)
        }
    }

    func object(_ id: ObjectID) async throws(SourceProblem) -> StoredObject {
        try await ask { (repository) async throws(GitError) in try await repository.object(id) }
    }

    func isAncestor(_ old: ObjectID, of new: ObjectID) async throws(SourceProblem) -> Bool {
        try await ask { (repository) async throws(GitError) in
            guard try await repository.commit(named: old.hex) != nil else { return false }
            return try await repository.isAncestor(old, of: new)
        }
    }
}
