import KubernetesModel
import Synchronization

@testable import Git
@testable import Reconciliation

/// A repository of commits held in memory; a test pushes, rewrites and takes the network away.
final class MemoryRepository: RepositorySource {
    private struct State {
        var commits: [ObjectID: (info: CommitInfo, tree: GitTree)] = [:]
        var head: ObjectID?
        var problem: SourceProblem?
        var fetchProblem: SourceProblem?
        var unreadable: [ObjectID: SourceProblem] = [:]
        var listings = 0
        var fetches = 0
        var descents = 0
        var reads: [ObjectID] = []
        var reused: [ObjectID] = []
        private var blobs: [String: ObjectID] = [:]

        mutating func blob(_ text: String) -> ObjectID {
            let digits = String(blobs.count, radix: 16)
            let id = blobs[text] ?? ObjectID(String(repeating: "b", count: 32) + String(repeating: "0", count: 8 - digits.count) + digits)
            blobs[text] = id
            return id ?? .zero
        }
    }

    private let state = Mutex(State())
    let url: String
    let localPath: String? = nil

    init(url: String = "memory") { self.url = url }

    var listings: Int { state.withLock { $0.listings } }
    var fetches: Int { state.withLock { $0.fetches } }
    /// How often it was asked whether one commit follows from another.
    var descents: Int { state.withLock { $0.descents } }

    /// The commits whose files were asked for, once for each time.
    var reads: [ObjectID] { state.withLock { $0.reads } }
    /// Those whose files were there to be shared.
    var reused: [ObjectID] { state.withLock { $0.reused } }

    @discardableResult
    func push(_ files: [String: String], onto parent: ObjectID?? = nil) -> CommitInfo {
        state.withLock { state in
            let number = state.commits.count + 1
            let digits = String(number, radix: 16)
            // Distinct from the first digits on, as real commits are.
            let id = ObjectID(digits + String(repeating: "0", count: 8 - digits.count) + String(repeating: "a", count: 32)) ?? .zero
            let parents = (parent ?? state.head).map { [$0] } ?? []
            let info = CommitInfo(
                id: id, parents: parents, tree: id, authorName: "Ada", authorEmail: "ada@example.org", time: Int64(number),
                message: "Change \(number)\n")
            // As git does: the same content has the same id in every commit.
            let entries = files.mapValues { text in
                GitTree.Entry(id: state.blob(text), kind: .file, bytes: Array(text.utf8))
            }
            state.commits[id] = (info, GitTree(commit: id, entries: entries))
            state.head = id
            return info
        }
    }

    func fail(_ problem: SourceProblem?) { state.withLock { $0.problem = problem } }

    /// It says what it has, and gives nothing.
    func failFetching(_ problem: SourceProblem?) { state.withLock { $0.fetchProblem = problem } }

    /// The commit's files cannot be read for now.
    func fail(_ problem: SourceProblem?, readingFilesOf commit: CommitInfo) { state.withLock { $0.unreadable[commit.id] = problem } }

    private func reachable() throws(SourceProblem) {
        if let problem = state.withLock({ $0.problem }) { throw problem }
    }

    func head() async throws(SourceProblem) -> ObjectID? {
        state.withLock { $0.listings += 1 }
        try reachable()
        return state.withLock { $0.head }
    }

    func fetch() async throws(SourceProblem) -> CommitInfo? {
        state.withLock { $0.fetches += 1 }
        try reachable()
        if let problem = state.withLock({ $0.fetchProblem }) { throw problem }
        return state.withLock { state in state.head.flatMap { state.commits[$0]?.info } }
    }

    func mirrored() async throws(SourceProblem) -> CommitInfo? {
        state.withLock { state in state.head.flatMap { state.commits[$0]?.info } }
    }

    func info(of commit: ObjectID) async throws(SourceProblem) -> CommitInfo {
        guard let found = state.withLock({ $0.commits[commit]?.info }) else { throw SourceProblem(.other, "no commit \(commit)") }
        return found
    }

    func tree(
        of commit: ObjectID, under directories: [String], keeping isKept: @escaping @Sendable (String) -> Bool, reusing old: GitTree?
    ) async throws(SourceProblem) -> GitTree {
        state.withLock { state in
            state.reads.append(commit)
            if let old { state.reused.append(old.commit) }
        }
        if let problem = state.withLock({ $0.unreadable[commit] }) { throw problem }
        guard let found = state.withLock({ $0.commits[commit]?.tree }) else { throw SourceProblem(.other, "no commit \(commit)") }
        return GitTree(commit: commit, entries: found.entries.filter { isKept($0.key) })
    }

    func followedObject() async throws(SourceProblem) -> ObjectID? { state.withLock { $0.head } }

    func object(_ id: ObjectID) async throws(SourceProblem) -> StoredObject { throw SourceProblem(.other, "no object \(id)") }

    func isAncestor(_ old: ObjectID, of new: ObjectID) async throws(SourceProblem) -> Bool {
        state.withLock { state in
            state.descents += 1
            var next: ObjectID? = new
            while let here = next {
                if here == old { return true }
                next = state.commits[here]?.info.parents.first
            }
            return false
        }
    }
}
