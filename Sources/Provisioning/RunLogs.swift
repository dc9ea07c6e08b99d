internal import FileSystem

/// The log files of runs on an operator's machine: a folder for each run, `home-2026-11-24T04-10-00Z`.
enum RunLogs {
    /// Older ones go when a run begins.
    private static let kept = 100
    /// Bytes; a log file that is longer when a run begins is put aside as `NAME.log.1`, in place of the one before.
    private static let longest = 4 << 20

    /// The folder for a run over the cluster that begins now, of a name that no run before has.
    static func begin(in directory: String, cluster: String) -> String {
        let stem = "\(cluster)-\(RunRecorder.folderName())"
        let folder = ([stem] + (2...99).map { "\(stem)-\($0)" }).lazy.map { "\(directory)/\($0)" }.first { !Files.exists($0) }
        prune(directory, cluster)
        return folder ?? "\(directory)/\(stem)"
    }

    /// A folder of old logs that cannot be removed is no reason against a run.
    private static func prune(_ directory: String, _ cluster: String) {
        let old = ((try? Files.list(directory)) ?? []).filter { RunRecorder.isFolder($0, of: cluster) }.dropLast(kept - 1)
        for name in old { try? Files.removeTree("\(directory)/\(name)") }
    }

    /// Puts log files aside that have grown too long, in a folder that many runs write to.
    static func rotate(_ folder: String) {
        for name in (try? Files.list(folder)) ?? [] where name.hasSuffix(".log") {
            guard let status = try? Files.status("\(folder)/\(name)"), status.size > longest else { continue }
            try? Files.move("\(folder)/\(name)", to: "\(folder)/\(name).1")
        }
    }
}
