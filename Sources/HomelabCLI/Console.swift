import BlockingExecutor
import Diagnostics
import FileSystem
import Glibc
import Synchronization

/// The terminal, or the file or pipe in its place: plain text there, colour and redrawing only for eyes.
package struct Console: Sendable {
    package enum Style: String, Sendable {
        case bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36"
    }

    package let isTerminal: Bool
    private let hasColour: Bool

    package static let standard = Console(
        isTerminal: isatty(1) == 1, type: Files.environment("TERM"), refusesColour: Files.environment("NO_COLOR") != nil)

    /// - Parameters:
    ///   - type: `TERM`; a dumb terminal, as Emacs and many CI systems have it, understands neither colours nor a moved cursor.
    ///   - refusesColour: `NO_COLOR` is set to something (no-color.org).
    package init(isTerminal: Bool, type: String?, refusesColour: Bool) {
        let isAble = isTerminal && type != nil && type != "dumb"
        self.init(isTerminal: isAble, hasColour: isAble && !refusesColour)
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
        Self.write(bytes[...], to: 1)
    }

    package func styled(_ text: String, _ styles: Style...) -> String {
        hasColour ? "\u{1B}[" + styles.map(\.rawValue).joined(separator: ";") + "m" + text + "\u{1B}[0m" : text
    }

    /// Asks for yes or no; a no without a terminal, since nobody can answer.
    package func confirms(_ question: String) -> Bool {
        let answer = TerminalQuestion.answer(to: "\(question) [y/N] ")?.lowercased() ?? ""
        return answer == "y" || answer == "yes"
    }

    /// Asks as `confirms` does, and keeps no thread meanwhile that a run's heartbeats may need.
    package func asks(_ question: String) async -> Bool {
        await BlockingExecutor(name: "question").run { confirms(question) }
    }

    /// Reads a secret without showing it; nil when there is no terminal to ask at.
    package func password(_ prompt: String) -> String? { TerminalQuestion.answer(to: prompt, isHidden: true) }

    /// For what goes on until it is interrupted: ends the process, with the status of SIGPIPE, once nobody reads what it prints.
    static func endWhenAbandoned() {
        Task {
            while !isAbandoned(1) { try await Task.sleep(for: .seconds(1)) }
            _exit(128 + SIGPIPE)
        }
    }

    /// Whether the other end of a pipe is closed.
    static func isAbandoned(_ descriptor: Int32) -> Bool {
        var end = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&end, 1, 0) > 0 && end.revents & Int16(POLLERR) != 0
    }

    private func write(_ text: String, to descriptor: Int32) {
        Self.write(Array(text.utf8)[...], to: descriptor)
    }

    /// Why a part of the command's result is missing where it was to go, such as a full disk; 0 while nothing is.
    private static let resultError = Atomic<Int32>(0)

    /// Ends the process. A result that could not be written whole is no success.
    static func exit(_ status: Int32) -> Never {
        let code = resultError.load(ordering: .relaxed)
        if code != 0 {
            let found = Diagnostic(
                .error, "the result could not be written whole", subject: "standard output", cause: String(cString: strerror(code)),
                remedy: "what is there is cut off: make room, then run again")
            standard.problem(found.description)
        }
        Glibc.exit(code == 0 ? status : 1)
    }

    /// What nobody reads any more is dropped: a run on machines does not end because a pager did.
    static func write(_ all: ArraySlice<UInt8>, to descriptor: Int32) {
        var bytes = all
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                if descriptor == 1, errno != EPIPE { resultError.store(errno, ordering: .relaxed) }
                return
            }
            bytes = bytes.dropFirst(count)
        }
    }
}
