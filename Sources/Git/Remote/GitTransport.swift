/// How a remote's `git-upload-pack` is reached. Git speaks its protocol over it and knows nothing of ssh and http.
///
/// Implementations throw `GitError` with the cause in `message` (its `operation` is replaced by what the conversation is for) and end
/// what they do when their task is cancelled; the limits of time are kept by the caller.
package protocol GitTransport: Sendable {
    /// The remote's URL, for people: without credentials.
    var url: String { get }
    /// Starts a conversation; a transport that needs no connection yet just gives one back.
    func connect() async throws(GitError) -> GitConversation
}

package enum GitConversation: Sendable {
    /// One stream for the whole conversation: ssh.
    case stream(any GitStream)
    /// A request with an answer of its own for every round: http.
    case requests(any GitRequests)
}

/// Bytes that the remote sends; dropping it gives up what is still to come.
package protocol GitAnswer: Sendable {
    /// The next bytes, never empty; nil at the end.
    func read() async throws(GitError) -> [UInt8]?
}

package protocol GitStream: GitAnswer {
    func write(_ bytes: [UInt8]) async throws(GitError)
    func close() async
}

package protocol GitRequests: Sendable {
    /// The answer to `info/refs?service=git-upload-pack` (gitprotocol-http).
    func references() async throws(GitError) -> any GitAnswer
    /// The answer to one `POST …/git-upload-pack`.
    func uploadPack(_ request: [UInt8]) async throws(GitError) -> any GitAnswer
}

/// A branch, tag or other reference of a remote.
package struct RemoteReference: Hashable, Sendable {
    /// `refs/heads/main`; a tag object's target is listed a second time as `refs/tags/v1^{}`.
    package let name: String
    package let id: ObjectID
}

/// What a remote may cost at most.
package struct RemoteLimits: Hashable, Sendable {
    /// Without a byte in either direction for so long, a conversation has timed out.
    package var silence: Duration = .seconds(30)
    /// For one listing of the references, from the connection to its end.
    package var listing: Duration = .seconds(60)
    /// For one fetch, from the connection to its end.
    package var fetch: Duration = .seconds(3600)
    /// Bytes that a listing may have.
    package var listingSize = 64 << 20
    /// Bytes that a fetch may have.
    package var fetchSize = 4 << 30
    /// Bytes that have to stay free on the file system: libgit2 writes packs through mapped memory, where a full disk is no error that
    /// can be told but the end of the process.
    package var freeSpace = 16 << 20

    package init() {}
}
