import BlockingExecutor
import Glibc
import Synchronization

/// Ctrl-C and `systemctl stop` as the cancellation of a task: the first asks it to stop cleanly, the second ends the process.
enum Signals {
    private static let received = Atomic<Int>(0)

    /// Keeps SIGINT and SIGTERM for the waiting thread alone. Called before any other thread exists, since threads inherit the mask.
    static func hold() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Calls `stop` at the first signal; a second one ends the process at once with the status shells expect.
    static func onStop(_ stop: @escaping @Sendable () -> Void) {
        Thread.start(name: "signals") {
            var set = sigset_t()
            sigemptyset(&set)
            sigaddset(&set, SIGINT)
            sigaddset(&set, SIGTERM)
            while true {
                var number: Int32 = 0
                guard sigwait(&set, &number) == 0 else { continue }
                if received.add(1, ordering: .relaxed).oldValue > 0 { _exit(128 + number) }
                stop()
            }
        }
    }
}
