/// The files of a commit, held as values: read once, then used by any thread without git.
package struct GitTree: Sendable {
    package enum Kind: Hashable, Sendable { case file, executable, symbolicLink, submodule }

    package struct Entry: Hashable, Sendable {
        package let id: ObjectID
        package let kind: Kind
        /// A link's target; empty for a submodule.
        package let bytes: [UInt8]
    }

    /// The bytes that the files read of a commit may have together, so that a huge repository cannot exhaust the agent.
    package static let sizeLimit = 512 << 20

    package let commit: ObjectID
    /// By path from the root of the repository.
    package let entries: [String: Entry]

    package init(commit: ObjectID, entries: [String: Entry]) {
        self.commit = commit
        self.entries = entries
    }

    package func file(_ path: String) -> [UInt8]? { entries[path]?.bytes }

    package func text(_ path: String) -> String? { entries[path].map { String(decoding: $0.bytes, as: UTF8.self) } }
}
