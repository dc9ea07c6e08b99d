import Diagnostics
import Provisioning
import Synchronization
import Testing

@testable import HomelabCLI

/// A terminal of a size that may change, as far as the live table uses one: what a person sees after each write.
private final class Terminal: Sendable {
    private struct State {
        var columns: Int
        var rows: Int
        var lines: [String] = [""]
        /// The line the cursor is in, and its column.
        var row = 0
        var column = 0
        var written = ""
    }

    private let state: Mutex<State>

    init(columns: Int, rows: Int) { state = Mutex(State(columns: columns, rows: rows)) }

    var screen: ProgressView.Screen {
        ProgressView.Screen(write: { [self] in write($0) }, size: { [self] in state.withLock { ($0.columns, $0.rows) } })
    }

    func resize(columns: Int, rows: Int) { state.withLock { ($0.columns, $0.rows) = (columns, rows) } }

    /// All lines so far, those that have scrolled away too, without blanks at their ends.
    var lines: [String] {
        state.withLock { state in
            state.lines.map { line in String(line.reversed().drop { $0 == " " }.reversed()) }.reversed().drop { $0.isEmpty }.reversed()
        }
    }

    var written: String { state.withLock { $0.written } }

    private func write(_ text: String) {
        state.withLock { state in
            state.written += text
            var rest = Array(text)[...]
            while let character = rest.popFirst() {
                switch character {
                case "\u{1B}":
                    rest = rest.dropFirst()
                    let digits = rest.prefix { $0.isNumber || $0 == ";" }
                    rest = rest.dropFirst(digits.count)
                    obey(rest.popFirst() ?? "m", Int(String(digits)) ?? 1, &state)
                case "\r": state.column = 0
                case "\n": newLine(&state)
                default: put(character, &state)
                }
            }
        }
    }

    private func obey(_ letter: Character, _ count: Int, _ state: inout State) {
        switch letter {
        // The cursor does not leave the screen.
        case "A": state.row = max(state.row - count, max(0, state.lines.count - state.rows))
        case "K": state.lines[state.row] = String(state.lines[state.row].prefix(state.column))
        case "J":
            state.lines[state.row] = String(state.lines[state.row].prefix(state.column))
            state.lines.removeSubrange((state.row + 1)...)
        default: break
        }
    }

    private func newLine(_ state: inout State) {
        state.row += 1
        state.column = 0
        if state.row == state.lines.count { state.lines.append("") }
    }

    private func put(_ character: Character, _ state: inout State) {
        if state.column == state.columns { newLine(&state) }
        var line = Array(state.lines[state.row])
        while line.count <= state.column { line.append(" ") }
        line[state.column] = character
        state.lines[state.row] = String(line)
        state.column += 1
    }
}

@Suite struct LiveTableTests {
    private let console = Console(isTerminal: true, hasColour: false)
    private let coloured = Console(isTerminal: true, hasColour: true)

    private func table(_ count: Int) -> LiveTable {
        var table = LiveTable(nodes: (1...count).map { "machine-\($0)" })
        for number in 1...count {
            table.update("machine-\(number)") {
                $0 = LiveTable.Row(state: .running, step: "wait for the k3s server", detail: "the API server is not ready: etcd is not up")
            }
        }
        return table
    }

    @Test func aRowSaysNodeStepReasonAndTime() throws {
        let table = table(1)
        let since = try #require(table.rows["machine-1"]?.since)
        let lines = table.lines(width: 120, height: 10, frame: 0, now: since + .seconds(75), console)
        #expect(lines == ["  ⠋ machine-1  wait for the k3s server: the API server is not ready: etcd is not up  (75 s)"])
        let narrow = table.lines(width: 50, height: 10, frame: 0, now: since + .seconds(75), console)
        #expect(narrow == ["  ⠋ machine-1  wait for the k3s server: …  (75 s)"])
        #expect(LiveTable(nodes: ["m1"]).lines(width: 80, height: 10, frame: 0, now: .now, console) == ["  · m1  waits for its turn"])
    }

