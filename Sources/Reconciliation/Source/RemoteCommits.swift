import Cryptography
import FileSystem
package import Git
package import Kustomize

/// The commits of other repositories that a build names by URL, each fetched once into a bare mirror and read from there ever after.
package actor RemoteCommits: RemoteSource {
    private let directory: String
    private let transport: @Sendable (String) throws -> any GitTransport
    private let followsNames: Bool
    /// The last used last, so that a moving branch does not fill the memory.
    private(set) var trees: [(commit: RemoteCommit, files: GitFileTree)] = []
    private var underway: [RemoteCommit: Task<GitFileTree, any Error>] = [:]
    private let memoryLimit: Int
    private static let mirrorLimit = 64
    private let commitLimit: Int
    private let packLimit: Int

    /// - Parameters:
    ///   - directory: a folder that holds the mirrors.
    ///   - followsNames: whether branches and tags may be named, which move.
    ///   - packLimit: how many packs may lie in a mirror before they are put together.
    ///   - commitLimit: how many commits stay in a mirror then although no branch leads to them: those read last.
    ///   - memoryLimit: bytes of memory that the commits read last may take, where it is more than one.
    ///   - transport: how a repository is reached, by its URL; throws for one that must not or cannot be.
    package init(
        directory: String, followsNames: Bool = false, packLimit: Int = 50, commitLimit: Int = 256, memoryLimit: Int = 32 << 20,
        transport: @escaping @Sendable (String) throws -> any GitTransport
    ) {
        self.directory = directory
        self.followsNames = followsNames
        self.packLimit = packLimit
        self.commitLimit = commitLimit
        self.memoryLimit = memoryLimit
        self.transport = transport
    }

    package func tree(of commit: RemoteCommit) async throws -> any FileTree {
        if let index = trees.firstIndex(where: { $0.commit == commit }) {
            trees.append(trees.remove(at: index))
            return trees[trees.count - 1].files
        }
        let old = trees.last { $0.commit.repository == commit.repository }?.files.tree
        let reading = underway[commit] ?? Task { GitFileTree(try await self.files(of: commit, reusing: old)) }
        underway[commit] = reading
        let result = await reading.result
        if underway[commit] == reading {
            underway[commit] = nil
            if case .success(let files) = result { keep(files, of: commit) }
        }
        return try result.get()
    }

    private func keep(_ files: GitFileTree, of commit: RemoteCommit) {
        trees.append((commit, files))
        var memory = trees.reduce(0) { $0 + $1.files.tree.footprint }
        while memory > memoryLimit, trees.count > 1 { memory -= trees.removeFirst().files.tree.footprint }
    }

    /// - Parameters:
    ///   - isKept: whether a file at a path is read at all.
    ///   - old: a tree whose files are not read again.
    func files(
        of commit: RemoteCommit, keeping isKept: @escaping @Sendable (String) -> Bool = { _ in true }, reusing old: GitTree? = nil
    ) async throws -> GitTree {
        guard let id = ObjectID(commit.commit) else { throw FileTreeError("\(commit.commit) is no commit id of 40 digits") }
        let mirror = "\(directory)/\(SHA256.hex(of: commit.repository).prefix(16)).git"
        if !Files.exists(mirror) { makeRoom() }
        let repository = try await Repository(openingOrMaking: mirror, branch: "main")
        if try await repository.commit(named: id.hex) == nil { try await fetch(id, of: commit.repository, into: repository) }
        let tree = try await repository.tree(at: id, keeping: isKept, reusing: old)
        note(id, in: mirror)
        return tree
    }

    /// By one listing of the references. A branch counts before a tag of the same name, as in `git checkout`.
    package func commit(at name: RemoteName) async throws -> RemoteCommit? {
        guard followsNames else { return nil }
        let references = try await Remote(transport: try transport(name.repository)).references()
        let names = name.reference.isEmpty ? ["HEAD"] : ["refs/heads/", "refs/tags/", ""].map { $0 + name.reference }
        for full in names {
            guard let found = references.first(where: { $0.name == full + "^{}" }) ?? references.first(where: { $0.name == full }) else {
                continue
            }
            return RemoteCommit(repository: name.repository, commit: found.id.hex)
        }
        throw FileTreeError("\(name.repository) has no \(name.text)")
    }

    private func fetch(_ id: ObjectID, of url: String, into repository: Repository) async throws {
        let remote = Remote(transport: try transport(url))
        for name in try await remote.references().places(of: id) {
            _ = try await remote.fetch(name, into: repository.path)
            if await repository.isScattered(above: packLimit) {
                _ = try? await repository.consolidate(keeping: Set(used(in: repository.path)))
            }
            if try await repository.commit(named: id.hex) != nil { return }
        }
        throw FileTreeError("no branch or tag of \(url) contains commit \(id.hex)")
    }

    // MARK: What stays

    private static let usedFile = "homelab-used"

    /// The commits that were read from a mirror, the last one last. A build may name one that its host has forgotten since.
    private func used(in mirror: String) -> [ObjectID] {
        let text = (try? Files.readText("\(mirror)/\(Self.usedFile)", limit: 1 << 20)) ?? ""
        return text.split(separator: "\n").compactMap { ObjectID(String($0)) }
    }

    private func note(_ commit: ObjectID, in mirror: String) {
        let after = (used(in: mirror).filter { $0 != commit } + [commit]).suffix(commitLimit)
        // The file's time says when the mirror was read last.
        try? Files.write(after.map { $0.hex + "\n" }.joined(), to: "\(mirror)/\(Self.usedFile)")
    }

    /// Repositories that nobody has named for long go when a new one comes.
    private func makeRoom() {
        let mirrors = ((try? Files.list(directory)) ?? []).filter { $0.hasSuffix(".git") }
        guard mirrors.count >= Self.mirrorLimit else { return }
        let ages = mirrors.map { name in
            let path = "\(directory)/\(name)"
            return (path, (try? Files.status("\(path)/\(Self.usedFile)"))?.modified ?? .min)
        }
        for (path, _) in ages.sorted(by: { $0.1 < $1.1 }).prefix(mirrors.count - Self.mirrorLimit + 1) { try? Files.removeTree(path) }
    }
}
