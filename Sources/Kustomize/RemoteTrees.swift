package import Diagnostics

/// Gets the files of a commit elsewhere. The implementation decides which repositories may be asked, and keeps what it got.
package protocol RemoteSource: Sendable {
    func tree(of commit: RemoteCommit) async throws -> any FileTree
    /// What a branch or tag is at now; nil where only commits are followed.
    func commit(at name: RemoteName) async throws -> RemoteCommit?
}

extension RemoteSource {
    package func commit(at name: RemoteName) async throws -> RemoteCommit? { nil }
}

extension KustomizeBuild {
    /// The build with what it names by URL, fetched from `source` as far as it is needed and not there yet. Where the source does not follow
    /// branches and tags, only commits may be named, so that one tree builds to the same objects for ever.
    package func result(_ directory: String, from source: some RemoteSource) async throws(Diagnostics) -> BuildResult {
        var trees: [RemoteCommit: any FileTree] = [:]
        var followed: [RemoteName: RemoteCommit?] = [:]
        while true {
            let run = BuildRun(files: files, options: options, remotes: trees, followed: followed)
            do throws(Diagnostics) {
                var result = try run.result(directory)
                result.followed = followed.compactMapValues { $0 }
                return result
            } catch {
                // What is wrong besides is told once all that is missing is there.
                guard !run.missingRemotes.isEmpty || !run.missingNames.isEmpty else { throw error }
            }
            var findings = Diagnostics()
            if trees.count + run.missingRemotes.count + run.missingNames.count > options.limits.remotes {
                findings.append(Diagnostic(.error, "the build names more than \(options.limits.remotes) commits of other repositories"))
                throw findings
            }
            for (name, location) in run.missingNames.sorted(by: { $0.value < $1.value }) {
                do { followed[name] = .some(try await source.commit(at: name)) } catch {
                    findings.append(Self.problem("cannot look up \(name.text) of \(name.repository)", location, error))
                }
            }
            for (commit, location) in run.missingRemotes.sorted(by: { $0.value < $1.value }) {
                do { trees[commit] = try await source.tree(of: commit) } catch {
                    findings.append(Self.problem("cannot fetch commit \(commit.commit) of \(commit.repository)", location, error))
                }
            }
            try findings.throwIfErrors()
        }
    }

    private static func problem(_ summary: String, _ location: SourceLocation, _ error: any Error) -> Diagnostic {
        Diagnostic(.error, summary, at: location, cause: (error as? FileTreeError)?.reason ?? "\(error)")
    }
}

extension RemoteName {
    /// For messages.
    package var text: String { reference.isEmpty ? "the default branch" : "\"\(reference)\"" }
}

extension Place {
    private static let remedy = "put a copy into the repository"

    /// The fetched tree and the path in it that a URL names; nil, with a finding, when it may not be had or is not there yet.
    static func remote(
        _ url: Located<String>, isFile: Bool, _ run: BuildRun, _ findings: FileFindings
    ) -> (place: Place, path: String)? {
        guard let remotes = run.remotes else {
            findings.error(
                "\"\(url.value)\" is remote, and this build may not fetch anything", at: url.mark,
                remedy: "\(remedy), or \(run.options.remotePermission)")
            return nil
        }
        guard let reference = isFile ? RemoteReference(file: url.value) : RemoteReference(directory: url.value) else {
            findings.error(
                "\"\(url.value)\" is no \(isFile ? "file" : "directory") of a repository", at: url.mark,
                cause: "only files of repositories can be pinned to a commit", remedy: remedy)
            return nil
        }
        let known = run.followed[reference.name]
        if reference.commit == nil, known == nil {
            let location = findings.location(url.mark)
            run.missingNames[reference.name] = min(run.missingNames[reference.name] ?? location, location)
            findings.error("\"\(url.value)\" has not been looked up", at: url.mark)
            return nil
        }
        guard let commit = reference.commit ?? known ?? nil else {
            findings.error(
                "\"\(url.value)\" is not pinned to a commit", at: url.mark,
                cause: reference.reference.isEmpty ? "the default branch moves" : "\"\(reference.reference)\" may move",
                remedy: isFile ? "give the commit's id in the URL" : "name the commit by its full id: ?ref=<40 hexadecimal digits>")
            return nil
        }
        guard let tree = remotes[commit] else {
            let location = findings.location(url.mark)
            run.missingRemotes[commit] = min(run.missingRemotes[commit] ?? location, location)
            findings.error("\"\(url.value)\" has not been fetched", at: url.mark)
            return nil
        }
        return (Place(tree: tree, directory: "", remote: commit), reference.path)
    }
}
