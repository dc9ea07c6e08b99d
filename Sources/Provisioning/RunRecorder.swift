package import Diagnostics
internal import FileSystem
internal import Glibc
internal import Synchronization

/// Where a run's events go: to whoever draws them, and with every command and its output to one log file per node, secrets blanked.
package final class RunRecorder: Sendable {
    /// The folder of this run's log files; nil when none are kept.
    package let folder: String?
    private let forward: @Sendable (ProvisioningEvent) -> Void
    private let scrubber: Mutex<Scrubber>
    private let start = ContinuousClock.now
    private let hasTrouble = Mutex(false)

    /// - Parameter folder: made (0700) when missing; log files in it are 0600.
    /// - Throws: `Diagnostic` when it cannot be made.
    package init(folder: String?, forward: @escaping @Sendable (ProvisioningEvent) -> Void) throws(Diagnostic) {
        if let folder {
            do throws(FileError) { try Files.makeDirectory(folder, mode: 0o700) } catch {
                throw Diagnostic(
                    .error, "the folder for the nodes' log files cannot be made, so nothing was begun", subject: folder,
                    cause: error.description,
                    remedy:
                        "See that it can be written there; `XDG_STATE_HOME=FOLDER homelab …` keeps what homelab writes in another place.")
            }
        }
        if let folder { RunLogs.rotate(folder) }
        self.folder = folder
        self.forward = forward
        scrubber = Mutex(Scrubber())
    }

    /// From now on `secret` is blanked wherever it turns up.
    package func conceal(_ secret: Secret) { scrubber.withLock { $0.add(secret) } }

    package func scrub(_ text: String) -> String { scrubber.withLock { $0 }.scrub(text) }

    func scrubbed(_ finding: Diagnostic) -> Diagnostic { finding.replacingTexts(scrub) }

    /// The same error with no secret in the words it quotes.
    func scrubbed(_ error: any Error) -> any Error {
        switch error {
        case let many as Diagnostics: Diagnostics(many.all.map { scrubbed($0) })
        case let one as Diagnostic: scrubbed(one)
        case let lost as HostError: HostError(lost.kind, node: lost.node, scrubbed(lost.diagnostic))
        default: error
        }
    }

    package func emit(_ event: ProvisioningEvent) {
        if case .stepProgress = event {
            forward(event)
            return
        }
        let clean = event.replacingTexts(scrub)
        write(clean.description, node: clean.node)
        forward(clean)
    }

    /// Tells `event` when `body`, which waits for a machine to answer, takes longer than a machine that answers does.
    func tellingSlowness<T: Sendable>(_ event: ProvisioningEvent, _ body: () async throws -> T) async rethrows -> T {
        let word = Task {
            try await Task.sleep(for: .seconds(3))
            emit(event)
        }
        defer { word.cancel() }
        return try await body()
    }

    /// A line for the node's log file only: a command, its output, a journal line.
    package func log(_ node: String, _ text: String) {
        guard folder != nil else { return }
        let lines = scrub(text).split(whereSeparator: \.isNewline)
        for line in lines.prefix(400) { write("    " + line, node: node) }
        if lines.count > 400 { write("    (and \(lines.count - 400) more lines)", node: node) }
    }

    /// A log that cannot be written (full disk) must not stop the work on the nodes: it is told once, and the work goes on.
    private func write(_ line: String, node: String?) {
        guard let folder else { return }
        let text = "\(Self.timeOfDay()) +\((ContinuousClock.now - start).inSeconds)  \(line)\n"
        do throws(FileError) {
            try Files.append(Array(text.utf8), to: "\(folder)/\(node ?? "run").log", mode: 0o600)
        } catch {
            let isNew = hasTrouble.withLock { had in
                defer { had = true }
                return !had
            }
            if isNew { forward(.note(node: nil, text: "the log of this run is not whole: \(error)")) }
        }
    }

    private static func timeOfDay() -> String {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }

    /// A folder name for a run that starts now: `2026-11-24T04-10-00Z`, sortable and without characters shells read.
    package static func folderName() -> String {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return
            "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour))-\(two(parts.tm_min))-\(two(parts.tm_sec))Z"
    }

    /// Whether a folder is one that was named by `folderName` for this cluster: `home-lab-2026…` is of another one than `home`.
    static func isFolder(_ name: String, of cluster: String) -> Bool {
        guard name.hasPrefix(cluster + "-") else { return false }
        let rest = name.dropFirst(cluster.count + 1)
        let shape = rest.prefix(20).map { $0.isASCII && $0.isNumber ? "0" : $0 }
        let number = rest.dropFirst(20)
        return String(shape) == "0000-00-00T00-00-00Z" && (number.isEmpty || number.first == "-" && Int(number.dropFirst()) != nil)
    }
}
