package import KubernetesModel
import YAML

extension FakeClusterAPI {
    package func watch(
        _ kind: GroupVersionKind, namespace: String, labelSelector: String?, resourceVersion: String
    ) async throws -> AsyncThrowingStream<WatchEvent, any Error> {
        try begin(.watch, kind, namespace, "")
        try known(kind)
        let start = Int64(resourceVersion) ?? 0
        let expired = ClusterError(.expired, subject: kind.description, message: "too old resource version: \(resourceVersion)")
        if start < compactedBefore { throw expired }
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: WatchEvent.self, throwing: (any Error).self)
        let watcher = Watcher(
            kind: kind.groupKind, namespace: namespace, selector: try LabelSelector(labelSelector), continuation: continuation)
        let id = nextWatcher
        nextWatcher += 1
        watchers[id] = watcher
        continuation.onTermination = { [weak self] _ in Task { await self?.forgetWatcher(id) } }
        for entry in history where entry.version > start { deliver(entry, to: watcher) }
        return stream
    }

    private func forgetWatcher(_ id: Int) { watchers[id] = nil }

    func publish(_ event: WatchEvent) {
        guard let manifest = Self.manifest(of: event) else { return }
        let told: WatchEvent =
            switch event {
            case .added(let manifest): .added(Self.withoutWriters(manifest))
            case .modified(let manifest): .modified(Self.withoutWriters(manifest))
            case .deleted(let manifest): .deleted(Self.withoutWriters(manifest))
            case .bookmark: event
            }
        let entry = HistoryEntry(version: clock, kind: manifest.key.groupKind, event: told)
        history.append(entry)
        for watcher in watchers.values { deliver(entry, to: watcher) }
    }

    /// As lists and watches of the client give it.
    static func withoutWriters(_ manifest: Manifest) -> Manifest {
        guard manifest.value[path: "metadata", "managedFields"] != nil else { return manifest }
        var result = manifest
        set("managedFields", to: nil, in: &result)
        return result
    }

    private func deliver(_ entry: HistoryEntry, to watcher: Watcher) {
        guard entry.kind == watcher.kind, let manifest = Self.manifest(of: entry.event),
            watcher.namespace.isEmpty || watcher.namespace == manifest.namespace, watcher.selector.matches(manifest)
        else { return }
        watcher.continuation.yield(entry.event)
    }

    private static func manifest(of event: WatchEvent) -> Manifest? {
        switch event {
        case .added(let manifest), .modified(let manifest), .deleted(let manifest): manifest
        case .bookmark: nil
        }
    }
}
