import Foundation
import Git
import Synchronization

/// The system's `git upload-pack` as the remote, as a stream or by stateless rounds, with the faults that a network has.
final class ProcessTransport: GitTransport {
    enum Fault: Sendable {
        /// The connection ends after so many bytes.
        case cut(after: Int)
        /// Nothing more comes after so many bytes.
        case silence(after: Int)

        var limit: Int {
            switch self {
            case .cut(let limit), .silence(let limit): limit
            }
        }
    }

    struct Count {
        var conversations = 0
        var bytes = 0
    }

    let url = "ssh://git.example/repository.git"
    private let directory: String
    private let isStateless: Bool
    private let fault: Fault?
    private let state = Mutex(Count())

    init(_ directory: String, stateless: Bool = false, fault: Fault? = nil) {
        self.directory = directory
        // A process that ended is an answer that ends, not the end of the tests.
        signal(SIGPIPE, SIG_IGN)
        isStateless = stateless
        self.fault = fault
    }

    var count: Count { state.withLock { $0 } }

    func connect() async throws(GitError) -> GitConversation {
        state.withLock { $0.conversations += 1 }
        return isStateless ? .requests(Requests(transport: self)) : .stream(start([]))
    }

    fileprivate func start(_ options: [String]) -> ProcessStream {
        ProcessStream(["upload-pack"] + options + [directory], fault) { count in self.state.withLock { $0.bytes += count } }
    }

    private struct Requests: GitRequests {
        let transport: ProcessTransport

        func references() async throws(GitError) -> any GitAnswer {
            let stream = transport.start(["--stateless-rpc", "--advertise-refs"])
            stream.unread = Array("001e# service=git-upload-pack\n0000".utf8)
            return stream
        }

        func uploadPack(_ request: [UInt8]) async throws(GitError) -> any GitAnswer {
            let stream = transport.start(["--stateless-rpc"])
            try await stream.write(request)
            stream.finishInput()
            return stream
        }
    }
}

// @unchecked: read by one task at a time.
final class ProcessStream: GitStream, @unchecked Sendable {
    fileprivate var unread: [UInt8] = []
    private let process = Process()
    private let (input, output) = (Pipe(), Pipe())
    private let queue = DispatchQueue(label: "upload-pack")
    private let fault: ProcessTransport.Fault?
    private let onRead: @Sendable (Int) -> Void
    private var received = 0

    init(_ arguments: [String], _ fault: ProcessTransport.Fault?, onRead: @escaping @Sendable (Int) -> Void) {
        self.fault = fault
        self.onRead = onRead
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["git"] + arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try? process.run()
    }

    func read() async throws(GitError) -> [UInt8]? {
        if !unread.isEmpty {
            defer { unread = [] }
            return unread
        }
        switch fault {
        case .cut(let limit) where received >= limit: return nil
        case .silence(let limit) where received >= limit:
            try? await Task.sleep(for: .seconds(60))
            return nil
        default: break
        }
        var bytes = await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: [UInt8](self.output.fileHandleForReading.availableData)) }
        }
        // However much came in one piece, no more than the fault lets through.
        if let limit = fault?.limit { bytes.removeLast(max(0, received + bytes.count - limit)) }
        received += bytes.count
        onRead(bytes.count)
        return bytes.isEmpty ? nil : bytes
    }

    func write(_ bytes: [UInt8]) async throws(GitError) { try? input.fileHandleForWriting.write(contentsOf: bytes) }

    func finishInput() { try? input.fileHandleForWriting.close() }

    func close() async {
        finishInput()
        process.terminate()
    }
}
