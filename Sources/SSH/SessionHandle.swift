internal import CLibssh2
internal import Glibc

/// The C side of one session: libssh2's object, its socket and the traffic counters, freed together.
///
/// Confined to the session's thread; the last reference may go on any thread, when nobody uses it any more.
final class SessionHandle {
    let session: OpaquePointer
    let socket: Int32
    let traffic: UnsafeMutablePointer<homelab_ssh_traffic>
    /// A closed channel kept for reading the connection while nothing else runs on it: libssh2 reads only through a channel.
    var spentChannel: OpaquePointer?

    /// Takes the socket over. nil when memory is exhausted.
    init?(socket: Int32) {
        self.socket = socket
        traffic = .allocate(capacity: 1)
        traffic.initialize(to: homelab_ssh_traffic())
        guard libssh2_init(0) == 0, let session = libssh2_session_init_ex(nil, nil, nil, traffic) else {
            traffic.deallocate()
            close(socket)
            return nil
        }
        self.session = session
        libssh2_session_set_blocking(session, 0)
        homelab_ssh_count_traffic(session)
    }

    deinit {
        // A socket that is shut makes every farewell fail at once instead of asking to be tried again.
        shutdown(socket, Int32(SHUT_RDWR))
        libssh2_session_free(session)
        close(socket)
        traffic.deallocate()
    }

    /// The library's text and code of the last failure; for logs and as a cause, never alone in a message.
    var lastError: (code: Int32, text: String) {
        var text: UnsafeMutablePointer<CChar>?
        let code = libssh2_session_last_error(session, &text, nil, 0)
        return (code, text.map { String(cString: $0) } ?? "")
    }

    var isBlockedOutbound: Bool { libssh2_session_block_directions(session) & LIBSSH2_SESSION_BLOCK_OUTBOUND != 0 }

    /// Grows as long as anything gets through: bytes received, and bytes the other side's system acknowledged.
    var progress: UInt64 {
        let unsent = UInt64(max(0, homelab_ssh_unsent(socket)))
        return traffic.pointee.received + (traffic.pointee.sent > unsent ? traffic.pointee.sent - unsent : 0)
    }

    /// What the server said before encryption began.
    var heard: [UInt8] {
        withUnsafeBytes(of: &traffic.pointee.heard) { Array($0.prefix(traffic.pointee.heard_count)) }
    }

    /// Room for a small packet, so that a keepalive cannot be left half sent.
    var isWritable: Bool {
        var polled = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
        return poll(&polled, 1, 0) == 1 && polled.revents & Int16(POLLOUT) != 0
    }
}
