import Glibc

/// Ctrl-C and `systemctl stop` as the cancellation of a task: the first asks it to stop cleanly, the second ends the process.
enum Signals {
    /// Keeps SIGINT and SIGTERM for the thread that waits for them. Called before any other thread exists, since threads inherit the mask.
    static func hold() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Calls `stop` at the first signal; a second one ends the process at once with the status shells expect. Never returns.
    static func wait(_ stop: () -> Void) -> Never {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        var isStopping = false
        while true {
            var number: Int32 = 0
            guard sigwait(&set, &number) == 0 else { continue }
            if isStopping { _exit(128 + number) }
            isStopping = true
            TerminalQuestion.interrupt()
            stop()
        }
    }
}
