internal import Glibc

/// Room on the disk of a repository. libgit2 writes packs through mapped memory, where a full disk is a signal that ends the process and no
/// error: so there has to be room before it writes.
enum FreeSpace {
    /// 0 when it cannot be told.
    static func bytes(in directory: String) -> Int {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return 0 }
        return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
    }

    /// - Parameter reserve: bytes that must stay free.
    /// - Throws: `diskFull` when `count` bytes more would leave less than that.
    static func require(_ count: Int, in directory: String, keeping reserve: Int, _ operation: String = "") throws(GitError) {
        let free = bytes(in: directory)
        guard free < reserve + count else { return }
        throw GitError(
            .diskFull, operation: operation, message: "only \(free >> 20) MiB are free for \(directory), and \(reserve >> 20) must stay")
    }
}
