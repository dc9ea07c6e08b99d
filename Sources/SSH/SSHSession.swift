internal import BlockingExecutor
internal import CLibssh2
package import Cryptography
internal import Glibc
internal import Synchronization

/// One SSH connection: logged in, ready for any number of commands one after another or at once, with one thread of its own.
///
/// A dead connection is noticed within ten seconds, in the middle of an upload and while a command is silent too; every call then
/// throws `connectionLost`. Cancelling a call ends its channel, not the session (unless it was half-way through a packet).
package actor SSHSession {
    package nonisolated let target: SSHTarget
    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    nonisolated let loop: SessionLoop
    nonisolated let shared = Mutex(Shared())
    var handle: SessionHandle?
    /// What carries this session when it goes through a jump host; held for its life.
    var tunnel: Tunnel?
    var channels: [Int: OpaquePointer] = [:]
    /// The end of each running command's error output, for streams.
    var errorOutput: [Int: [UInt8]] = [:]
    var nextChannel = 1
    /// Opening a channel keeps its state in the session, so that only one can be under way.
    var isOpening = false
    /// The call that left a packet half sent: until it is through, no other call may send (libssh2 refuses to mix packets).
    var sender: Call?
    var isLoggedIn = false
    private var waiting = 0
    private var silence = Silence()
    /// When somebody waited last.
    private var waited = ContinuousClock.now
    /// Bytes that were sent only to be given a sign of life.
    private var questions: UInt64 = 0

    struct Shared {
        var hostKey: OpenSSHPublicKey?
        var lost: String?
    }

    /// Names a call of libssh2 that is repeated until it is done.
    enum Call: Hashable {
        case session
        case keepalive
        case open
        case start(Int), read(Int, Int32), write(Int), finishInput(Int), close(Int), waitClosed(Int), free(Int)

        var channel: Int? {
            switch self {
            case .session, .keepalive, .open: nil
            case .start(let id), .read(let id, _), .write(let id), .finishInput(let id), .close(let id), .waitClosed(let id), .free(let id):
                id
            }
        }
    }

    private struct Silence {
        var progress: Int64 = 0
        var since = ContinuousClock.now
        var asked = ContinuousClock.now
    }

    /// Without any sign of life for so long, in spite of keepalives, the connection counts as lost.
    private static let silenceLimit = Duration.seconds(9)

    init(target: SSHTarget) {
        self.target = target
        let reference = WeakReference()
        loop = SessionLoop(name: "ssh") {
            guard let session = reference.session else { return }
            Task { await session.keepFresh() }
        }
        reference.session = self
    }

    deinit { loop.finish() }

    /// The key the machine showed, which the policy accepted.
    package nonisolated var hostKey: OpenSSHPublicKey? { shared.withLock { $0.hostKey } }

    /// False once the connection is known to be lost or closed.
    package nonisolated var isAlive: Bool { shared.withLock { $0.lost == nil } }

    /// Says farewell and frees the connection; calls under way end with `connectionLost`.
    package func close() async {
        if let handle, isAlive, sender == nil { libssh2_session_disconnect_ex(handle.session, SSH_DISCONNECT_BY_APPLICATION, "bye", "") }
        lose("it was closed")
        handle = nil
        channels = [:]
        await tunnel?.close()
        tunnel = nil
    }

    func failure(_ kind: SSHError.Kind) -> SSHError { SSHError(target: target.label, kind: kind) }

    /// Marks the connection as gone and lets everybody who waits see it.
    func lose(_ reason: String) {
        shared.withLock { $0.lost = $0.lost ?? reason }
        loop.wakeAll()
    }

    // MARK: Calls

    /// The connection, or why there is none any more; also looks at the caller's limits.
    func usable(_ limit: Limit) throws(SSHError) -> SessionHandle {
        if let lost = shared.withLock({ $0.lost }) { throw failure(.connectionLost(lost)) }
        guard let handle else { throw failure(.connectionLost("it was closed")) }
        if limit.heedsCancellation, Task.isCancelled { throw failure(.cancelled) }
        if let deadline = limit.deadline, ContinuousClock.now >= deadline { throw failure(.timedOut(after: limit.duration)) }
        return handle
    }

    /// Tries one call once. nil: it has to be tried again after ``pause(_:)``.
    func attempt(_ call: Call, _ handle: SessionHandle, _ body: () -> Int) throws(SSHError) -> Int? {
        if let sender, sender != call { return nil }
        let received = handle.traffic.pointee.received
        let result = body()
        let isPending = result == Int(LIBSSH2_ERROR_EAGAIN)
        let hadSender = sender != nil
        sender = isPending && handle.isBlockedOutbound ? call : nil
        // Bytes for other channels may have come along, which no poll will announce; and a finished packet lets others send.
        if waiting > 0, handle.traffic.pointee.received != received || hadSender && sender == nil { loop.wakeAll() }
        if isPending { return nil }
        if result < 0, let lost = Self.loss(Int32(clamping: result), handle) {
            lose(lost)
            throw failure(.connectionLost(lost))
        }
        return result
    }

    /// Repeats one call until it is done; gives its result, which may be an error code that does not end the connection.
    func drive(_ call: Call, _ limit: Limit, _ body: (SessionHandle) -> Int) async throws(SSHError) -> Int {
        do throws(SSHError) {
            while true {
                let handle = try usable(limit)
                if let result = try attempt(call, handle, { body(handle) }) { return result }
                await pause(limit)
            }
        } catch {
            // What is opened is opened to the end by another.
            if call != .open { abandon { $0 == call } }
            throw error
        }
    }

    /// Whoever gives up with a packet half sent leaves a connection on which nothing more can be said.
    func abandon(_ isMine: (Call) -> Bool) {
        if let sender, isMine(sender) { lose("it was given up in the middle of a packet") }
    }

    /// Sleeps until there is traffic, the limit passes, the task is cancelled or a second is over; then looks for signs of life.
    func pause(_ limit: Limit) async {
        guard let handle else { return }
        // Of the time in which nobody waited for anything nobody asked either.
        if waiting == 0, .now - waited > .milliseconds(500) { silence = Silence(progress: progress(handle), since: .now, asked: .now) }
        waiting += 1
        defer {
            waiting -= 1
            waited = .now
        }
        let second = ContinuousClock.now + .seconds(1)
        let until = limit.deadline.map { min($0, second) } ?? second
        let events = Int16(POLLIN) | (sender == nil ? 0 : Int16(POLLOUT))
        if limit.heedsCancellation {
            await withTaskCancellationHandler {
                await withCheckedContinuation { loop.wait($0, for: handle.socket, events: events, until: until) }
            } onCancel: {
                loop.wakeAll()
            }
        } else {
            await withCheckedContinuation { loop.wait($0, for: handle.socket, events: events, until: until) }
        }
        watchSilence()
    }

    /// After a packet for which the line was the limit: who waited for the line goes first, or what is big would keep all else waiting.
    func giveWay() async {
        guard waiting > 0, let handle else { return }
        await withCheckedContinuation { loop.wait($0, for: handle.socket, events: 0, until: .now) }
    }

    /// Asks for a sign of life each second of silence, and gives the connection up when none came for ``silenceLimit``.
    private func watchSilence() {
        guard isLoggedIn, let handle else { return }
        let now = ContinuousClock.now
        let progress = progress(handle)
        if progress > silence.progress {
            silence.progress = progress
            silence.since = now
        } else if now - silence.since > Self.silenceLimit {
            lose("no sign of life for \(SSHError.text(Self.silenceLimit))")
        } else if sender == nil, now - max(silence.since, silence.asked) >= .seconds(1), handle.isWritable {
            silence.asked = now
            var next: Int32 = 0
            let sent = handle.traffic.pointee.sent
            libssh2_keepalive_send(handle.session, &next)
            questions += handle.traffic.pointee.sent - sent
        }
    }

    /// Grows as long as anything gets through. That a jump host takes our own questions says nothing of the machine behind it.
    private func progress(_ handle: SessionHandle) -> Int64 { Int64(handle.progress) - (tunnel == nil ? 0 : Int64(questions)) }

    /// Reads what came in while nobody used the connection (the server's own keepalives), so that it is not taken for dead.
    private func keepFresh() {
        guard waiting == 0, sender == nil, isAlive, let handle, let channel = handle.spentChannel else { return }
        var byte: CChar = 0
        let result = libssh2_channel_read_ex(channel, 0, &byte, 1)
        if result < 0, let lost = Self.loss(Int32(clamping: result), handle) { lose(lost) }
    }

    /// In our words why a result means the end of the connection; nil when it does not.
    static func loss(_ code: Int32, _ handle: SessionHandle) -> String? {
        switch code {
        case LIBSSH2_ERROR_SOCKET_SEND, LIBSSH2_ERROR_SOCKET_RECV, LIBSSH2_ERROR_SOCKET_TIMEOUT, LIBSSH2_ERROR_TIMEOUT,
            LIBSSH2_ERROR_BAD_SOCKET:
            var status: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(handle.socket, SOL_SOCKET, SO_ERROR, &status, &size)
            return status == 0 ? "the network no longer carries it" : String(cString: strerror(status))
        case LIBSSH2_ERROR_SOCKET_DISCONNECT: return "the other side ended it"
        case LIBSSH2_ERROR_DECRYPT, LIBSSH2_ERROR_INVALID_MAC, LIBSSH2_ERROR_OUT_OF_BOUNDARY, LIBSSH2_ERROR_PROTO, LIBSSH2_ERROR_ZLIB,
            LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE:
            return "what arrived was damaged (\(handle.lastError.text))"
        default: return nil
        }
    }
}

/// How long a call may go on.
struct Limit {
    let duration: Duration
    let deadline: ContinuousClock.Instant?
    /// False for what cleans up after a cancelled call.
    let heedsCancellation: Bool

    init(_ duration: Duration?, heedsCancellation: Bool = true) {
        self.duration = duration ?? .zero
        deadline = duration.map { ContinuousClock.now + $0 }
        self.heedsCancellation = heedsCancellation
    }
}

/// The session as its loop knows it: not kept alive by it.
private final class WeakReference: Sendable {
    private struct Content: ~Copyable { weak var session: SSHSession? }
    private let content = Mutex(Content())

    var session: SSHSession? {
        get { content.withLock { $0.session } }
        set { content.withLock { $0.session = newValue } }
    }
}
