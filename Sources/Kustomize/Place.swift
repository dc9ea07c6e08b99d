import Diagnostics
import YAML

/// A directory in some tree: where a kustomization's paths start from.
struct Place {
    let tree: any FileTree
    /// Resolved, from the tree's root.
    let directory: String
    /// The commit that the tree was fetched from, which nothing may leave; nil in the build's own tree.
    var remote: RemoteCommit?

    /// What a path in the kustomization leads to.
    enum Target {
        case file(String)
        case directory(Place)
        /// Nothing, or nothing that may be had, and why.
        case none(String)
    }

    func resolve(_ path: String, _ run: BuildRun) -> Target {
        guard let joined = Path.join(directory, path) else { return .none("it leads out of the tree") }
        if remote == nil { run.inputs.insert(joined) }
        do throws(FileTreeError) {
            guard let entry = try tree.resolve(joined) else { return .none("there is no such file or directory") }
            if remote == nil { run.inputs.insert(entry.path) }
            if entry.isDirectory {
                if path.hasPrefix("/") { return .none("a directory must be given by a relative path") }
                return .directory(Place(tree: tree, directory: entry.path, remote: remote))
            }
            if run.options.loadRestriction == .rootOnly, !Path.isWithin(entry.path, directory) {
                return .none("it is not in or below the kustomization's directory")
            }
            return .file(entry.path)
        } catch {
            return .none(error.reason)
        }
    }

    /// The bytes of a file, with a finding when they cannot be had.
    func read(
        _ path: Located<String>, _ run: BuildRun, _ findings: FileFindings, for use: FileUse = .content
    ) -> [UInt8]? {
        if RemoteReference.isFile(path.value) { return fetch(path, run, findings, use) }
        switch resolve(path.value, run) {
        case .file(let resolved): return read(resolved: resolved, path, run, findings, for: use)
        case .directory: findings.error("\"\(path.value)\" is a directory where a file is expected", at: path.mark)
        case .none(let reason):
            findings.error("cannot read \"\(path.value)\"", at: path.mark, cause: reason, remedy: Self.remedy(reason))
        }
        return nil
    }

    static func remedy(_ reason: String) -> String? {
        reason.contains("in or below") ? "move the file, or allow it with --load-restrictor LoadRestrictionsNone" : nil
    }

    func read(
        resolved: String, _ path: Located<String>, _ run: BuildRun, _ findings: FileFindings, for use: FileUse = .content
    ) -> [UInt8]? {
        do throws(FileTreeError) {
            let bytes = try tree.read(resolved, limit: run.options.limits.fileBytes, for: use)
            try run.countFile(bytes.count)
            return bytes
        } catch {
            findings.diagnostics.append(contentsOf: Diagnostics(error.problems))
            if error.problems.isEmpty { findings.error("cannot read \"\(path.value)\"", at: path.mark, cause: error.reason) }
            return nil
        }
    }

    private func fetch(_ path: Located<String>, _ run: BuildRun, _ findings: FileFindings, _ use: FileUse) -> [UInt8]? {
        guard let (place, inside) = Self.remote(path, isFile: true, run, findings) else { return nil }
        return place.read(Located(value: inside, mark: path.mark), run, findings, for: use)
    }
}
