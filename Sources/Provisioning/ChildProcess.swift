internal import FileSystem
internal import Glibc
internal import Synchronization

/// A program started on this machine with pipes to its standard streams.
final class ChildProcess: Sendable {
    private let pid: pid_t
    private let input: Int32
    private let output: Int32
    private let errors: Int32
    private let ended = Mutex(false)

    private init(pid: pid_t, input: Int32, output: Int32, errors: Int32) {
        self.pid = pid
        self.input = input
        self.output = output
        self.errors = errors
    }

    /// Starts `argv`, searching PATH, in a process group of its own so that ``terminate()`` reaches its children too.
    /// - Parameter variables: environment variables it gets besides this program's own, or in their place.
    static func start(_ argv: [String], variables: [String: String]) throws(FileError) -> ChildProcess {
        reapAbandoned()
        return try starting.withLock { _ throws(FileError) in try startAlone(argv, variables) }
    }

    /// One start at a time: a pipe's end that another child inherited would keep this child's input open for ever.
    private static let starting = Mutex(())

    private static func startAlone(_ argv: [String], _ variables: [String: String]) throws(FileError) -> ChildProcess {
        var ends = [Int32](repeating: -1, count: 6)
        for index in 0..<3 {
            let made = ends.withUnsafeMutableBufferPointer { buffer in buffer.baseAddress.map { pipe($0 + index * 2) } ?? -1 }
            guard made == 0 else { throw FileError(path: argv.first ?? "", operation: "start", reason: String(cString: strerror(errno))) }
            for end in ends[(index * 2)...(index * 2 + 1)] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        }
        // A service that a child starts would keep the agent's port otherwise.
        for name in (try? Files.list("/proc/self/fd")) ?? [] {
            if let descriptor = Int32(name), descriptor > STDERR_FILENO { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, ends[3], STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, ends[5], STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var defaults = sigset_t()
        sigfillset(&defaults)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        // The threads of Swift's pool block signals, and a child would inherit that: nothing could end it.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var pid: pid_t = 0
        let words = argv.map { strdup($0) } + [nil]
        let environment = inherited(without: variables) + variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for word in words + environment { free(word) } }
        let status = posix_spawnp(&pid, argv.first ?? "", &actions, &attributes, words, environment)
        for end in [ends[0], ends[3], ends[5]] { close(end) }
        guard status == 0 else {
            for end in [ends[1], ends[2], ends[4]] { close(end) }
            throw FileError(path: argv.first ?? "", operation: "start", reason: String(cString: strerror(status)), code: status)
        }
        return ChildProcess(pid: pid, input: ends[1], output: ends[2], errors: ends[4])
    }

    /// This program's environment, copied, but for these variables.
    private static func inherited(without variables: [String: String]) -> [UnsafeMutablePointer<CChar>?] {
        var words: [UnsafeMutablePointer<CChar>?] = []
        var next = environ
        while let word = next.pointee {
            let name = String(cString: word).prefix { $0 != "=" }
            if variables[String(name)] == nil { words.append(strdup(word)) }
            next += 1
        }
        return words
    }

    /// Sends the input, collects both outputs and waits for the end. Blocks the calling thread.
    /// - Parameter limit: from now; nil: as long as it takes.
    /// - Returns: nil when it had not ended by then: it is killed, and left to itself where a disk that hangs keeps it from ending.
    func communicate(_ bytes: [UInt8], within limit: Duration?, onLine: (String) -> Void) -> CommandResult? {
        let deadline = limit.map { ContinuousClock.now + $0 }
        var result = CommandResult(exitStatus: 0)
        var lines = LineSplitter()
        var sent = 0
        var open: [Int32] = [output, errors]
        var wantsInput = !bytes.isEmpty
        // A child that ends without reading its input must not kill this program by SIGPIPE; writes then fail with EPIPE.
        signal(SIGPIPE, SIG_IGN)
        _ = fcntl(input, F_SETFL, O_NONBLOCK)
        if !wantsInput { close(input) }
        while !open.isEmpty || wantsInput {
            var waiting = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            if wantsInput { waiting.append(pollfd(fd: input, events: Int16(POLLOUT), revents: 0)) }
            if let deadline, .now >= deadline {
                for entry in waiting { close(entry.fd) }
                abandon()
                return nil
            }
            if poll(&waiting, nfds_t(waiting.count), Self.milliseconds(until: deadline)) < 0 { continue }
            for entry in waiting where entry.revents != 0 {
                if entry.fd == input && wantsInput {
                    let count = bytes.withUnsafeBytes { write(input, $0.baseAddress.map { $0 + sent }, bytes.count - sent) }
                    if count > 0 { sent += count }
                    if sent == bytes.count || (count < 0 && errno != EAGAIN && errno != EINTR) {
                        close(input)
                        wantsInput = false
                    }
                } else if let chunk = Self.readSome(entry.fd) {
                    if entry.fd == output {
                        result.standardOutput += chunk
                        lines.append(chunk, onLine)
                    } else {
                        result.standardError += chunk
                    }
                } else {
                    close(entry.fd)
                    open.removeAll { $0 == entry.fd }
                }
            }
        }
        lines.finish(onLine)
        result.exitStatus = reap()
        return result
    }

    func terminate() {
        ended.withLock { if !$0 { kill(-pid, SIGTERM) } }
    }

    /// As poll(2) takes it: at least 1, and -1 for no limit.
    private static func milliseconds(until deadline: ContinuousClock.Instant?) -> Int32 {
        guard let deadline else { return -1 }
        return max(1, Int32(clamping: Int((deadline - ContinuousClock.now) / Duration.milliseconds(1))))
    }

    /// Children that were killed and had not ended yet.
    private static let abandoned = Mutex<Set<pid_t>>([])

    private func abandon() {
        ended.withLock { $0 = true }
        kill(-pid, SIGKILL)
        Self.abandoned.withLock { _ = $0.insert(pid) }
    }

    /// Lets the kernel forget those that have ended since.
    private static func reapAbandoned() {
        abandoned.withLock { pids in
            pids = pids.filter { waitpid($0, nil, WNOHANG) == 0 }
        }
    }

    private func reap() -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        ended.withLock { $0 = true }
        let signalNumber = status & 0x7F
        return signalNumber == 0 ? (status >> 8) & 0xFF : 128 + signalNumber
    }

    /// nil at the end of the stream.
    private static func readSome(_ descriptor: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = read(descriptor, &buffer, buffer.count)
        if count > 0 { return Array(buffer[..<count]) }
        return count < 0 && (errno == EINTR || errno == EAGAIN) ? [] : nil
    }
}

/// Cuts a stream of bytes into lines.
struct LineSplitter {
    private var rest: [UInt8] = []

    mutating func append(_ chunk: [UInt8], _ onLine: (String) -> Void) {
        rest += chunk
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            onLine(String(decoding: rest[..<end], as: UTF8.self))
            rest.removeSubrange(...end)
        }
    }

    mutating func finish(_ onLine: (String) -> Void) {
        if !rest.isEmpty { onLine(String(decoding: rest, as: UTF8.self)) }
        rest = []
    }
}
