internal import Glibc

/// The way back from blocking code: a thread of its own (never one of Swift's pool) waits in it for asynchronous work, until a limit
/// or until somebody cancels.
// @unchecked: the flag and the results are touched only while the mutex is held.
package final class BlockingWait: @unchecked Sendable {
    package enum Interruption: Error { case timedOut, cancelled }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var wasCancelled = false

    package init() {
        pthread_mutex_init(mutex, nil)
        // A clock that nobody sets: a corrected time of day must not stretch a limit.
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Ends the wait under way and every further one.
    package func cancel() {
        pthread_mutex_lock(mutex)
        wasCancelled = true
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    package var isCancelled: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return wasCancelled
    }

    /// Runs the work on Swift's pool and blocks this thread until it is done. Work that is not waited for any longer is cancelled; what
    /// it still gives is dropped.
    package func value<T: Sendable>(
        until deadline: ContinuousClock.Instant, of work: @escaping @Sendable () async -> T
    ) throws(Interruption) -> T {
        let result = Delivery<T>()
        let task = Task {
            let value = await work()
            self.deliver { result.value = value }
        }
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let value = result.value { return value }
            let left = deadline - .now
            guard !wasCancelled, left > .zero else {
                task.cancel()
                throw wasCancelled ? .cancelled : .timedOut
            }
            var until = Self.time(after: left)
            pthread_cond_timedwait(condition, mutex, &until)
        }
    }

    private func deliver(_ body: () -> Void) {
        pthread_mutex_lock(mutex)
        body()
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    private static func time(after duration: Duration) -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let (seconds, attoseconds) = duration.components
        let nanoseconds = Int64(time.tv_nsec) + attoseconds / 1_000_000_000
        time.tv_sec += Int(seconds + nanoseconds / 1_000_000_000)
        time.tv_nsec = Int(nanoseconds % 1_000_000_000)
        return time
    }
}

/// Where work leaves its result.
// @unchecked: touched only while the wait's mutex is held.
private final class Delivery<T: Sendable>: @unchecked Sendable {
    var value: T?
}
