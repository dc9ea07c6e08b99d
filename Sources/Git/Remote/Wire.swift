internal import BlockingExecutor
internal import CGitSupport
internal import Glibc

/// What libgit2's blocking calls read from and write to: each waits here for the transport, never longer than the limits allow. The
/// first failure stays, because none can be thrown through C.
// @unchecked: everything but `cancel` is used by the one thread that talks to the remote.
final class Wire: @unchecked Sendable {
    private let transport: any GitTransport
    private let limits: RemoteLimits
    private let deadline: ContinuousClock.Instant
    private let total: Duration
    private let sizeLimit: Int
    /// The directory whose file system takes the pack; nil for a listing.
    private let directory: String?
    private let wait = BlockingWait()

    private var conversation: GitConversation?
    private var answer: (any GitAnswer)?
    private var request: [UInt8] = []
    private var unread: ArraySlice<UInt8> = []
    private var received = 0
    private(set) var failure: GitError?
    /// The remote ended its answer; libgit2's words for that depend on where it was.
    private(set) var hasEnded = false

    init(transport: any GitTransport, limits: RemoteLimits, fetchingInto directory: String? = nil) {
        self.transport = transport
        self.limits = limits
        self.directory = directory
        total = directory == nil ? limits.listing : limits.fetch
        sizeLimit = directory == nil ? limits.listingSize : limits.fetchSize
        deadline = .now + total
    }

    /// From any thread.
    func cancel() { wait.cancel() }

    var isCancelled: Bool { wait.isCancelled }

    // MARK: What the remote is asked

    /// Whether each round is a request of its own.
    func connect() throws(GitError) -> Bool {
        let conversation = try perform { [transport] () async throws(GitError) in try await transport.connect() }
        self.conversation = conversation
        if case .requests = conversation { return true }
        return false
    }

    func begin(listing: Bool) throws(GitError) {
        endAnswer()
        switch conversation {
        case .stream(let stream): answer = stream
        case .requests(let requests) where listing:
            answer = try perform { () async throws(GitError) in try await requests.references() }
        case .requests, nil: request = []
        }
    }

    func write(_ bytes: [UInt8]) throws(GitError) {
        if case .stream(let stream) = conversation {
            try perform { () async throws(GitError) in try await stream.write(bytes) }
        } else {
            request += bytes
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(GitError) -> Int {
        if answer == nil, case .requests(let requests) = conversation {
            let request = request
            answer = try perform { () async throws(GitError) in try await requests.uploadPack(request) }
        }
        if unread.isEmpty, let answer {
            let bytes = try perform { () async throws(GitError) in try await answer.read() }
            unread = (bytes ?? [])[...]
            try account(unread.count)
        }
        if unread.isEmpty { hasEnded = true }
        let count = min(buffer.count, unread.count)
        buffer.copyBytes(from: unread.prefix(count))
        unread = unread.dropFirst(count)
        return count
    }

    /// Ends the conversation, also one that was given up.
    func end() {
        endAnswer()
        if case .stream(let stream) = conversation { Task { await stream.close() } }
        conversation = nil
    }

    private func endAnswer() {
        answer = nil
        unread = []
        hasEnded = false
    }

    private func account(_ count: Int) throws(GitError) {
        received += count
        if received > sizeLimit {
            throw GitError(.other, operation: "", message: "it sends more than the \(sizeLimit >> 20) MiB that are allowed")
        }
        if let directory { try FreeSpace.require(count, in: directory, keeping: limits.freeSpace) }
    }

    // MARK: Waiting

    private func perform<T: Sendable>(_ work: @escaping @Sendable () async throws(GitError) -> T) throws(GitError) -> T {
        let silence = ContinuousClock.now + limits.silence
        let result: Result<T, GitError>
        do throws(BlockingWait.Interruption) {
            result = try wait.value(until: min(silence, deadline)) {
                do throws(GitError) { return .success(try await work()) } catch { return .failure(error) }
            }
        } catch {
            switch error {
            case .cancelled: throw GitError(.cancelled, operation: "", message: "cancelled")
            case .timedOut:
                let text =
                    silence < deadline
                    ? "no answer for \(limits.silence.components.seconds) s" : "no end after \(total.components.seconds) s"
                throw GitError(.timedOut, operation: "", message: text)
            }
        }
        return try result.get()
    }

    /// For C: 0, or -1 with the failure kept.
    func attempt(_ body: () throws(GitError) -> Void) -> Int32 {
        do throws(GitError) {
            try body()
            return 0
        } catch {
            if failure == nil { failure = error }
            return -1
        }
    }
}

/// The functions that libgit2 calls, with a wire as their context.
enum WireCallbacks {
    /// The caller keeps the wire alive for as long as the value is in use.
    static func value(for wire: Wire, isStateless: Bool) -> homelab_git_wire {
        homelab_git_wire(
            context: Unmanaged.passUnretained(wire).toOpaque(), is_stateless: isStateless ? 1 : 0, begin: begin, read: read, write: write)
    }

    private static func wire(_ context: UnsafeMutableRawPointer?) -> Wire? {
        context.map { Unmanaged<Wire>.fromOpaque($0).takeUnretainedValue() }
    }

    private static let begin: @convention(c) (UnsafeMutableRawPointer?, Int32) -> Int32 = { context, isListing in
        guard let wire = wire(context) else { return -1 }
        return wire.attempt { () throws(GitError) in try wire.begin(listing: isListing != 0) }
    }

    private static let read:
        @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<CChar>?, Int, UnsafeMutablePointer<Int>?) -> Int32 = {
            context, buffer, size, count in
            guard let wire = wire(context), let count else { return -1 }
            return wire.attempt { () throws(GitError) in
                count.pointee = try wire.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: size))
            }
        }

    private static let write: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, Int) -> Int32 = { context, bytes, size in
        guard let wire = wire(context) else { return -1 }
        let copy = Array(UnsafeRawBufferPointer(start: bytes, count: size))
        return wire.attempt { () throws(GitError) in try wire.write(copy) }
    }
}
