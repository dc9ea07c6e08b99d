import FileSystem
import KubernetesModel

/// The journal of one server on its disk: JSON lines that are only ever appended, each durable before what it announces begins, moved aside
/// when they have grown, never overwritten.
struct JournalFile {
    static let name = "nodes.jsonl"
    /// What operators' runs bring, beside the agent's own file; see `OperatorJournal`.
    static let operatorsName = "operator.jsonl"
    static let olderOperatorsName = "operator.1.jsonl"

    let directory: String
    /// Bytes after which a new file is begun, and how many older ones are kept.
    let limit: Int
    let kept: Int
    private var size: Int

    init(directory: String, limit: Int = 1 << 20, kept: Int = 9) throws(FileError) {
        self.directory = directory
        self.limit = limit
        self.kept = kept
        try Files.makeDirectory(directory, mode: 0o700)
        let path = directory + "/" + Self.name
        let bytes = Files.exists(path) ? try Files.read(path) : []
        size = bytes.count
        // A line that was cut off stays as it is, and the next one begins on a line of its own.
        if let last = bytes.last, last != 0x0A { try append([0x0A]) }
    }

    /// The files from the oldest to the newest.
    private var paths: [String] {
        (1...kept).reversed().map { "\(directory)/nodes.\($0).jsonl" } + [directory + "/" + Self.name]
    }

    mutating func append(_ entry: JournalEntry) throws(FileError) { try append(Array(entry.line.utf8)) }

    private mutating func append(_ bytes: [UInt8]) throws(FileError) {
        if size > 0, size + bytes.count > limit { try rotate() }
        try Files.append(bytes, to: directory + "/" + Self.name, mode: 0o600, durably: true)
        size += bytes.count
    }

    private mutating func rotate() throws(FileError) {
        let paths = paths
        for index in paths.indices.dropFirst() where Files.exists(paths[index]) { try Files.move(paths[index], to: paths[index - 1]) }
        size = 0
    }

    /// The last `count` entries, oldest first.
    func last(_ count: Int) -> [JournalEntry] {
        var found: [JournalEntry] = []
        for path in paths.reversed() where found.count < count {
            guard Files.exists(path), let text = try? Files.readText(path) else { continue }
            found = JournalEntry.entries(in: text) + found
        }
        return Array(found.suffix(count))
    }

    /// The last entries of operators' runs, oldest first.
    func operators(_ count: Int) -> [JournalEntry] {
        let texts = [Self.olderOperatorsName, Self.operatorsName].map { (try? Files.readText(directory + "/" + $0)) ?? "" }
        return texts.flatMap { JournalEntry.entries(in: $0) }.suffix(count)
    }
}
