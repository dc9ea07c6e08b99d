/// The files of a commit, held as values: read once, then used by any thread without git.
package struct GitTree: Sendable {
    package enum Kind: Hashable, Sendable { case file, executable, symbolicLink, submodule }

    package struct Entry: Hashable, Sendable {
        package let id: ObjectID
        package let kind: Kind
        /// A link's target; empty for a submodule.
        package let bytes: [UInt8]
    }

    /// The bytes that the files read of a commit may have together, and their number. A source has two commits in memory, which share what
    /// is the same in both, and the paths of both: that has to stay far below the `MemoryMax=256M` of
    /// `bootstrap/assets/homelab-agent.service`, since the kernel ends an agent that goes beyond it before it has said why, on one server
    /// after the other.
    package static let sizeLimit = 64 << 20
    package static let entryLimit = 100_000

    package let commit: ObjectID
    /// By path from the root of the repository.
    package let entries: [String: Entry]

    package init(commit: ObjectID, entries: [String: Entry]) {
        self.commit = commit
        self.entries = entries
    }

    /// About how many bytes of memory it takes: the files, and a few hundred for each path.
    package var footprint: Int { entries.values.reduce(entries.count * 300) { $0 + $1.bytes.count } }

    package func file(_ path: String) -> [UInt8]? { entries[path]?.bytes }

    package func text(_ path: String) -> String? { entries[path].map { String(decoding: $0.bytes, as: UTF8.self) } }
}
