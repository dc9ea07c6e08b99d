internal import Glibc

/// An advisory lock (flock) on a file, held until the value is released or the process ends in any way.
package final class FileLock: Sendable {
    private let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Takes the lock, or gives nil at once when another holder has it. The file is made (0600) when missing and stays afterwards.
    package static func tryAcquire(_ path: String) throws(FileError) -> FileLock? {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode_t(0o600))
        guard descriptor >= 0 else { throw FileError("lock", path) }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return FileLock(descriptor: descriptor) }
        let error = FileError("lock", path)
        close(descriptor)
        if error.code == EWOULDBLOCK { return nil }
        throw error
    }

    /// Takes the lock, blocking the calling thread until it is free: for threads of a `BlockingExecutor` and short programs.
    package static func acquire(_ path: String) throws(FileError) -> FileLock {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode_t(0o600))
        guard descriptor >= 0 else { throw FileError("lock", path) }
        while flock(descriptor, LOCK_EX) != 0 {
            if errno == EINTR { continue }
            let error = FileError("lock", path)
            close(descriptor)
            throw error
        }
        return FileLock(descriptor: descriptor)
    }
}
