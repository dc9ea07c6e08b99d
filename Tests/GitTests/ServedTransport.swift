import Foundation
import Git
import Synchronization

/// `GitServer.uploadPack` in this process as the remote.
final class ServedTransport: GitTransport {
    let url = "ssh://server.example/repository.git"
    private let directory: String
    private let count = Mutex(0)

    init(_ directory: String) {
        signal(SIGPIPE, SIG_IGN)
        self.directory = directory
    }

    var bytes: Int { count.withLock { $0 } }

    func connect() async throws(GitError) -> GitConversation {
        let (requests, answers) = (Pipe(), Pipe())
        let directory = directory
        Foundation.Thread.detachNewThread {
            try? GitServer.uploadPack(
                path: directory, input: requests.fileHandleForReading.fileDescriptor, output: answers.fileHandleForWriting.fileDescriptor)
            try? answers.fileHandleForWriting.close()
            try? requests.fileHandleForReading.close()
        }
        return .stream(Stream(input: requests.fileHandleForWriting, output: answers.fileHandleForReading, owner: self))
    }

    private struct Stream: GitStream {
        let input: FileHandle
        let output: FileHandle
        let owner: ServedTransport

        func read() async throws(GitError) -> [UInt8]? {
            let bytes = [UInt8](output.availableData)
            owner.count.withLock { $0 += bytes.count }
            return bytes.isEmpty ? nil : bytes
        }

        func write(_ bytes: [UInt8]) async throws(GitError) { try? input.write(contentsOf: bytes) }

        func close() async { try? input.close() }
    }
}
