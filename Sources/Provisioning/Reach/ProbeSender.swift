internal import Glibc

/// The asking end of the probes between nodes: tries all of them at once and says of each how it went. Runs on a node, started over
/// SSH; blocks its thread for `limit` at most.
package struct ProbeSender {
    fileprivate struct Attempt {
        let name: String
        let descriptor: Int32
        let isStream: Bool
        var started: UInt64
        var best: UInt64?
        /// Bytes of the largest datagram, headers included; 0 for a stream.
        var largest = 0
        /// Bytes of the headers of IP and UDP.
        var headers = 28
        var hasLargest = false
        var end: String?
        var lastSent: UInt64 = 0
    }

    private var attempts: [Attempt] = []
    private var results: [String] = []

    /// - Parameter targets: `tcp:6443 10.0.0.1` and `udp:8472 10.0.0.1`.
    package init(_ targets: [String]) {
        for target in targets {
            let words = target.split(separator: " ").map(String.init)
            guard words.count == 2, let port = ProbeListener.Port(words[0]), let address = ProbeAddress(words[1], port: port.number) else {
                results.append("\(target) failed no address")
                continue
            }
            let isStream = port.transport == "tcp"
            let kind = Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue)
            let descriptor = socket(address.family, kind | O_CLOEXEC | O_NONBLOCK, 0)
            var attempt = Attempt(name: target, descriptor: descriptor, isStream: isStream, started: Self.now())
            if address.family == AF_INET6 { attempt.headers = 48 }
            if !isStream { Self.forbidFragments(descriptor, address.family) }
            let status = address.withPointer { connect(descriptor, $0, $1) }
            if status != 0, errno != EINPROGRESS { attempt.end = Self.text(errno) }
            if !isStream, attempt.end == nil { attempt.largest = Self.pathMTU(descriptor, address.family) }
            attempts.append(attempt)
        }
    }

    /// Tries for so long at most and gives a line for each target: the target, then `ok MICROSECONDS`, `small BYTES MICROSECONDS`,
    /// `refused`, `silent` or `failed WHY`.
    package mutating func run(seconds: Double) -> [String] {
        let end = Self.now() + UInt64(seconds * 1_000_000)
        while Self.now() < end, attempts.contains(where: { !$0.isOver }) {
            for index in attempts.indices where !attempts[index].isStream { Self.send(&attempts[index]) }
            var polled = attempts.map { attempt in
                pollfd(fd: attempt.isOver ? -1 : attempt.descriptor, events: Int16(attempt.isStream ? POLLOUT : POLLIN), revents: 0)
            }
            guard poll(&polled, nfds_t(polled.count), 50) > 0 else { continue }
            for index in attempts.indices where polled[index].revents != 0 {
                attempts[index].isStream ? Self.finishConnect(&attempts[index]) : Self.receive(&attempts[index])
            }
        }
        for attempt in attempts { close(attempt.descriptor) }
        return results + attempts.map { "\($0.name) \($0.verdict)" }
    }

    private static func finishConnect(_ attempt: inout Attempt) {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(attempt.descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        if code == 0 { attempt.best = now() - attempt.started }
        attempt.end = code == 0 ? "ok" : text(code)
    }

    /// A small datagram first; once one was answered, one as large as the interface takes. Each is sent again every 200 ms.
    private static func send(_ attempt: inout Attempt) {
        guard !attempt.isOver, now() - attempt.lastSent > 200_000 else { return }
        attempt.lastSent = now()
        let count = attempt.best == nil ? 16 : max(16, attempt.largest - attempt.headers)
        var bytes = [UInt8](repeating: 0, count: count)
        bytes[0] = attempt.best == nil ? 1 : 2
        attempt.started = now()
        // An ICMP answer to the datagram before is told by the next call: a refusal is one.
        if Glibc.send(attempt.descriptor, bytes, count, 0) < 0, errno != EAGAIN, errno != EMSGSIZE { attempt.end = text(errno) }
    }

    private static func receive(_ attempt: inout Attempt) {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = recv(attempt.descriptor, &buffer, buffer.count, 0)
        guard count > 0 else {
            if errno != EAGAIN { attempt.end = text(errno) }
            return
        }
        attempt.best = min(attempt.best ?? .max, now() - attempt.started)
        if buffer[0] == 2 { attempt.hasLargest = true } else { attempt.lastSent = 0 }
    }

    private static func forbidFragments(_ descriptor: Int32, _ family: Int32) {
        var mode: Int32 = 2  // IP_PMTUDISC_DO, IPV6_PMTUDISC_DO
        let size = socklen_t(MemoryLayout<Int32>.size)
        if family == AF_INET {
            setsockopt(descriptor, Int32(IPPROTO_IP), 10, &mode, size)  // IP_MTU_DISCOVER
        } else {
            setsockopt(descriptor, Int32(IPPROTO_IPV6), 23, &mode, size)  // IPV6_MTU_DISCOVER
        }
    }

    /// What the system takes for the largest packet on this way, before anything was sent: the interface's MTU.
    private static func pathMTU(_ descriptor: Int32, _ family: Int32) -> Int {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        let status =
            family == AF_INET
            ? getsockopt(descriptor, Int32(IPPROTO_IP), 14, &value, &size)  // IP_MTU
            : getsockopt(descriptor, Int32(IPPROTO_IPV6), 24, &value, &size)  // IPV6_MTU
        // Loopback's 65536 is no packet of a network.
        return status == 0 ? min(Int(value), 9216) : 1280
    }

    private static func text(_ code: Int32) -> String {
        switch code {
        case ECONNREFUSED: "refused"
        case ETIMEDOUT: "silent"
        default: "failed \(String(cString: strerror(code)))"
        }
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
    }
}

extension ProbeSender.Attempt {
    fileprivate var isOver: Bool { end != nil || hasLargest }

    fileprivate var verdict: String {
        if isStream { return end == "ok" ? "ok \(best ?? 0)" : end ?? "silent" }
        if hasLargest { return "ok \(best ?? 0)" }
        if let best { return "small \(largest) \(best)" }
        return end ?? "silent"
    }
}
