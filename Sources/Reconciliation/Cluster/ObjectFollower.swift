package import KubernetesModel

/// Lists a kind once and then watches it, for as long as it runs: across ended streams, expired versions and lost connections.
package struct ObjectFollower: Sendable {
    package enum Change: Sendable {
        /// Everything there is; what was known before and is not in it is gone.
        case all([Manifest])
        case present(Manifest)
        case gone(Manifest)
        /// What is known is getting old; it goes on trying.
        case failed(ClusterError)
    }

    let api: any ClusterAPI
    let clock: any AgentClock
    let kind: GroupVersionKind
    let namespace: String
    let labelSelector: String?

    package init(api: any ClusterAPI, clock: any AgentClock, kind: GroupVersionKind, namespace: String, labelSelector: String? = nil) {
        self.api = api
        self.clock = clock
        self.kind = kind
        self.namespace = namespace
        self.labelSelector = labelSelector
    }

    /// Returns when cancelled, or when the server does not know the kind (any more).
    /// - Parameter onSetBack: called before a list that is older than what was seen before it, as after the restore of a snapshot: nothing
    ///   that is known by its version is newer than what comes from now on.
    package func run(
        _ handle: @escaping @Sendable (Change) async -> Void, onSetBack: @escaping @Sendable () async -> Void = {}
    ) async {
        var backoff = Backoff(first: .milliseconds(250), limit: .seconds(15))
        var newest: UInt64 = 0
        while !Task.isCancelled {
            do {
                let list = try await api.list(kind, namespace: namespace, labelSelector: labelSelector)
                if let version = UInt64(list.resourceVersion) {
                    if version < newest { await onSetBack() }
                    newest = version
                }
                await handle(.all(list.items))
                try await watch(from: list.resourceVersion, &backoff, &newest, handle)
            } catch let error as ClusterError {
                if error.kind == .unknownKind {
                    await handle(.failed(error))
                    return
                }
                if error.kind != .expired || backoff.failures > 0 {
                    await handle(.failed(error))
                }
                try? await clock.sleep(for: backoff.failed(atLeast: error.retryAfter))
            } catch {
                if Task.isCancelled { return }
                await handle(.failed(ClusterError(.unreachable, subject: "watch \(kind)", message: String(describing: error))))
                try? await clock.sleep(for: backoff.failed())
            }
        }
    }

    private func watch(
        from version: String, _ backoff: inout Backoff, _ newest: inout UInt64, _ handle: (Change) async -> Void
    ) async throws {
        var version = version
        while !Task.isCancelled {
            let start = clock.now
            let events = try await api.watch(kind, namespace: namespace, labelSelector: labelSelector, resourceVersion: version)
            for try await event in events {
                backoff.reset()
                switch event {
                case .added(let manifest), .modified(let manifest):
                    version = manifest.resourceVersion
                    await handle(.present(manifest))
                case .deleted(let manifest):
                    version = manifest.resourceVersion
                    await handle(.gone(manifest))
                case .bookmark(let newer): version = newer
                }
                newest = max(newest, UInt64(version) ?? 0)
            }
            // A stream that ends as soon as it begins must not become a storm of requests.
            if clock.now - start < .seconds(1) {
                try await clock.sleep(for: backoff.failed())
            } else {
                backoff.reset()
            }
        }
    }
}
