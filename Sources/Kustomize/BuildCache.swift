package import Diagnostics
import Synchronization

/// Builds again only what changed: keeps of every directory the last result with all that was read, looked for and listed for it, and
/// gives that result back as long as another tree says the same of all of it.
///
/// One per repository. A failed build is kept as well as one that worked; what was fetched from elsewhere is pinned to commits and
/// cannot change. Safe to be used from several tasks; two that ask for one directory at a time may both build it.
package final class BuildCache: Sendable {
    private struct Entry: Sendable {
        var options: BuildOptions
        var record: [RecordedTree.Question: RecordedTree.Answer]
        var result: Result<BuildResult, Diagnostics>
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var builds = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// How often a directory had to be built.
    package var builds: Int { state.withLock { $0.builds } }

    /// What `directory` builds to in `files`. A directory that is built with several options at once has a `unit` for each, a name of
    /// the caller's choice.
    package func result(
        of directory: String, in files: some FileTree, options: BuildOptions = BuildOptions(), unit: String = ""
    ) throws(Diagnostics) -> BuildResult {
        if let known = known(directory, files, options, unit) { return try known.get() }
        let recorded = RecordedTree(files)
        let result = Result { () throws(Diagnostics) in try KustomizeBuild(files: recorded, options: options).result(directory) }
        keep(result, directory, recorded, options, unit)
        return try result.get()
    }

    /// The same with what the directory names by URL fetched from `source`.
    package func result(
        of directory: String, in files: some FileTree, from source: some RemoteSource, options: BuildOptions = BuildOptions(),
        unit: String = ""
    ) async throws(Diagnostics) -> BuildResult {
        if let known = known(directory, files, options, unit), case .success(let result) = known { return result }
        let recorded = RecordedTree(files)
        let build = KustomizeBuild(files: recorded, options: options)
        let result: Result<BuildResult, Diagnostics>
        do throws(Diagnostics) { result = .success(try await build.result(directory, from: source)) } catch { result = .failure(error) }
        keep(result, directory, recorded, options, unit)
        return try result.get()
    }

    /// Forgets the units that are no more.
    package func forget(allBut units: Set<String>) {
        state.withLock { state in state.entries = state.entries.filter { units.contains(Self.unit(of: $0.key)) } }
    }

    private func known(
        _ directory: String, _ files: some FileTree, _ options: BuildOptions, _ unit: String
    ) -> Result<BuildResult, Diagnostics>? {
        guard let entry = state.withLock({ $0.entries[Self.key(directory, unit)] }), entry.options == options,
            entry.record.holds(in: files)
        else { return nil }
        return entry.result
    }

    private func keep(
        _ result: Result<BuildResult, Diagnostics>, _ directory: String, _ recorded: RecordedTree, _ options: BuildOptions, _ unit: String
    ) {
        let entry = Entry(options: options, record: recorded.record, result: result)
        state.withLock { state in
            state.entries[Self.key(directory, unit)] = entry
            state.builds += 1
        }
    }

    private static func key(_ directory: String, _ unit: String) -> String { unit + "\u{0}" + directory }
    private static func unit(of key: String) -> String { String(key.prefix { $0 != "\u{0}" }) }
}
