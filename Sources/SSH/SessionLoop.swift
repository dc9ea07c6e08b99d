internal import BlockingExecutor
internal import Glibc

/// The executor of one session: a thread that runs the session's jobs and, between them, sleeps in poll(2) until its sockets have
/// something for those who wait. So a session needs no lock, and no blocking call of libssh2 ever holds one of Swift's pool threads.
// @unchecked: `pending`, `isFinished` and `mustWakeAll` are touched under the mutex, everything else on the loop's own thread only.
final class SessionLoop: SerialExecutor, @unchecked Sendable {
    /// One who sleeps until its descriptor is ready, a moment has come, or the session has news.
    private struct Waiter {
        let continuation: CheckedContinuation<Void, Never>
        let descriptor: Int32
        let events: Int16
        let until: ContinuousClock.Instant
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var pending: [UnownedJob] = []
    private var isFinished = false
    private var mustWakeAll = false
    private var wakePipe: [Int32] = [-1, -1]
    private var waiters: [Waiter] = []
    private let idle: @Sendable () -> Void
    private static let idleInterval = Duration.seconds(15)

    /// - Parameter idle: called on the loop's thread every 15 seconds in which nobody waits.
    init(name: String, idle: @escaping @Sendable () -> Void) {
        self.idle = idle
        pthread_mutex_init(mutex, nil)
        // Without a pipe a wake-up would come with the next tick only: late, but not lost.
        if pipe(&wakePipe) == 0 {
            for end in wakePipe {
                _ = fcntl(end, F_SETFD, FD_CLOEXEC)
                _ = fcntl(end, F_SETFL, O_NONBLOCK)
            }
        }
        Thread.start(name: name) { self.run() }
    }

    deinit {
        for end in wakePipe where end >= 0 { close(end) }
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        withLock { pending.append(job) }
        wake()
    }

    /// Ends the thread after what is queued.
    func finish() {
        withLock { isFinished = true }
        wake()
    }

    /// Lets everybody who waits look again; from any thread.
    func wakeAll() {
        withLock { mustWakeAll = true }
        wake()
    }

    /// Sleeps until the descriptor is ready, `until` has come or ``wakeAll()`` is called. On the loop's thread only.
    func wait(_ continuation: CheckedContinuation<Void, Never>, for descriptor: Int32, events: Int16, until: ContinuousClock.Instant) {
        waiters.append(Waiter(continuation: continuation, descriptor: descriptor, events: events, until: until))
    }

    private func withLock<T>(_ body: () -> T) -> T {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    private func wake() {
        var byte: UInt8 = 1
        _ = write(wakePipe[1], &byte, 1)
    }

    private func run() {
        while true {
            let (jobs, finished, everybody) = withLock {
                defer {
                    pending = []
                    mustWakeAll = false
                }
                return (pending, isFinished, mustWakeAll)
            }
            for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
            if everybody { resume { _ in true } }
            if jobs.isEmpty, !everybody {
                if finished, waiters.isEmpty { return }
                sleep()
            }
        }
    }

    private func sleep() {
        var polled = [pollfd(fd: wakePipe[0], events: Int16(POLLIN), revents: 0)]
        for waiter in waiters { polled.append(pollfd(fd: waiter.descriptor, events: waiter.events, revents: 0)) }
        let now = ContinuousClock.now
        let until = waiters.map(\.until).min() ?? now + Self.idleInterval
        let (seconds, attoseconds) = (until - now).components
        let milliseconds = max(0, min(seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1, 60_000))
        let ready = poll(&polled, nfds_t(polled.count), Int32(milliseconds))
        if polled[0].revents != 0 {
            var bytes = [UInt8](repeating: 0, count: 256)
            while read(wakePipe[0], &bytes, bytes.count) > 0 {}
        }
        if ready == 0, waiters.isEmpty { idle() }
        let after = ContinuousClock.now
        let readyDescriptors = Set(polled.dropFirst().filter { $0.revents != 0 }.map(\.fd))
        resume { readyDescriptors.contains($0.descriptor) || $0.until <= after }
    }

    private func resume(_ isDue: (Waiter) -> Bool) {
        let due = waiters.filter(isDue)
        waiters.removeAll(where: isDue)
        for waiter in due { waiter.continuation.resume() }
    }
}
