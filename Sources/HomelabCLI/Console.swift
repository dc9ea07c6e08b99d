import Glibc

/// The terminal, or the file or pipe in its place: plain text there, colour and redrawing only for eyes.
package struct Console: Sendable {
    package enum Style: String, Sendable {
        case bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36"
    }

    package let isTerminal: Bool
    private let hasColour: Bool

    package static let standard = Console(isTerminal: isatty(1) == 1, hasColour: isatty(1) == 1 && wantsColour)

    /// Neither forbidden by NO_COLOR (no-color.org: set and not empty) nor on a terminal that knows none.
    private static var wantsColour: Bool {
        let forbidden = getenv("NO_COLOR").map { String(cString: $0) } ?? ""
        return forbidden.isEmpty && getenv("TERM").map { String(cString: $0) } != "dumb"
    }

    package init(isTerminal: Bool, hasColour: Bool) {
        self.isTerminal = isTerminal
        self.hasColour = hasColour
    }

    /// A line of the command's result, on standard output.
    package func line(_ text: String = "") {
        write(text + "\n", to: 1)
    }

    /// A line about the command's work or failure, on standard error.
    package func problem(_ text: String) {
        write(text + "\n", to: 2)
    }

    package func raw(_ text: String) {
        write(text, to: 1)
    }

    package func raw(_ bytes: [UInt8]) {
        write(bytes[...], to: 1)
    }

    package func styled(_ text: String, _ styles: Style...) -> String {
        hasColour ? "\u{1B}[" + styles.map(\.rawValue).joined(separator: ";") + "m" + text + "\u{1B}[0m" : text
    }

    /// Asks for yes or no; a no without a terminal, since nobody can answer.
    package func confirms(_ question: String) -> Bool {
        guard isatty(0) == 1 else { return false }
        raw("\(question) [y/N] ")
        let answer = readLine()?.lowercased() ?? ""
        return answer == "y" || answer == "yes"
    }

    /// Asks as `confirms` does, while the run's heartbeats go on and Ctrl-C is heard: a no when the task is cancelled.
    package func asks(_ question: String) async -> Bool {
        guard isatty(0) == 1 else { return false }
        raw("\(question) [y/N] ")
        guard await Self.hasInput(0) else {
            raw("\n")
            return false
        }
        let answer = readLine()?.lowercased() ?? ""
        return answer == "y" || answer == "yes"
    }

    /// Waits until something can be read, without keeping a thread; false when the task is cancelled meanwhile.
    package static func hasInput(_ descriptor: Int32) async -> Bool {
        while true {
            var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&state, 1, 0) != 0, state.revents != 0 { return true }
            do { try await Task.sleep(for: .milliseconds(100)) } catch { return false }
        }
    }

    /// Reads a secret without showing it; nil when there is no terminal to ask at.
    package func password(_ prompt: String) -> String? {
        guard isatty(0) == 1 else { return nil }
        var shown = termios()
        tcgetattr(0, &shown)
        var hidden = shown
        hidden.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(0, TCSANOW, &hidden)
        defer {
            tcsetattr(0, TCSANOW, &shown)
            raw("\n")
        }
        raw(prompt)
        return readLine()
    }

    private func write(_ text: String, to descriptor: Int32) {
        write(Array(text.utf8)[...], to: descriptor)
    }

    private func write(_ all: ArraySlice<UInt8>, to descriptor: Int32) {
        var bytes = all
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
