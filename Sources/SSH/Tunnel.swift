internal import Glibc
internal import Synchronization

/// The way through a jump host: a forwarded connection of its session (direct-tcpip, RFC 4254 section 7.2), presented as a socket.
///
/// Two tasks carry bytes between the jump's channel and one end of a socket pair; the session behind it uses the other end.
final class Tunnel: Sendable {
    private let carrier: SSHSession
    private let stream: SSHCommandStream
    private let near: Mutex<Int32>
    private let tasks: [Task<Void, Never>]

    private init(carrier: SSHSession, stream: SSHCommandStream, near: Int32, tasks: [Task<Void, Never>]) {
        self.carrier = carrier
        self.stream = stream
        self.near = Mutex(near)
        self.tasks = tasks
    }

    deinit {
        for task in tasks { task.cancel() }
        let socket = takeSocket()
        if socket >= 0 { Glibc.close(socket) }
    }

    static func open(through carrier: SSHSession, to target: SSHTarget, limit: Limit) async throws(SSHError) -> Tunnel {
        let stream: SSHCommandStream
        do throws(SSHError) {
            stream = try await carrier.forward(host: target.host, port: target.port, limit)
        } catch {
            guard case .refused(let text) = error.kind else { throw error }
            throw SSHError(target: target.label, kind: .unreachable(.throughJump("\(carrier.target.label) could not reach it (\(text))")))
        }
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0, &ends) == 0 else {
            throw SSHError(target: target.label, kind: .unreachable(.other(String(cString: strerror(errno)))))
        }
        let far = FarEnd(descriptor: ends[1])
        let out = Task { await carrier.carryOut(from: far, to: stream) }
        let back = Task { await carrier.carryBack(from: stream, to: far) }
        return Tunnel(carrier: carrier, stream: stream, near: ends[0], tasks: [out, back])
    }

    /// The end for the session that is carried, which closes it; -1 when it was taken already.
    func takeSocket() -> Int32 {
        near.withLock { socket in
            defer { socket = -1 }
            return socket
        }
    }

    func close() async {
        for task in tasks { task.cancel() }
        await stream.close()
        await carrier.close()
    }
}

/// The end of the socket pair that the carrying tasks use; closed when both are done with it.
final class FarEnd: Sendable {
    let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Ends both directions, so that the other end sees it.
    func shut() { shutdown(descriptor, 2) }
}

extension SSHSession {
    /// From the carried session to the jump host.
    fileprivate func carryOut(from end: FarEnd, to stream: SSHCommandStream) async {
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while !Task.isCancelled {
            let count = recv(end.descriptor, &buffer, buffer.count, 0)
            if count > 0 {
                guard (try? await stream.write(Array(buffer[..<count]))) != nil else { break }
            } else if count < 0, errno == EAGAIN || errno == EINTR {
                await ready(end.descriptor, Int16(POLLIN))
            } else {
                try? await stream.finishInput()
                return
            }
        }
        end.shut()
    }

    /// From the jump host to the carried session.
    fileprivate func carryBack(from stream: SSHCommandStream, to end: FarEnd) async {
        while !Task.isCancelled, let bytes = (try? await stream.read()) ?? nil {
            var sent = 0
            while sent < bytes.count, !Task.isCancelled {
                let count = bytes[sent...].withUnsafeBytes { send(end.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                if count >= 0 {
                    sent += count
                } else if errno == EAGAIN || errno == EINTR {
                    await ready(end.descriptor, Int16(POLLOUT))
                } else {
                    return
                }
            }
        }
        end.shut()
    }

    /// Sleeps until a descriptor other than the session's own is ready, a second at most at a time.
    private func ready(_ descriptor: Int32, _ events: Int16) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { loop.wait($0, for: descriptor, events: events, until: .now + .seconds(1)) }
        } onCancel: {
            loop.wakeAll()
        }
    }
}
