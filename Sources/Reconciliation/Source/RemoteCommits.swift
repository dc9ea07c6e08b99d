import Cryptography
package import Git
package import Kustomize

/// The commits of other repositories that a build names by URL, each fetched once into a bare mirror and read from there ever after.
package actor RemoteCommits: RemoteSource {
    private let directory: String
    private let transport: @Sendable (String) throws -> any GitTransport
    private var trees: [RemoteCommit: GitTree] = [:]

    /// - Parameters:
    ///   - directory: a folder that holds the mirrors.
    ///   - transport: how a repository is reached, by its URL; throws for one that must not or cannot be.
    package init(directory: String, transport: @escaping @Sendable (String) throws -> any GitTransport) {
        self.directory = directory
        self.transport = transport
    }

    package func tree(of commit: RemoteCommit) async throws -> any FileTree { GitFileTree(try await files(of: commit)) }

    func files(of commit: RemoteCommit) async throws -> GitTree {
        if let known = trees[commit] { return known }
        guard let id = ObjectID(commit.commit) else { throw FileTreeError("\(commit.commit) is no commit id of 40 digits") }
        let mirror = "\(directory)/\(SHA256.hex(of: commit.repository).prefix(16)).git"
        let repository = try await Repository(openingOrMaking: mirror, branch: "main")
        if try await repository.commit(named: id.hex) == nil { try await fetch(id, of: commit.repository, into: repository) }
        let tree = try await repository.tree(at: id)
        trees[commit] = tree
        return tree
    }

    /// A host need not give out a commit by its id, so what names it comes first, and then the branches that may contain it.
    private func fetch(_ id: ObjectID, of url: String, into repository: Repository) async throws {
        let remote = Remote(transport: try transport(url))
        let references = try await remote.references().filter { $0.name.hasPrefix("refs/") }
        let naming = references.filter { $0.id == id }.map { $0.name.hasSuffix("^{}") ? String($0.name.dropLast(3)) : $0.name }
        let branches = references.map(\.name).filter { $0.hasPrefix("refs/heads/") }
        let tags = references.map(\.name).filter { $0.hasPrefix("refs/tags/") && !$0.hasSuffix("^{}") }
        for name in naming.prefix(1) + branches + tags {
            _ = try await remote.fetch(name, into: repository.path)
            if try await repository.commit(named: id.hex) != nil { return }
        }
        throw FileTreeError("no branch or tag of \(url) contains commit \(id.hex)")
    }
}
