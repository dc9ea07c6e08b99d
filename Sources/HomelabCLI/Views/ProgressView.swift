import Diagnostics
import Glibc
package import Provisioning

/// Draws what happens on the nodes: on a terminal one live row per node of the running phase, elsewhere a plain line per event.
package actor ProgressView {
    private struct Row {
        enum State { case waiting, running, done, failed, skipped }
        var state = State.waiting
        var step = ""
        var detail = ""
        var since = ContinuousClock.now
    }

    private let console: Console
    private var title = ""
    private var nodes: [String] = []
    private var rows: [String: Row] = [:]
    private var drawnLines = 0
    private var frame = 0
    private var ticker: Task<Void, Never>?
    private var lastDetail: [String: String] = [:]

    package init(console: Console) { self.console = console }

    package func show(_ event: ProvisioningEvent) {
        guard console.isTerminal else {
            showPlainly(event)
            return
        }
        apply(event)
        redraw()
    }

    /// Leaves the last state on the screen and stops redrawing.
    package func finish() {
        ticker?.cancel()
        ticker = nil
        if console.isTerminal { redraw() }
        drawnLines = 0
    }

    private func showPlainly(_ event: ProvisioningEvent) {
        switch event {
        case .stepProgress(_, _, let done, let total) where done < total: return
        case .phaseDone: return
        case .stepDetail(let node, let step, let text):
            // A wait tells its reason again and again; a reader of lines wants it once.
            guard lastDetail.updateValue(step + text, forKey: node) != step + text else { return }
            console.line(event.description)
        default: console.line(event.description)
        }
    }

    private func apply(_ event: ProvisioningEvent) {
        switch event {
        case .phaseStarted(let title, let nodes, let index, let count):
            finishPhase()
            self.title = "[\(index)/\(count)] \(title)"
            self.nodes = nodes
            rows = Dictionary(uniqueKeysWithValues: nodes.map { ($0, Row()) })
            console.line(console.styled(self.title, .bold))
            startTicking()
        case .phaseDone(_, let elapsed):
            redraw()
            drawnLines = 0
            nodes = []
            console.line(console.styled("      done in \(elapsed.inSeconds)", .dim))
        case .stepStarted(let node, let step): update(node) { $0 = Row(state: .running, step: step) }
        case .stepDetail(let node, _, let text): update(node) { $0.detail = text }
        case .stepProgress(let node, _, let done, let total):
            update(node) { $0.detail = "\(done / 1_048_576) of \(total / 1_048_576) MiB" }
        case .stepDone(let node, _, _):
            update(node) {
                $0.state = .done
                $0.detail = ""
            }
        case .stepFailed(let node, let step, _, let diagnostic):
            update(node) { $0 = Row(state: .failed, step: step, detail: diagnostic.summary) }
        case .stepSkipped(let node, let step, let reason): update(node) { $0 = Row(state: .skipped, step: step, detail: reason) }
        case .note(let node, let text):
            erase()
            console.line("      " + (node.map { $0 + ": " } ?? "") + text)
        }
    }

    private func update(_ node: String, _ change: (inout Row) -> Void) {
        if rows[node] == nil { nodes.append(node) }
        change(&rows[node, default: Row()])
    }

    private func finishPhase() {
        if !nodes.isEmpty { redraw() }
        drawnLines = 0
    }

    private func startTicking() {
        guard ticker == nil else { return }
        ticker = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(120))
                await self?.redraw()
            }
        }
    }

    private func erase() {
        if drawnLines > 0 { console.raw("\u{1B}[\(drawnLines)A\u{1B}[J") }
        drawnLines = 0
    }

    private func redraw() {
        guard !nodes.isEmpty else { return }
        frame += 1
        erase()
        let width = Self.terminalWidth()
        let nameWidth = nodes.map(\.count).max() ?? 0
        let lines = nodes.map { node in
            let row = rows[node] ?? Row()
            let name = node + String(repeating: " ", count: nameWidth - node.count)
            var text = "\(name)  \(row.step)"
            if !row.detail.isEmpty { text += ": " + row.detail }
            let elapsed = row.state == .running ? "  (\((ContinuousClock.now - row.since).inSeconds))" : ""
            // However long the reason is, how long it has lasted is seen.
            let room = max(width - 5 - elapsed.count, 20)
            if text.count > room { text = text.prefix(room - 1) + "…" }
            return "  " + mark(row.state) + " " + text + elapsed
        }
        console.raw(lines.joined(separator: "\n") + "\n")
        drawnLines = lines.count
    }

    private func mark(_ state: Row.State) -> String {
        switch state {
        case .waiting: console.styled("·", .dim)
        case .running: console.styled(String("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".dropFirst(frame % 10).first ?? "·"), .cyan)
        case .done: console.styled("✓", .green)
        case .failed: console.styled("✗", .red)
        case .skipped: console.styled("-", .yellow)
        }
    }

    private static func terminalWidth() -> Int {
        var size = winsize()
        return ioctl(1, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 100
    }
}
