internal import Glibc

/// A detached operating-system thread; ends when its body returns.
package enum Thread {
    private final class Start {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts a thread of 1 MiB stack. When the system has no more threads to give, the process cannot do its work and stops with a
    /// message: there is nothing a caller could do instead.
    package static func start(name: String, _ body: @escaping @Sendable () -> Void) {
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 1 << 20)
        defer { pthread_attr_destroy(&attributes) }
        var thread = pthread_t()
        let status = pthread_create(&thread, &attributes, entry, start.toOpaque())
        if status != 0 {
            start.release()
            let message = "homelab: the system refuses to start a thread (\(String(cString: strerror(status)))); see ulimit -u\n"
            _ = message.withCString { write(STDERR_FILENO, $0, strlen($0)) }
            abort()
        }
    }

    private static let entry: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
        guard let context else { return nil }
        let start = Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
        setName(start.name)
        start.body()
        return nil
    }

    /// Names the calling thread for `ps -L`; a name is a courtesy, so a failure is nothing.
    private static func setName(_ name: String) {
        let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        let bytes = Array(name.utf8.prefix(15))
        _ = write(descriptor, bytes, bytes.count)
        close(descriptor)
    }
}
