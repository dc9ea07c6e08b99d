package import Git
package import KubernetesModel

/// What of a repository elsewhere is followed.
package enum FollowedReference: Sendable {
    case branch(String)
    case tag(String)
    /// The tag with the highest version in a range.
    case versions(VersionRange)
    /// A full name, `refs/pull/7/head`.
    case name(String)
    /// One commit for good, found in the history of a branch; nil: of any branch or tag.
    case commit(ObjectID, branch: String?)

    /// What a GitRepository's `spec.ref` asks for.
    /// - Throws: `SourceProblem` about a range or a commit id that is none.
    package init(_ spec: GitRepositorySpec) throws(SourceProblem) {
        let reference = spec.reference
        if !reference.commit.isEmpty {
            guard let id = ObjectID(reference.commit) else {
                throw SourceProblem(.other, "spec.ref.commit \(reference.commit) is no full commit id (40 hexadecimal digits)")
            }
            self = .commit(id, branch: reference.branch.isEmpty ? nil : reference.branch)
        } else if !reference.name.isEmpty {
            self = .name(reference.name)
        } else if !reference.semver.isEmpty {
            guard let range = VersionRange(reference.semver) else {
                throw SourceProblem(.other, "spec.ref.semver \(reference.semver) is no range of versions, such as >=1.0.0 <2.0.0")
            }
            self = .versions(range)
        } else if !reference.tag.isEmpty {
            self = .tag(reference.tag)
        } else {
            self = .branch(reference.branch.isEmpty ? "master" : reference.branch)
        }
    }

    /// What a remote has of it.
    struct Target {
        /// The references to fetch until the commit is there, the likeliest first.
        var names: [String]
        var commit: ObjectID
    }

    /// nil when the remote has nothing of it.
    func target(in references: [RemoteReference]) -> Target? {
        func found(_ name: String) -> Target? {
            guard let reference = references.first(where: { $0.name == name }) else { return nil }
            // A tag object's commit is listed behind it.
            return Target(names: [name], commit: references.first { $0.name == name + "^{}" }?.id ?? reference.id)
        }
        switch self {
        case .branch(let branch): return found("refs/heads/" + branch)
        case .tag(let tag): return found("refs/tags/" + tag)
        case .name(let name): return found(name)
        case .commit(let id, let branch?): return found("refs/heads/" + branch).map { Target(names: $0.names, commit: id) }
        case .commit(let id, nil):
            let names = references.places(of: id)
            return names.isEmpty ? nil : Target(names: names, commit: id)
        case .versions(let range):
            let tags = references.map(\.name).filter { $0.hasPrefix("refs/tags/") && !$0.hasSuffix("^{}") }
                .map { String($0.dropFirst("refs/tags/".count)) }
            return range.highest(of: tags).flatMap { found("refs/tags/" + $0) }
        }
    }

    /// The commit that a mirror has of it.
    func commit(in mirror: Repository) async throws(GitError) -> ObjectID? {
        if case .commit(let id, _) = self { return try await mirror.commit(named: id.hex) }
        guard let name = try await reference(in: mirror) else { return nil }
        return try await mirror.commit(named: name)
    }

    /// The mirror's reference of it; nil for a single commit, and when no tag fits.
    func reference(in mirror: Repository) async throws(GitError) -> String? {
        switch self {
        case .branch(let branch): return "refs/heads/" + branch
        case .tag(let tag): return "refs/tags/" + tag
        case .name(let name): return name
        case .commit: return nil
        case .versions(let range): return range.highest(of: try await mirror.tags()).map { "refs/tags/" + $0 }
        }
    }
}

extension [RemoteReference] {
    /// The references that may lead to a commit, the likeliest first: what names it, then the branches, HEAD's before the others, then the
    /// tags. A host need not give out a commit by its id.
    func places(of commit: ObjectID) -> [String] {
        let naming = filter { $0.id == commit && $0.name.hasPrefix("refs/") }
            .map { $0.name.hasSuffix("^{}") ? String($0.name.dropLast(3)) : $0.name }
        let head = first { $0.name == "HEAD" }?.id
        let branches = filter { $0.name.hasPrefix("refs/heads/") }
        let tags = map(\.name).filter { $0.hasPrefix("refs/tags/") && !$0.hasSuffix("^{}") }
        let ordered = branches.filter { $0.id == head } + branches.filter { $0.id != head }
        var seen: Set<String> = []
        return (naming.prefix(1) + ordered.map(\.name) + tags).filter { seen.insert($0).inserted }
    }
}
