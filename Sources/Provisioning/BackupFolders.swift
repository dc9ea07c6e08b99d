internal import FileSystem

/// The copies from before changes, on the machine that makes the changes: a folder for each, `home-2026-11-24T04-10-00Z`, with the data and
/// the token that opens them.
enum BackupFolders {
    /// As many as `NodeScripts` keeps on a node.
    private static let kept = 5

    /// Removes older ones, and what copies that broke off left; a folder that cannot be removed is no reason against a change.
    /// - Parameters:
    ///   - new: the folder of the copy that was just made.
    ///   - beginning: of the names of an upgrade's snapshots; the oldest of them stays too, since one that was interrupted is taken back
    ///     with it.
    static func prune(_ directory: String, cluster: String, new: String, beginning: String?) {
        let older = ((try? Files.list(directory)) ?? []).filter { RunRecorder.isFolder($0, of: cluster) && $0 < Files.baseName(new) }
        var (whole, removed): ([String], [String]) = ([], [])
        var first: String?
        for name in older {
            let files = ((try? Files.list("\(directory)/\(name)")) ?? []).filter { $0 != "token" }
            // What somebody put there is theirs.
            guard files.allSatisfy({ isCopy($0.hasSuffix(".part") ? $0.dropLast(5) : $0[...]) }) else { continue }
            guard let copy = files.first(where: { !$0.hasSuffix(".part") }) else {
                removed.append(name)
                continue
            }
            whole.append(name)
            if first == nil, let beginning, copy.hasPrefix(beginning) { first = name }
        }
        removed += whole.dropLast(kept - 1).filter { $0 != first }
        for name in removed { try? Files.removeTree("\(directory)/\(name)") }
    }

    /// `homelab-before-…-1795400000`, perhaps packed, or `sqlite-20261124T041000Z.tar`: what the scripts of the two steps name their copies.
    private static func isCopy(_ name: Substring) -> Bool {
        let shape = String(name.map { $0.isASCII && $0.isNumber ? "0" : $0 })
        if shape == "sqlite-00000000T000000Z.tar" { return true }
        return shape.hasPrefix("homelab-before-") && (shape.hasSuffix("-0000000000") || shape.hasSuffix("-0000000000.zip"))
    }
}
