import Diagnostics
import Glibc
package import Provisioning

/// Shows what happens on the nodes: on a terminal one live row per node of the running phase, elsewhere a plain line per event.
package actor ProgressView {
    /// The screen: where it is written to, and how large it is.
    struct Screen: Sendable {
        var write: @Sendable (String) -> Void
        var size: @Sendable () -> (columns: Int, rows: Int)

        static let standard = Screen(
            write: { Console.standard.raw($0) },
            size: {
                var size = winsize()
                let isKnown = ioctl(1, UInt(TIOCGWINSZ), &size) == 0
                return (isKnown && size.ws_col > 0 ? Int(size.ws_col) : 80, isKnown && size.ws_row > 0 ? Int(size.ws_row) : 24)
            })
    }

    private let console: Console
    private let screen: Screen
    private let ticks: Bool
    private var table = LiveTable()
    /// What is on the screen: so many lines, drawn at this size after so many questions.
    private var drawn: (lines: Int, columns: Int, rows: Int, questions: Int) = (0, 0, 0, 0)
    /// The size at the last look, and whether it has stayed the same since.
    private var seen: (columns: Int, rows: Int) = (0, 0)
    private var frame = 0
    private var ticker: Task<Void, Never>?
    /// When a node was last heard of in plain lines.
    private var told: [String: ContinuousClock.Instant] = [:]
    private var lastDetail: [String: String] = [:]

    /// In plain lines a step that goes on for so long without a word is told again.
    static let patience: Duration = .seconds(60)

    package init(console: Console) { self.init(console: console, screen: .standard) }

    /// - Parameter ticks: go on drawing between events.
    init(console: Console, screen: Screen, ticks: Bool = true) {
        self.console = console
        self.screen = screen
        self.ticks = ticks
    }

    /// Shows all that `body` tells, until it ends.
    package static func following<T>(
        _ console: Console, _ body: (@escaping @Sendable (ProvisioningEvent) -> Void) async throws -> T
    ) async throws -> T {
        let view = ProgressView(console: console)
        let (events, feed) = AsyncStream<ProvisioningEvent>.makeStream()
        let drawing = Task { for await event in events { await view.show(event) } }
        let outcome: Result<T, any Error>
        do { outcome = .success(try await body { feed.yield($0) }) } catch { outcome = .failure(error) }
        feed.finish()
        await drawing.value
        await view.finish()
        return try outcome.get()
    }

    package func show(_ event: ProvisioningEvent) {
        if console.isTerminal { showLive(event) } else { showPlainly(event) }
        startTicking()
    }

    /// Leaves the last state on the screen and stops redrawing.
    package func finish() {
        ticker?.cancel()
        ticker = nil
        leave()
        table = LiveTable()
    }

    // MARK: Plain lines

    private func showPlainly(_ event: ProvisioningEvent) {
        follow(event)
        switch event {
        case .stepProgress(_, _, let done, let total) where done < total: return
        case .phaseDone: return
        case .stepDetail(let node, let step, let text):
            // A wait tells its reason again and again; a reader of lines wants it once.
            guard lastDetail.updateValue(step + text, forKey: node) != step + text else { return }
        default: break
        }
        if let node = event.node { told[node] = .now }
        screen.write(event.description + "\n")
    }

    /// A long wait says what it waits for, also to whoever reads lines.
    func remind(at now: ContinuousClock.Instant = .now) {
        for node in table.nodes {
            guard let row = table.rows[node], row.state == .running, now - (told[node] ?? now) >= Self.patience else { continue }
            told[node] = now
            let reason = row.detail.isEmpty ? "" : ": " + row.detail
            screen.write("\(node): \(row.step): still at it after \((now - row.since).inSeconds)\(reason)\n")
        }
    }

    // MARK: On a terminal

    private func showLive(_ event: ProvisioningEvent) {
        switch event {
        case .phaseStarted(let title, _, let index, let count):
            leave()
            follow(event)
            screen.write(console.styled("[\(index)/\(count)] \(title)", .bold) + "\n")
            draw()
        case .phaseDone(_, let elapsed):
            leave()
            table = LiveTable()
            screen.write(console.styled("      done in \(elapsed.inSeconds)", .dim) + "\n")
        case .note(let node, let text):
            erase()
            screen.write("      " + (node.map { $0 + ": " } ?? "") + text + "\n")
            draw()
        // The next tick shows it: an upload tells its progress a hundred times a second.
        default: follow(event)
        }
    }

    private func follow(_ event: ProvisioningEvent) {
        switch event {
        case .phaseStarted(_, let nodes, _, _): table = LiveTable(nodes: nodes)
        case .phaseDone, .note: break
        case .stepStarted(let node, let step): table.update(node) { $0 = LiveTable.Row(state: .running, step: step) }
        case .stepDetail(let node, _, let text): table.update(node) { $0.detail = text }
        case .stepProgress(let node, _, let done, let total):
            table.update(node) { $0.detail = "\(done / 1_048_576) of \(total / 1_048_576) MiB" }
        case .stepDone(let node, _, let elapsed):
            table.update(node) {
                $0.state = .done
                $0.detail = ""
                $0.elapsed = elapsed
            }
        case .stepFailed(let node, let step, let elapsed, let diagnostic):
            table.update(node) { $0 = LiveTable.Row(state: .failed, step: step, detail: diagnostic.summary, elapsed: elapsed) }
        case .stepSkipped(let node, let step, let reason):
            // What failed stays to be seen when the rest of its node is left out.
            table.update(node) { if $0.state != .failed { $0 = LiveTable.Row(state: .skipped, step: step, detail: reason) } }
        }
    }

    private func startTicking() {
        guard ticks, ticker == nil else { return }
        let pause: Duration = console.isTerminal ? .milliseconds(120) : .seconds(1)
        ticker = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: pause)
                await self?.tick()
            }
        }
    }

    private func tick() {
        if Task.isCancelled { return }
        if console.isTerminal { draw() } else { remind() }
    }

    /// Draws the last state for good.
    private func leave() {
        guard console.isTerminal else { return }
        draw(isLast: true)
        drawn.lines = 0
    }

    private func erase() {
        _ = TerminalQuestion.drawing { questions in
            let size = screen.size()
            if drawn.lines > 0, isStill(size, questions) { screen.write("\u{1B}[\(drawn.lines)A\u{1B}[J") }
            drawn.lines = 0
        }
    }

    /// Whether what was drawn is where it was: a screen of another width may have broken its lines anew, and after a question it is further up.
    /// Then it is left there, and the table goes on below.
    private func isStill(_ size: (columns: Int, rows: Int), _ questions: Int) -> Bool {
        drawn.columns == size.columns && drawn.rows == size.rows && drawn.questions == questions
    }

    /// Draws the table over the one before.
    func draw(isLast: Bool = false) {
        guard !table.nodes.isEmpty else { return }
        let size = screen.size()
        let isSettled = size == seen
        seen = size
        _ = TerminalQuestion.drawing { questions in
            if drawn.lines > 0, !isStill(size, questions) {
                // A window that is being drawn larger or smaller is waited for, so that it is not filled with tables.
                if !isSettled, !isLast { return }
                drawn.lines = 0
            }
            frame += 1
            let lines = table.lines(width: size.columns, height: size.rows, frame: frame, now: .now, console)
            var text = drawn.lines > 0 ? "\u{1B}[\(drawn.lines)A" : ""
            for line in lines { text += "\r" + line + "\u{1B}[K\n" }
            if lines.count < drawn.lines { text += "\u{1B}[J" }
            screen.write(text)
            drawn = (lines.count, size.columns, size.rows, questions)
        }
    }
}
