internal import Glibc

/// Watches directories through inotify, so that a change is seen at once and nothing is polled.
package enum FileWatch {
    /// Names (relative to `directory`) that were made, changed, renamed or removed in it, as they happen. When the kernel dropped
    /// events the name is empty: look at everything. The stream ends when the directory itself goes away or the consumer stops.
    ///
    /// - Parameter subdirectories: further directories, as paths relative to `directory`, that are watched too when they exist; their
    ///   names come as `subdirectory/name`.
    package static func changes(in directory: String, subdirectories: [String] = []) throws(FileError) -> AsyncStream<String> {
        let notifications = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
        guard notifications >= 0 else { throw FileError("watch", directory) }
        let events = UInt32(IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)
        let root = inotify_add_watch(notifications, directory, events | UInt32(IN_ONLYDIR))
        guard root >= 0 else {
            let error = FileError("watch", directory)
            close(notifications)
            throw error
        }
        var prefixes: [Int32: String] = [root: ""]
        for name in subdirectories {
            let watch = inotify_add_watch(notifications, directory + "/" + name, events | UInt32(IN_ONLYDIR))
            if watch >= 0 { prefixes[watch] = name + "/" }
        }
        var stop: [Int32] = [-1, -1]
        guard pipe(&stop) == 0 else {
            let error = FileError("watch", directory)
            close(notifications)
            throw error
        }
        let (stream, continuation) = AsyncStream<String>.makeStream(bufferingPolicy: .bufferingNewest(4096))
        for end in stop { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        continuation.onTermination = { [end = stop[1]] _ in close(end) }
        let loop = WatchLoop(notifications: notifications, stop: stop[0], root: root, prefixes: prefixes, continuation: continuation)
        try loop.start(watching: directory)
        return stream
    }
}

/// The thread behind one watch: sleeps until the kernel has events or the consumer stops, then passes names on.
private final class WatchLoop: Sendable {
    private let notifications: Int32
    private let stop: Int32
    private let root: Int32
    private let prefixes: [Int32: String]
    private let continuation: AsyncStream<String>.Continuation

    init(
        notifications: Int32, stop: Int32, root: Int32, prefixes: [Int32: String], continuation: AsyncStream<String>.Continuation
    ) {
        self.notifications = notifications
        self.stop = stop
        self.root = root
        self.prefixes = prefixes
        self.continuation = continuation
    }

    deinit {
        close(notifications)
        close(stop)
    }

    func start(watching directory: String) throws(FileError) {
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<WatchLoop>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard status == 0 else {
            context.release()
            throw FileError(path: directory, operation: "watch", reason: String(cString: strerror(status)), code: status)
        }
        pthread_detach(thread)
    }

    private func run() {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            var waiting = [
                pollfd(fd: notifications, events: Int16(POLLIN), revents: 0), pollfd(fd: stop, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&waiting, 2, -1) < 0, errno != EINTR { break }
            if waiting[1].revents != 0 { break }
            let count = read(notifications, &buffer, buffer.count)
            if count <= 0 {
                if count < 0, errno == EAGAIN || errno == EINTR { continue }
                break
            }
            if !report(buffer[..<count]) { break }
        }
        continuation.finish()
    }

    /// Passes the events on; false when the watched directory itself is gone.
    private func report(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset + MemoryLayout<inotify_event>.size <= bytes.count {
                let event = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
                let nameStart = offset + MemoryLayout<inotify_event>.size
                let name = bytes[nameStart..<nameStart + Int(event.len)].prefix { $0 != 0 }
                offset = nameStart + Int(event.len)
                if event.mask & UInt32(IN_Q_OVERFLOW) != 0 {
                    continuation.yield("")
                } else if event.mask & UInt32(IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT) != 0 {
                    if event.wd == root { return false }
                } else if let prefix = prefixes[event.wd], !name.isEmpty {
                    continuation.yield(prefix + String(decoding: name, as: UTF8.self))
                }
            }
            return true
        }
    }
}
