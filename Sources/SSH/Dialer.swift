internal import BlockingExecutor
internal import Glibc
internal import Synchronization

/// Makes TCP connections within a deadline, on a thread that may block.
enum Dialer {
    /// A connected, non-blocking socket.
    static func connect(host: String, port: Int, timeout: Duration) throws(SSHError.Unreachable) -> Int32 {
        let deadline = ContinuousClock.now + timeout
        let addresses = try resolve(host: host, port: port, deadline: deadline, timeout: timeout)
        var failure = SSHError.Unreachable.unknownName
        for (index, address) in addresses.enumerated() {
            let now = ContinuousClock.now
            // A dead address of several must leave time for the others.
            let share = now + (deadline - now) / (addresses.count - index)
            do throws(SSHError.Unreachable) {
                return try connect(address, until: share, timeout: timeout)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private static func connect(_ address: [UInt8], until: ContinuousClock.Instant, timeout: Duration) throws(SSHError.Unreachable) -> Int32
    {
        let family = address.withUnsafeBytes { Int32($0.load(as: sa_family_t.self)) }
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw .other(String(cString: strerror(errno))) }
        tune(descriptor)
        let status = address.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { Glibc.connect(descriptor, $0.baseAddress, socklen_t(bytes.count)) }
        }
        let began = ContinuousClock.now
        var code = status == 0 ? 0 : errno
        if code == EINPROGRESS { code = finish(descriptor, until: until) }
        if code == 0 { return descriptor }
        close(descriptor)
        switch code {
        case ECONNREFUSED: throw .refused
        case EHOSTUNREACH, ENETUNREACH: throw .noRoute
        // The system gives up earlier than a long time limit.
        case ETIMEDOUT: throw .noAnswer(after: min(timeout, .seconds((ContinuousClock.now - began).components.seconds + 1)))
        default: throw .other(String(cString: strerror(code)))
        }
    }

    /// Waits for a connect in progress; the errno it ended with, or 0.
    private static func finish(_ descriptor: Int32, until: ContinuousClock.Instant) -> Int32 {
        while true {
            if Task.isCancelled { return ECANCELED }
            let now = ContinuousClock.now
            if now >= until { return ETIMEDOUT }
            var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&polled, 1, min(100, milliseconds(until - now))) == 1 else { continue }
            var code: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
            return code
        }
    }

    /// Small packets at once, and a dead link is reported by the system within seconds: 5 s without an acknowledgement end the
    /// connection (tcp(7), TCP_USER_TIMEOUT), and an idle one is probed every 15 s. Of what the line cannot take yet the system holds no
    /// more than 256 KiB (TCP_NOTSENT_LOWAT), behind which the next small packet has to wait.
    private static func tune(_ descriptor: Int32) {
        func set(_ level: Int32, _ option: Int32, _ value: Int32) {
            var value = value
            setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        let tcp = Int32(IPPROTO_TCP)
        set(tcp, TCP_NODELAY, 1)
        set(tcp, TCP_USER_TIMEOUT, 5000)
        set(tcp, TCP_NOTSENT_LOWAT, 256 << 10)
        set(SOL_SOCKET, SO_KEEPALIVE, 1)
        set(tcp, TCP_KEEPIDLE, 15)
        set(tcp, TCP_KEEPINTVL, 5)
    }

    /// Socket addresses in the resolver's order. The resolver knows no deadline: it runs on a thread of its own, which is left behind
    /// when it takes too long.
    private static func resolve(
        host: String, port: Int, deadline: ContinuousClock.Instant, timeout: Duration
    ) throws(SSHError.Unreachable) -> [[UInt8]] {
        if let numeric = try? lookUp(host: host, port: port, numeric: true).get() { return numeric }
        let answer = Answer()
        Thread.start(name: "resolve") { answer.fill(lookUp(host: host, port: port, numeric: false)) }
        while true {
            if let result = answer.value { return try result.get() }
            let now = ContinuousClock.now
            if now >= deadline || Task.isCancelled { throw .noAnswer(after: timeout) }
            answer.wait(milliseconds: min(100, milliseconds(deadline - now)))
        }
    }

    /// Where the resolver's thread leaves its answer.
    private final class Answer: Sendable {
        private let result = Mutex<Result<[[UInt8]], SSHError.Unreachable>?>(nil)
        private let ends: [Int32]

        init() {
            var ends: [Int32] = [-1, -1]
            _ = pipe(&ends)
            self.ends = ends
        }

        deinit { for end in ends where end >= 0 { close(end) } }

        var value: Result<[[UInt8]], SSHError.Unreachable>? { result.withLock { $0 } }

        func fill(_ value: Result<[[UInt8]], SSHError.Unreachable>) {
            result.withLock { $0 = value }
            var byte: UInt8 = 1
            _ = write(ends[1], &byte, 1)
        }

        func wait(milliseconds: Int32) {
            var polled = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
            _ = poll(&polled, 1, milliseconds)
        }
    }

    private static func lookUp(host: String, port: Int, numeric: Bool) -> Result<[[UInt8]], SSHError.Unreachable> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = numeric ? AI_NUMERICHOST | AI_NUMERICSERV : AI_NUMERICSERV | AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0 else {
            if status == EAI_NONAME || status == -5 { return .failure(.unknownName) }  // -5: EAI_NODATA, a GNU addition
            return .failure(.other("looking up its name failed: \(String(cString: gai_strerror(status)))"))
        }
        defer { freeaddrinfo(list) }
        var addresses: [[UInt8]] = []
        var next = list
        while let entry = next?.pointee {
            if let address = entry.ai_addr {
                addresses.append(Array(UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen))))
            }
            next = entry.ai_next
        }
        return addresses.isEmpty ? .failure(.unknownName) : .success(addresses)
    }

    private static func milliseconds(_ duration: Duration) -> Int32 {
        let (seconds, attoseconds) = duration.components
        return Int32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
    }
}

extension SSHError.Unreachable: Error {}