    @Test(arguments: [1, 2, 4, 5, 8, 12, 20, 26, 40, 80, 200]) func noLineReachesTheLastColumn(_ width: Int) {
        for height in [1, 2, 3, 5, 24] {
            let lines = table(8).lines(width: width, height: height, frame: 3, now: .now, console)
            #expect(lines.count <= max(1, height - 2))
            for line in lines { #expect(TerminalText.width(line) <= max(0, width - 1), "\(width): \(line)") }
        }
    }

    @Test func wideCharactersAndControlsOfANodesWordsKeepTheirPlaces() {
        var table = LiveTable()
        table.update("m1") { $0 = LiveTable.Row(state: .running, step: "wait", detail: "etcd\u{1B}[2J\nsaid\t日本語") }
        let line = table.lines(width: 30, height: 9, frame: 0, now: .now, console)[0]
        #expect(!line.contains("\u{1B}") && !line.contains("\n") && !line.contains("\t"))
        #expect(TerminalText.width("日本語") == 6 && TerminalText.width("é👍") == 3)
        #expect(TerminalText.fitted("日本語", 5) == "日本…" && TerminalText.fitted("abc", 3) == "abc" && TerminalText.fitted("abcd", 3) == "ab…")
        #expect(TerminalText.fitted("abc", 0) == "")
    }

    @Test func aSmallScreenShowsWhatNeedsEyesAndCountsTheRest() {
        var table = table(6)
        for number in 1...4 { table.update("machine-\(number)") { $0.state = .done } }
        table.update("machine-2") {
            $0 = LiveTable.Row(state: .failed, step: "start k3s", detail: "the disk is full", elapsed: .seconds(3))
        }
        let lines = table.lines(width: 60, height: 5, frame: 0, now: .now, console)
        #expect(lines.count == 3)
        #expect(lines[0] == "  ✗ machine-2  start k3s: the disk is full  (3.0 s)")
        #expect(lines[1].hasPrefix("  ⠋ machine-5") && lines[2] == "  and 4 more: 1 at work, 3 done")
    }

    @Test func onlyTheColourIsMoreWithColour() {
        let now = ContinuousClock.now
        let plain = table(2).lines(width: 60, height: 9, frame: 1, now: now, console)
        let styled = table(2).lines(width: 60, height: 9, frame: 1, now: now, coloured)
        #expect(!plain.joined().contains("\u{1B}"))
        #expect(styled.allSatisfy { $0.contains("\u{1B}[36m") && $0.contains("\u{1B}[0m") })
    }

    // MARK: The screen

    private func run(_ view: ProgressView) async {
        await view.show(.phaseStarted(title: "servers", nodes: ["m1", "m2", "m3"], index: 1, count: 2))
        for node in ["m1", "m2", "m3"] { await view.show(.stepStarted(node: node, step: "start k3s.service")) }
        await view.draw()
        await view.show(.stepDetail(node: "m1", step: "start k3s.service", text: "a reason that is longer than this screen is wide"))
        await view.show(.note(node: "m2", text: "connecting again"))
        await view.draw()
    }

    private func end(_ view: ProgressView) async {
        for node in ["m1", "m2", "m3"] {
            await view.show(.stepDone(node: node, step: "start k3s.service", elapsed: .seconds(2)))
            await view.draw()
        }
        await view.show(.phaseDone(title: "servers", elapsed: .seconds(2)))
        await view.finish()
    }

    private static let after = [
        "[1/2] servers", "      m2: connecting again", "  ✓ m1  start k3s.service  (2.0 s)", "  ✓ m2  start k3s.service  (2.0 s)",
        "  ✓ m3  start k3s.service  (2.0 s)", "      done in 2.0 s",
    ]

    @Test(arguments: [40, 60, 120]) func aTableIsDrawnOverItself(_ columns: Int) async {
        let terminal = Terminal(columns: columns, rows: 24)
        let view = ProgressView(console: console, screen: terminal.screen, ticks: false)
        await run(view)
        await end(view)
        #expect(terminal.lines == Self.after)
    }

    @Test(arguments: [2, 3, 4]) func aScreenThatIsTooLowIsNotFilledWithTables(_ rows: Int) async {
        let terminal = Terminal(columns: 60, rows: rows)
        let view = ProgressView(console: console, screen: terminal.screen, ticks: false)
        await run(view)
        for _ in 1...20 { await view.draw() }
        await end(view)
        #expect(terminal.lines.count <= 6 && terminal.lines.first == "[1/2] servers", "\(terminal.lines)")
        #expect(terminal.lines.suffix(1) == ["      done in 2.0 s"])
    }

    @Test func aWindowThatChangesItsSizeLosesNoLineAboveTheTable() async {
        let terminal = Terminal(columns: 100, rows: 24)
        let view = ProgressView(console: console, screen: terminal.screen, ticks: false)
        await run(view)
        for columns in [90, 80, 70, 60, 50, 45] {
            terminal.resize(columns: columns, rows: 24)
            await view.draw()
        }
        await view.draw()
        await view.draw()
        await end(view)
        let lines = terminal.lines
        #expect(lines.prefix(2) == Self.after.prefix(2) && lines.suffix(4) == Self.after.suffix(4), "\(lines)")
        // One table is left where the window was wider.
        #expect(lines.count == Self.after.count + 3, "\(lines)")
    }

    @Test func plainLinesTellEachReasonOnceAndALongWaitAgain() async {
        let terminal = Terminal(columns: 200, rows: 24)
        let view = ProgressView(console: Console(isTerminal: false, hasColour: false), screen: terminal.screen, ticks: false)
        await view.show(.phaseStarted(title: "servers", nodes: ["m1"], index: 1, count: 1))
        let begun = ContinuousClock.now
        await view.show(.stepStarted(node: "m1", step: "wait for the k3s server"))
        for _ in 1...3 { await view.show(.stepDetail(node: "m1", step: "wait for the k3s server", text: "etcd is not up")) }
        await view.show(.stepProgress(node: "m1", step: "install", done: 1, total: 100))
        let before = "[1/1] servers: m1\nm1: wait for the k3s server\nm1: wait for the k3s server: etcd is not up\n"
        #expect(terminal.written == before)
        await view.remind(at: .now + .seconds(30))
        #expect(terminal.written == before)
        await view.show(.stepDetail(node: "m1", step: "wait for the k3s server", text: "no leader"))
        let later = ContinuousClock.now + .seconds(61)
        await view.remind(at: later)
        await view.remind(at: later + .seconds(1))
        let took = (later - begun).inSeconds
        let said = terminal.written.dropFirst(before.count).split(separator: "\n")
        #expect(
            said == [
                "m1: wait for the k3s server: no leader", "m1: wait for the k3s server: still at it after \(took): no leader",
            ], "\(said)")
        await view.show(.stepDone(node: "m1", step: "wait for the k3s server", elapsed: .seconds(70)))
        await view.remind(at: .now + .seconds(300))
        #expect(!terminal.written.hasSuffix("no leader\n") && !terminal.written.contains("\u{1B}"))
        await view.finish()
    }

    @Test(arguments: [("xterm-256color", false, true, true), ("dumb", false, false, false), ("xterm", true, true, false)])
    func whatATerminalUnderstands(_ type: String, _ refuses: Bool, _ isTerminal: Bool, _ hasColour: Bool) {
        let console = Console(isTerminal: true, type: type, refusesColour: refuses)
        #expect(console.isTerminal == isTerminal)
        #expect((console.styled("x", .red) != "x") == hasColour)
        #expect(!Console(isTerminal: true, type: nil, refusesColour: false).isTerminal)
        #expect(!Console(isTerminal: false, type: type, refusesColour: false).isTerminal)
    }
}
