import Git
import Kustomize

/// Puts the files of a tree's submodules in their places (gitmodules(5)), each at the commit that the tree names.
struct Submodules: Sendable {
    private let commits: RemoteCommits

    private static let depthLimit = 5

    init(_ commits: RemoteCommits) { self.commits = commits }

    /// - Parameters:
    ///   - file: the `.gitmodules` of the commit.
    ///   - url: where the tree comes from, which relative URLs begin at.
    ///   - isKept: whether a file at a path of the tree is wanted.
    ///   - old: a tree whose files are not read again.
    func filled(
        _ tree: GitTree, file: String, of url: String, keeping isKept: @escaping @Sendable (String) -> Bool, reusing old: GitTree?,
        depth: Int = 0
    ) async throws(SourceProblem) -> GitTree {
        let missing = tree.entries.filter { $0.value.kind == .submodule }
        guard !missing.isEmpty else { return tree }
        guard depth < Self.depthLimit else {
            throw SourceProblem(.other, "submodules are nested more than \(Self.depthLimit) deep below \(url)")
        }
        let urls = Self.urls(in: file)
        var entries = tree.entries
        var size = entries.reduce(0) { isKept($1.key) ? $0 + $1.value.bytes.count : $0 }
        for (path, entry) in missing.sorted(by: { $0.key < $1.key }) {
            // Without a URL it is an empty directory, as a clone leaves it.
            guard let text = urls[path] else { continue }
            let place = Self.absolute(text, from: url)
            let part: GitTree
            do {
                let whole = try await commits.files(
                    of: RemoteCommit(repository: place, commit: entry.id.hex),
                    keeping: { $0 == ".gitmodules" || isKept("\(path)/\($0)") }, reusing: old)
                part = try await filled(
                    whole, file: whole.text(".gitmodules") ?? "", of: place, keeping: { isKept("\(path)/\($0)") }, reusing: old,
                    depth: depth + 1)
            } catch let problem as SourceProblem {
                throw problem
            } catch let error as GitError where error.kind == .tooLarge {
                throw SourceProblem(.tooLarge, "the submodule \(path) is too large: \(error.message)")
            } catch {
                throw SourceProblem(.other, "the submodule \(path) cannot be fetched: \((error as? FileTreeError)?.reason ?? "\(error)")")
            }
            entries[path] = nil
            for (name, file) in part.entries where isKept("\(path)/\(name)") || file.kind == .submodule {
                entries["\(path)/\(name)"] = file
                size += file.bytes.count
            }
            guard size <= GitTree.sizeLimit, entries.count <= GitTree.entryLimit else {
                throw SourceProblem(
                    .tooLarge,
                    "the files of \(url) and its submodules are larger than \(GitTree.sizeLimit >> 20) MiB together, or more than "
                        + "\(GitTree.entryLimit)")
            }
        }
        return GitTree(commit: tree.commit, entries: entries)
    }

    /// URL by path, of a file in the grammar of git-config(1).
    static func urls(in file: String) -> [String: String] {
        var urls: [String: String] = [:]
        var (path, url) = ("", "")
        let lines: [Substring] = file.split(whereSeparator: \.isNewline) + ["["]
        for line in lines {
            let line = line.drop { $0.isWhitespace }
            if line.hasPrefix("[") {
                if !path.isEmpty, !url.isEmpty { urls[path] = url }
                (path, url) = ("", "")
                continue
            }
            let pair = line.split(separator: "=", maxSplits: 1).map { $0.trimmingSpaces }
            guard pair.count == 2 else { continue }
            switch pair[0].lowercased() {
            case "path": path = pair[1]
            case "url": url = pair[1]
            default: break
            }
        }
        return urls
    }

    /// `../tools.git` beside the repository that names it (git-submodule(1)).
    static func absolute(_ url: String, from base: String) -> String {
        guard url.hasPrefix("./") || url.hasPrefix("../") else { return url }
        var (base, rest) = (base.hasSuffix("/") ? base.dropLast() : base[...], url[...])
        while true {
            if rest.hasPrefix("./") {
                rest = rest.dropFirst(2)
            } else if rest.hasPrefix("../"), let slash = base.lastIndex(of: "/") {
                rest = rest.dropFirst(3)
                base = base[..<slash]
            } else {
                return "\(base)/\(rest)"
            }
        }
    }
}

extension Substring {
    /// Without space and quotes around it.
    fileprivate var trimmingSpaces: String {
        var text = drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text = text.dropLast() }
        if text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") { text = text.dropFirst().dropLast() }
        return String(text)
    }
}
