package import Git

/// The repository the agent follows, and its mirror on this server: what was fetched once can be read for ever.
package protocol RepositorySource: Sendable {
    /// For people, without credentials.
    var url: String { get }
    /// The directory of a bare repository on this very server, whose references can be watched; nil for a remote.
    var localPath: String? { get }
    /// The commit the followed branch is at, by one ref listing; nil when there is no such branch (yet).
    func head() async throws(SourceProblem) -> ObjectID?
    /// Brings the branch into the mirror; nil when there is no such branch (yet).
    func fetch() async throws(SourceProblem) -> CommitInfo?
    /// The branch as the mirror has it, asking nobody.
    func mirrored() async throws(SourceProblem) -> CommitInfo?
    func info(of commit: ObjectID) async throws(SourceProblem) -> CommitInfo
    /// The files of a commit in the mirror, below these directories (all with none given), as far as `isKept` wants what is at their path.
    /// What `old` has too is in memory once.
    func tree(
        of commit: ObjectID, under directories: [String], keeping isKept: @escaping @Sendable (String) -> Bool, reusing old: GitTree?
    ) async throws(SourceProblem) -> GitTree
    /// The full name of the reference that a range of versions stands for now, as the last look found it, or the mirror where nobody has
    /// looked yet; nil where nothing else than one name is followed, and while no tag fits.
    func chosenReference() async throws(SourceProblem) -> String?
    /// What the followed reference names itself, as the mirror has it: an annotated tag, or a commit.
    func followedObject() async throws(SourceProblem) -> ObjectID?
    /// A commit or an annotated tag of the mirror as git stores it.
    func object(_ id: ObjectID) async throws(SourceProblem) -> StoredObject
    /// Whether `old` is in the history of `new`; false when the mirror does not know it.
    func isAncestor(_ old: ObjectID, of new: ObjectID) async throws(SourceProblem) -> Bool
}

extension RepositorySource {
    package func tree(of commit: ObjectID, under directories: [String]) async throws(SourceProblem) -> GitTree {
        try await tree(of: commit, under: directories) { _ in true }
    }

    func tree(
        of commit: ObjectID, under directories: [String], keeping isKept: @escaping @Sendable (String) -> Bool
    ) async throws(SourceProblem) -> GitTree {
        try await tree(of: commit, under: directories, keeping: isKept, reusing: nil)
    }

    package func chosenReference() async throws(SourceProblem) -> String? { nil }
}

/// Why the repository does not give a new commit. The last good one stays enforced meanwhile.
package struct SourceProblem: Error, Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case unreachable = "Unreachable"
        /// It takes connections and does not answer.
        case timedOut = "TimedOut"
        case authentication = "AuthenticationFailed"
        /// The host does not know the agent's key (yet).
        case keyRefused = "DeployKeyRefused"
        case untrusted = "HostKeyNotTrusted"
        case corrupt = "RepositoryCorrupt"
        case diskFull = "DiskFull"
        /// The files of the commit are larger together than ``GitTree/sizeLimit``, or more than ``GitTree/entryLimit``.
        case tooLarge = "RepositoryTooLarge"
        case repositoryMissing = "RepositoryNotFound"
        case branchMissing = "BranchNotFound"
        /// The branch was moved to a commit that does not contain what was applied.
        case rewritten = "HistoryRewritten"
        /// Nobody who is trusted has signed it.
        case unverified = "InvalidCommitSignature"
        /// Nor the tag.
        case unverifiedTag = "InvalidTagSignature"
        /// The tag has no signature, or is no object that could have one.
        case unsignedTag = "TagNotSigned"
        /// The keys of those who may sign cannot be read.
        case keysMissing = "VerificationError"
        /// A repository of spec.include is missing.
        case includeMissing = "IncludeUnavailable"
        /// A repository of spec.include has no commit yet.
        case includeEmpty = "IncludeWithoutCommit"
        case other = "FetchFailed"
    }

    package var kind: Kind
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var remedy: String {
        switch kind {
        case .unreachable: "the agent keeps trying; check that the host is up and the URL is right"
        case .timedOut: "the agent keeps trying; see what the host is busy with, or what is between it and this server"
        case .authentication: "check that the token is valid and may read the repository; homelab bootstrap brings a new one to the servers"
        case .keyRefused: "register the key with the git host, for reading only"
        case .untrusted:
            "compare the host's key or certificate with the real one; if a key was changed on purpose, update repository.hostKeys"
        case .corrupt:
            "look at this server's disk and run `git fsck` on the repository; a damaged mirror is made anew once the host can be reached"
        case .diskFull: "free some space on this server"
        case .tooLarge:
            "leave out what is no manifest, by a .sourceignore file in the repository or by spec.ignore of its GitRepository"
        case .repositoryMissing: "correct repository.url in the inventory, or let the deploy key or token read the repository"
        case .branchMissing: "push the branch, or correct repository.branch in the inventory"
        case .rewritten: "if the force-push was not meant, push the commits again that it took away"
        case .unverified: "sign the commit with a key that the Secret of spec.verify lists, or add the signer's key to it"
        case .keysMissing: "put the keys of those who may sign into the Secret of spec.verify: *.asc, *.sshpub or allowed_signers"
        case .unverifiedTag: "sign the tag with a key that the Secret of spec.verify lists, or add the signer's key to it"
        case .unsignedTag: "make the tag with `git tag --sign` and a key that the Secret of spec.verify lists"
        case .includeMissing, .includeEmpty: "see the status of that GitRepository"
        case .other: "the agent keeps trying"
        }
    }

    /// What to do where a GitRepository names the repository, and not the inventory.
    var remedyOfObject: String {
        switch kind {
        case .authentication: "correct the login in the Secret of spec.secretRef, or let it read the repository"
        case .untrusted:
            "compare the host's key or certificate with the real one; which is believed stands in the Secret of spec.secretRef, under "
                + "known_hosts for ssh and ca.crt for https"
        case .repositoryMissing: "correct spec.url, or let the login in the Secret of spec.secretRef read the repository"
        case .keyRefused: "register the key with the git host, for reading only, or correct it in the Secret of spec.secretRef"
        case .branchMissing: "push it, or correct spec.ref"
        default: remedy
        }
    }
}

extension SourceProblem {
    package init(_ error: GitError) {
        let kind: Kind =
            switch error.kind {
            case .unreachable: .unreachable
            case .timedOut: .timedOut
            case .authentication: .authentication
            case .untrusted: .untrusted
            case .corrupt: .corrupt
            case .diskFull: .diskFull
            case .tooLarge: .tooLarge
            case .notFound, .cancelled, .other: .other
            }
        self.init(kind, error.description)
    }
}
