import Provisioning

/// The nodes of a running phase as rows: what each does, what it waits for, for how long.
struct LiveTable {
    struct Row {
        enum State { case waiting, running, done, failed, skipped }
        var state = State.waiting
        var step = ""
        /// What the step waits for, with the last reason the node gave.
        var detail = ""
        var since = ContinuousClock.now
        /// How long the step took; nil while it is under way.
        var elapsed: Duration?
    }

    private(set) var nodes: [String] = []
    private(set) var rows: [String: Row] = [:]

    init(nodes: [String] = []) {
        self.nodes = nodes
        rows = Dictionary(nodes.map { ($0, Row()) }) { first, _ in first }
    }

    mutating func update(_ node: String, _ change: (inout Row) -> Void) {
        if rows[node] == nil { nodes.append(node) }
        change(&rows[node, default: Row()])
    }

    /// The lines of a screen of this size; none of them reaches its last column, where some terminals begin a new line.
    /// - Parameters:
    ///   - height: of the screen. What does not fit, the title above and the cursor's line below counted, is told in one line.
    ///   - frame: of the signs that turn.
    func lines(width: Int, height: Int, frame: Int, now: ContinuousClock.Instant, _ console: Console) -> [String] {
        let room = max(1, height - 2)
        let shown = nodes.count <= room ? nodes : chosen(room - 1)
        let names = min(nodes.map { TerminalText.width($0) }.max() ?? 0, max(4, width / 3))
        var lines = shown.map { line($0, names, width - 1, frame, now, console) }
        if shown.count < nodes.count { lines.append(TerminalText.fitted(rest(without: Set(shown)), width - 1)) }
        return lines
    }

    /// What needs eyes comes first into a screen that is too small: failures, then work under way; in the order of the nodes.
    private func chosen(_ count: Int) -> [String] {
        let order: [Row.State] = [.failed, .running, .skipped, .waiting, .done]
        let chosen = order.flatMap { state in nodes.filter { rows[$0]?.state == state } }.prefix(max(0, count))
        return nodes.filter { chosen.contains($0) }
    }

    private func rest(without shown: Set<String>) -> String {
        let hidden = nodes.filter { !shown.contains($0) }.compactMap { rows[$0]?.state }
        let counts: [(Row.State, String)] = [
            (.failed, "failed"), (.running, "at work"), (.skipped, "left out"), (.waiting, "waiting"), (.done, "done"),
        ]
        let parts = counts.map { state, word in (hidden.count { $0 == state }, word) }.filter { $0.0 > 0 }
        return "  and \(hidden.count) more: " + parts.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    }

    private func line(
        _ node: String, _ names: Int, _ columns: Int, _ frame: Int, _ now: ContinuousClock.Instant, _ console: Console
    ) -> String {
        let row = rows[node] ?? Row()
        let name = TerminalText.fitted(node, names)
        var text = name + String(repeating: " ", count: max(0, names - TerminalText.width(name)))
        text += "  " + (row.state == .waiting ? "waits for its turn" : row.step)
        if !row.detail.isEmpty { text += ": " + row.detail }
        let time = row.elapsed ?? (row.state == .running ? now - row.since : nil)
        let elapsed = time.map { "  (\($0.inSeconds))" } ?? ""
        // However long the reason is, how long it has lasted is seen; on a screen that is too narrow for both, what is done is.
        let room = columns - 4
        let tail = room - elapsed.count >= names + 8 ? elapsed : ""
        guard room > 0 else { return "" }
        return "  " + mark(row.state, frame, console) + " " + TerminalText.fitted(text, room - tail.count) + console.styled(tail, .dim)
    }

    private func mark(_ state: Row.State, _ frame: Int, _ console: Console) -> String {
        switch state {
        case .waiting: console.styled("·", .dim)
        case .running: console.styled(String(Array("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[frame % 10]), .cyan)
        case .done: console.styled("✓", .green)
        case .failed: console.styled("✗", .red)
        case .skipped: console.styled("-", .yellow)
        }
    }
}
