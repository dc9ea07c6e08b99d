package import KubernetesModel

/// The objects of a kind and their changes for ever: lists, watches from there, goes on where it was after an interruption, and lists
/// anew when the server has forgotten that point. At rest it has one open request and sends nothing.
package struct ObjectWatcher: Sendable {
    package enum Update: Sendable {
        /// All objects there are: at the start, and whenever changes may have been missed. What is not in it is gone.
        case snapshot([Manifest])
        /// `added`, `modified` or `deleted`; never a bookmark.
        case event(WatchEvent)
        /// The server cannot be asked, or does not know the kind: what is known is as old as this; it is tried again.
        case interrupted(ClusterError)
    }

    /// Waits between attempts: short at first, for a server that restarts; longer for one that stays away.
    package struct Backoff: Hashable, Sendable {
        package var first: Duration
        package var longest: Duration
        private var next: Duration

        package init(first: Duration = .milliseconds(250), longest: Duration = .seconds(30)) {
            self.first = first
            self.longest = longest
            next = first
        }

        /// Doubles each time, and varies by a fifth so that many watchers do not knock together.
        package mutating func delay() -> Duration {
            defer { next = min(next * 2, longest) }
            return next * Double.random(in: 0.8...1.2)
        }

        package mutating func reset() { next = first }
    }

    package var kind: GroupVersionKind
    /// Empty: all namespaces.
    package var namespace: String
    package var labelSelector: String?
    private let cluster: any ClusterAPI
    private let backoff: Backoff
    private let sleep: @Sendable (Duration) async throws -> Void

    package init(
        _ cluster: any ClusterAPI, kind: GroupVersionKind, namespace: String = "", labelSelector: String? = nil,
        backoff: Backoff = Backoff(), sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.cluster = cluster
        self.kind = kind
        self.namespace = namespace
        self.labelSelector = labelSelector
        self.backoff = backoff
        self.sleep = sleep
    }

    /// The updates as a stream that ends only when its reader goes away.
    package func updates() -> AsyncStream<Update> {
        let (stream, continuation) = AsyncStream.makeStream(of: Update.self)
        let task = Task {
            await run { continuation.yield($0) }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    /// Hands over updates one by one, waiting for each to be taken, until the task is cancelled.
    package func run(_ take: (Update) async -> Void) async {
        var backoff = backoff
        var position: String?
        while !Task.isCancelled {
            do {
                let from: String
                if let position {
                    from = position
                } else {
                    let list = try await cluster.list(kind, namespace: namespace, labelSelector: labelSelector)
                    await take(.snapshot(list.items))
                    from = list.resourceVersion
                }
                position = from
                let isFruitful = try await follow(from: from, position: &position, take)
                if isFruitful {
                    backoff.reset()
                } else {
                    // A server that ends every watch at once must not be asked in a tight loop.
                    try await sleep(backoff.delay())
                }
            } catch is CancellationError {
                return
            } catch {
                if Task.isCancelled { return }
                let failure =
                    error as? ClusterError ?? ClusterError(.unreachable, subject: kind.description, message: String(describing: error))
                if failure.kind == .expired, position != nil {
                    position = nil
                } else {
                    if failure.kind == .unknownKind { position = nil }
                    await take(.interrupted(failure))
                }
                do {
                    try await sleep(max(backoff.delay(), failure.retryAfter ?? .zero))
                } catch {
                    return
                }
            }
        }
    }

    /// One watch to its end. True when it brought something or lasted, so that the next may begin at once.
    private func follow(from start: String, position: inout String?, _ take: (Update) async -> Void) async throws -> Bool {
        let began = ContinuousClock.now
        var isFruitful = false
        let events = try await cluster.watch(kind, namespace: namespace, labelSelector: labelSelector, resourceVersion: start)
        for try await event in events {
            isFruitful = true
            switch event {
            case .bookmark(let version): position = version
            case .added(let manifest), .modified(let manifest), .deleted(let manifest):
                if !manifest.resourceVersion.isEmpty { position = manifest.resourceVersion }
                await take(.event(event))
            }
        }
        try Task.checkCancellation()
        return isFruitful || began.duration(to: .now) > .seconds(10)
    }
}
