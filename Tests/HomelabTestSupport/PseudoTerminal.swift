import Glibc

/// A program on a terminal of its own, as a person starts one: what it shows, and what is typed.
package final class PseudoTerminal {
    private let descriptor: Int32
    private let pid: pid_t
    package private(set) var shown = ""

    /// - Parameters:
    ///   - environment: all variables that it gets.
    ///   - size: columns and rows.
    package init(
        _ program: String, _ arguments: [String], in folder: String, environment: [String: String], size: (UInt16, UInt16) = (80, 24)
    ) throws {
        descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (number, unlocked): (UInt32, Int32) = (0, 0)
        guard descriptor >= 0, ioctl(descriptor, Self.unlock, &unlocked) == 0, ioctl(descriptor, Self.otherEnd, &number) == 0 else {
            throw Loopback.Failure(text: "there is no pseudo-terminal: \(String(cString: strerror(errno)))")
        }
        let name = "/dev/pts/\(number)"
        var window = winsize(ws_row: size.1, ws_col: size.0, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(descriptor, UInt(TIOCSWINSZ), &window)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The first terminal that the leader of a new session opens is that session's.
        posix_spawn_file_actions_addopen(&actions, 0, name, O_RDWR, 0)
        for copy in 1...2 as ClosedRange<Int32> { posix_spawn_file_actions_adddup2(&actions, 0, copy) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Self.newSession)
        let words = (["env", "-C", folder, program] + arguments).map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in words + variables { free(text) } }
        var started: pid_t = 0
        let status = posix_spawn(&started, "/usr/bin/env", &actions, &attributes, words, variables)
        guard status == 0 else { throw Loopback.Failure(text: "\(program): \(String(cString: strerror(status)))") }
        pid = started
    }

    deinit { close(descriptor) }

    /// TIOCSPTLCK, TIOCGPTN and POSIX_SPAWN_SETSID, whose macros Swift does not see (ioctl_tty(2), spawn.h).
    private static let unlock: UInt = 0x4004_5431
    private static let otherEnd: UInt = 0x8004_5430
    private static let newSession: Int16 = 0x80

    package func type(_ text: String) {
        _ = Array(text.utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }

    /// Reads what is shown until `words` are among it.
    /// - Returns: whether they came within the seconds.
    package func wait(for words: String, seconds: Int = 20) -> Bool {
        let deadline = time(nil) + seconds
        while !shown.contains(words) { guard time(nil) <= deadline, read() else { return shown.contains(words) } }
        return true
    }

    /// Reads until the program has ended.
    /// - Returns: its exit status, 128 and the signal's number when one ended it; nil when it is still there after the seconds and was killed.
    package func end(seconds: Int = 20) -> Int32? {
        let deadline = time(nil) + seconds
        var status: Int32 = 0
        while true {
            let ended = waitpid(pid, &status, WNOHANG)
            _ = read(milliseconds: 50)
            if ended == pid { break }
            guard time(nil) <= deadline else {
                kill(pid, SIGKILL)
                waitpid(pid, &status, 0)
                return nil
            }
        }
        while read(milliseconds: 50) {}
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }

    private func read(milliseconds: Int32 = 1000) -> Bool {
        var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&event, 1, milliseconds) > 0 else { return milliseconds == 1000 }
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return false }
        shown += String(decoding: bytes[..<count], as: UTF8.self)
        return true
    }
}
