internal import BlockingExecutor
internal import CGitSupport
internal import CLibgit2

/// A repository elsewhere, spoken to by git's own protocol over a transport. Its calls run one after the other on a thread of its own, so
/// that reading a mirror never waits for a fetch.
package final class Remote: Sendable {
    package let url: String
    private let transport: any GitTransport
    private let limits: RemoteLimits
    private let executor = BlockingExecutor(name: "git-remote")

    package init(transport: any GitTransport, limits: RemoteLimits = RemoteLimits()) {
        self.transport = transport
        self.limits = limits
        url = transport.url
    }

    /// All references, by one listing.
    package func references() async throws(GitError) -> [RemoteReference] {
        let wire = Wire(transport: transport, limits: limits)
        return try await run(wire) { [url] () throws(GitError) in
            try RemoteSession(wire: wire, url: url, repository: nil, operation: "list the branches of \(url)").references()
        }
    }

    /// Brings what a reference of the remote names into the bare repository at `mirror` (made when it is missing), sending only what the
    /// mirror does not have, and moves the mirror's reference of that name there: backwards and sideways too, as a force-push does. The
    /// mirror's reference moves only once every object has arrived and been verified.
    /// - Returns: what the reference names now; nil when the remote has no such reference.
    /// - Throws: `GitError`; of kind `corrupt` when the mirror cannot be read, and then a new one has to be made.
    package func fetch(_ reference: String, into mirror: String) async throws(GitError) -> ObjectID? {
        let wire = Wire(transport: transport, limits: limits, fetchingInto: mirror)
        return try await run(wire) { [url] () throws(GitError) in
            let branch = reference.hasPrefix("refs/heads/") ? String(reference.dropFirst("refs/heads/".count)) : "main"
            let repository = try RepositoryHandle(openingOrMaking: mirror, branch: branch)
            let session = try RemoteSession(wire: wire, url: url, repository: repository, operation: "fetch \(url)")
            return try session.fetch(reference, into: repository)
        }
    }

    private func run<T: Sendable>(_ wire: Wire, _ body: @escaping @Sendable () throws(GitError) -> T) async throws(GitError) -> T {
        let result: Result<T, GitError> = await withTaskCancellationHandler {
            do throws(GitError) { return .success(try await executor.run(body)) } catch { return .failure(error) }
        } onCancel: {
            wire.cancel()
        }
        return try result.get()
    }
}
