import FileSystem
import Glibc
import Synchronization

/// A question at the terminal. Only one is open at a time; while it is, nothing else is drawn there, and Ctrl-C ends it as if nobody had
/// answered, with the terminal showing again what is typed.
enum TerminalQuestion {
    private struct State {
        /// What ends the open question when it is written to; nil when none is open.
        var waker: Int32?
        /// How many were asked so far: what was drawn before a question is not where it was.
        var count = 0
        /// The person wants to stop.
        var isOver = false
        var hasBrokenOff = false
    }

    private static let state = Mutex(State())
    /// Held from a question to its answer, so that questions come one after the other.
    private static let turn = Mutex(())

    /// Puts the question and waits for a line; nil without a terminal to ask at, at the end of input, and when it was interrupted.
    /// - Parameter isHidden: do not show what is typed.
    static func answer(to prompt: String, isHidden: Bool = false) -> String? {
        guard isatty(0) == 1 else { return nil }
        return turn.withLock { _ in
            var ends: [Int32] = [0, 0]
            guard pipe(&ends) == 0 else { return nil }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            let isOver = state.withLock { state in
                state.waker = ends[1]
                state.count += 1
                return state.isOver
            }
            defer {
                state.withLock { $0.waker = nil }
                for end in ends { close(end) }
            }
            if isOver { return nil }
            return reading(isHidden: isHidden) {
                say(prompt)
                let line = line(unless: ends[0])
                if line == nil || isHidden { say("\n") }
                return line
            }
        }
    }

    /// Ends the open question, and every further one before it is put: the person wants to stop.
    static func interrupt() {
        state.withLock { state in
            state.isOver = true
            if let waker = state.waker {
                state.hasBrokenOff = true
                _ = write(waker, "x", 1)
            }
        }
    }

    /// Ctrl-C was the answer to a question.
    static var hasBrokenOff: Bool { state.withLock { $0.hasBrokenOff } }

    /// Draws unless a question is open.
    /// - Returns: how many questions were asked until now; nil when nothing was drawn.
    static func drawing(_ draw: (_ count: Int) -> Void) -> Int? {
        state.withLock { state in
            guard state.waker == nil else { return nil }
            draw(state.count)
            return state.count
        }
    }

    private static func reading(isHidden: Bool, _ body: () -> String?) -> String? {
        guard isHidden else { return body() }
        var shown = termios()
        tcgetattr(0, &shown)
        var hidden = shown
        hidden.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(0, TCSANOW, &hidden)
        defer { tcsetattr(0, TCSANOW, &shown) }
        return body()
    }

    /// A question is for the person at the terminal, wherever the command's output goes.
    private static func say(_ text: String) {
        let terminal = open("/dev/tty", O_WRONLY | O_CLOEXEC | O_NOCTTY)
        Console.write(Array(text.utf8)[...], to: terminal < 0 ? 2 : terminal)
        if terminal >= 0 { close(terminal) }
    }

    /// The next line, which a terminal gives as a whole.
    private static func line(unless waker: Int32) -> String? {
        var typed: [UInt8] = []
        while true {
            var events = [pollfd(fd: 0, events: Int16(POLLIN), revents: 0), pollfd(fd: waker, events: Int16(POLLIN), revents: 0)]
            if poll(&events, 2, -1) < 0 && errno == EINTR { continue }
            if events[1].revents != 0 { return nil }
            var byte: UInt8 = 0
            let count = read(0, &byte, 1)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { return typed.isEmpty ? nil : String(decoding: typed, as: UTF8.self) }
            if byte == UInt8(ascii: "\n") { return String(decoding: typed, as: UTF8.self) }
            typed.append(byte)
        }
    }
}
