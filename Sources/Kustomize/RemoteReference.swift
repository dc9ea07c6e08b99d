/// A commit of a repository elsewhere, all that a build may ask for beyond its own tree.
package struct RemoteCommit: Hashable, Sendable {
    /// As git clones it: `https://github.com/org/repo`, `git@host:org/repo.git`.
    package var repository: String
    /// The commit's full id in hexadecimal digits.
    package var commit: String

    package init(repository: String, commit: String) {
        self.repository = repository
        self.commit = commit
    }
}

/// A branch, a tag, or the default branch of a repository elsewhere: what it stands for may change.
package struct RemoteName: Hashable, Sendable {
    /// As git clones it.
    package var repository: String
    /// Empty for the default branch.
    package var reference: String

    package init(repository: String, reference: String) {
        self.repository = repository
        self.reference = reference
    }
}

/// What a kustomization names by URL, read as kustomize reads it: a repository, the path in it, and which commit.
struct RemoteReference: Hashable {
    var repository: String
    var path: String
    /// A branch, tag or commit; empty for the default branch.
    var reference: String

    /// The commit, when it is one that names the same files for ever.
    var commit: RemoteCommit? {
        guard [40, 64].contains(reference.utf8.count), reference.allSatisfy({ $0.isASCII && $0.isHexDigit }) else { return nil }
        return RemoteCommit(repository: repository, commit: reference.lowercased())
    }

    var name: RemoteName { RemoteName(repository: repository, reference: reference) }

    /// A file to be had as it is.
    static func isFile(_ text: String) -> Bool { text.hasPrefix("https://") || text.hasPrefix("http://") }

    /// Something that names a repository: a URL, `git::…`, `git@host:path`, or a path at a well-known host.
    static func isRepository(_ text: String) -> Bool {
        let schemes = ["https://", "http://", "ssh://", "git://", "file://", "git::"]
        if schemes.contains(where: text.hasPrefix) { return true }
        if let at = text.firstIndex(of: "@"), let colon = text.firstIndex(of: ":"), at < colon, !text[..<at].contains("/") { return true }
        return ["github.com/", "gitlab.com/", "bitbucket.org/"].contains(where: text.hasPrefix) || text.contains("?ref=")
    }

    /// `https://host/org/repo//path?ref=…` and its other spellings (kustomize's "remote targets"); nil when no repository is in it.
    init?(directory text: String) {
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        reference = parts.count == 2 ? Self.reference(inQuery: parts[1]) : ""
        var rest = parts[0]
        if rest.hasPrefix("git::") { rest = rest.dropFirst(5) }
        let scheme = ["https://", "http://", "ssh://", "git://", "file://"].first(where: rest.hasPrefix) ?? ""
        rest = rest.dropFirst(scheme.utf8.count)
        if scheme == "file://" {
            guard let (repository, path) = Self.split(rest) ?? (rest.isEmpty ? nil : (rest, "")) else { return nil }
            self.repository = scheme + repository
            self.path = String(path)
            return
        }
        let isShell = scheme.isEmpty && rest.contains("@")
        guard let end = rest.firstIndex(where: { $0 == "/" || isShell && $0 == ":" }) else { return nil }
        let host = rest[...end]
        rest = rest[rest.index(after: end)...].drop { $0 == "/" }
        guard let (repository, path) = Self.split(rest) ?? Self.splitBehindTwo(rest), !repository.isEmpty else { return nil }
        self.repository = (scheme.isEmpty && !isShell ? "https://" : scheme) + host + repository
        self.path = String(path)
    }

    /// The address of a single file as the large hosts give it, `https://raw.githubusercontent.com/org/repo/<commit>/path`: a file of a
    /// repository too.
    init?(file text: String) {
        let parts = text.split(separator: "?")[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > 6, parts[0] == "https:" else { return nil }
        if parts[2] == "raw.githubusercontent.com" {
            let isFull = parts[5] == "refs" && parts.count > 8
            repository = "https://github.com/\(parts[3])/\(parts[4])"
            reference = isFull ? parts[7] : parts[5]
            path = parts[(isFull ? 8 : 6)...].joined(separator: "/")
        } else if let raw = parts[5...].firstIndex(of: "raw"), parts.count > raw + 2 {
            // GitLab has `/-/raw/`, GitHub and Gitea `/raw/`, the latter with `commit` or `branch` behind it.
            let named = ["commit", "branch", "tag"].contains(parts[raw + 1]) && parts.count > raw + 3 ? 1 : 0
            repository = parts[..<raw].joined(separator: "/").replacing("/-", with: "")
            reference = parts[raw + 1 + named]
            path = parts[(raw + 2 + named)...].joined(separator: "/")
        } else {
            return nil
        }
    }

    private static func reference(inQuery query: Substring) -> String {
        let pairs = query.split(separator: "&").map { $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false) }
        func value(_ key: String) -> String? { pairs.first { $0[0] == key && $0.count == 2 && !$0[1].isEmpty }.map { String($0[1]) } }
        return value("ref") ?? value("version") ?? ""
    }

    /// At Azure's `_git/`, at `//`, or behind `.git`.
    private static func split(_ text: Substring) -> (repository: Substring, path: Substring)? {
        if let marker = text.firstRange(of: "_git/") {
            let end = text[marker.upperBound...].firstIndex(of: "/") ?? text.endIndex
            return (text[..<end], text[end...].drop { $0 == "/" })
        }
        if let marker = text.firstRange(of: "//") { return (text[..<marker.lowerBound], text[marker.upperBound...]) }
        if let marker = text.firstRange(of: ".git"), text[marker.upperBound...].first.map({ $0 == "/" }) ?? true {
            return (text[..<marker.upperBound], text[marker.upperBound...].drop { $0 == "/" })
        }
        return nil
    }

    /// Behind organization and repository.
    private static func splitBehindTwo(_ text: Substring) -> (repository: Substring, path: Substring)? {
        let parts = text.split(separator: "/", maxSplits: 2)
        guard parts.count >= 2 else { return nil }
        return (text[..<parts[1].endIndex], parts.count == 3 ? parts[2] : "")
    }
}
