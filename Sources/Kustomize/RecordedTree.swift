import Cryptography
import Synchronization

/// A file tree that notes what was asked of it and what it said, so that another tree can be asked the same.
final class RecordedTree: FileTree {
    enum Answer: Equatable {
        case entry(TreeEntry?)
        case file(digest: [UInt8])
        /// The sorted names in a directory.
        case names([String])
        case failure(FileTreeError)
    }

    enum Question: Hashable {
        case resolve(String)
        case read(String, limit: Int)
        case entries(String)
    }

    private let tree: any FileTree
    private let notes = Mutex<[Question: Answer]>([:])

    init(_ tree: any FileTree) { self.tree = tree }

    var record: [Question: Answer] { notes.withLock { $0 } }

    func resolve(_ path: String) throws(FileTreeError) -> TreeEntry? {
        try note(.resolve(path), { (tree) throws(FileTreeError) in try tree.resolve(path) }, as: { .entry($0) })
    }

    func read(_ path: String, limit: Int) throws(FileTreeError) -> [UInt8] {
        try note(
            .read(path, limit: limit), { (tree) throws(FileTreeError) in try tree.read(path, limit: limit) },
            as: { [tree] in .file(digest: tree.digest(path) ?? SHA256.digest(of: $0)) })
    }

    func entries(_ path: String) throws(FileTreeError) -> [String] {
        try note(.entries(path), { (tree) throws(FileTreeError) in try tree.entries(path) }, as: { .names($0.sorted()) })
    }

    private func note<T>(
        _ question: Question, _ ask: (any FileTree) throws(FileTreeError) -> T, as answer: (T) -> Answer
    ) throws(FileTreeError) -> T {
        do throws(FileTreeError) {
            let value = try ask(tree)
            notes.withLock { if $0[question] == nil { $0[question] = answer(value) } }
            return value
        } catch {
            notes.withLock { $0[question] = .failure(error) }
            throw error
        }
    }
}

extension [RecordedTree.Question: RecordedTree.Answer] {
    /// Whether a tree gives all the same answers.
    func holds(in tree: any FileTree) -> Bool { allSatisfy { question, answer in Self.answer(question, of: tree) == answer } }

    private static func answer(_ question: RecordedTree.Question, of tree: any FileTree) -> RecordedTree.Answer {
        do throws(FileTreeError) {
            switch question {
            case .resolve(let path): return .entry(try tree.resolve(path))
            case .read(let path, let limit):
                if let digest = tree.digest(path) { return .file(digest: digest) }
                return .file(digest: SHA256.digest(of: try tree.read(path, limit: limit)))
            case .entries(let path): return .names(try tree.entries(path).sorted())
            }
        } catch {
            return .failure(error)
        }
    }
}
