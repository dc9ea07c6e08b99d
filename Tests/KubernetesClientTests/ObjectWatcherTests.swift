import HomelabTestSupport
import KubernetesClient
import KubernetesModel
import Testing
import YAML

struct ObjectWatcherTests {
    private let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")
    private let cluster = FakeClusterAPI()

    private func manifest(_ name: String, _ value: String = "1") -> Manifest {
        Manifest([
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": .string(name), "namespace": "default"],
            "data": ["a": .string(value)],
        ])
    }

    private func watcher() -> ObjectWatcher { ObjectWatcher(cluster, kind: kind, sleep: { _ in await Task.yield() }) }

    private func text(_ update: ObjectWatcher.Update?) -> String {
        switch update {
        case .snapshot(let items): "all " + items.map(\.name).joined(separator: ",")
        case .event(.added(let manifest)): "added \(manifest.name)"
        case .event(.modified(let manifest)): "modified \(manifest.name)"
        case .event(.deleted(let manifest)): "deleted \(manifest.name)"
        case .event(.bookmark): "bookmark"
        case .interrupted(let error): "interrupted \(error.message)"
        case nil: "end"
        }
    }

    /// Waits until a watch is open, so that what comes next is an event and no item of a list.
    private func awaitWatch() async {
        while await cluster.watchCount == 0 { await Task.yield() }
    }

    @Test func `all there is, then what changes`() async {
        await cluster.put(manifest("a"))
        var updates = watcher().updates().makeAsyncIterator()
        #expect(text(await updates.next()) == "all a")
        await cluster.put(manifest("b"))
        #expect(text(await updates.next()) == "added b")
        await cluster.put(manifest("a", "2"))
        #expect(text(await updates.next()) == "modified a")
        await cluster.remove(manifest("a").key)
        #expect(text(await updates.next()) == "deleted a")
    }

    @Test func `after an interruption it goes on where it was, with no new list`() async {
        var updates = watcher().updates().makeAsyncIterator()
        #expect(text(await updates.next()) == "all ")
        await cluster.put(manifest("a"))
        #expect(text(await updates.next()) == "added a")
        await awaitWatch()
        await cluster.endWatches()
        await cluster.put(manifest("b"))
        #expect(text(await updates.next()) == "added b")
        await awaitWatch()
        await cluster.setReachable(false)
        #expect(text(await updates.next()) == "interrupted connection reset")
        await cluster.put(manifest("c"))
        await cluster.setReachable(true)
        var next = text(await updates.next())
        while next == "interrupted connection refused" { next = text(await updates.next()) }
        #expect(next == "added c")
        #expect(await cluster.requests.filter { $0.verb == .list }.count == 1)
    }

    @Test func `when the past is forgotten it lists anew`() async {
        var updates = watcher().updates().makeAsyncIterator()
        #expect(text(await updates.next()) == "all ")
        await awaitWatch()
        await cluster.fail(.watch, with: ClusterError(.expired, subject: "ConfigMap", message: "too old"))
        await cluster.put(manifest("a"))
        #expect(text(await updates.next()) == "added a")
        await cluster.endWatches()
        await cluster.put(manifest("b"))
        #expect(text(await updates.next()) == "all a,b")
    }

    @Test func `a kind that does not exist yet is found when it does`() async {
        let widget = GroupVersionKind(group: "example.org", version: "v1", kind: "Widget")
        var updates = ObjectWatcher(cluster, kind: widget, sleep: { _ in await Task.yield() }).updates().makeAsyncIterator()
        #expect(text(await updates.next()) == "interrupted the server knows no such kind")
        await cluster.register(APIResource(kind: widget, plural: "widgets", isNamespaced: true))
        var next = text(await updates.next())
        while next.hasPrefix("interrupted") { next = text(await updates.next()) }
        #expect(next == "all ")
    }

    @Test func `it ends with its reader`() async {
        let cluster = cluster
        let kind = kind
        let reader = Task {
            for await _ in ObjectWatcher(cluster, kind: kind).updates() {}
        }
        await awaitWatch()
        reader.cancel()
        await reader.value
        while await cluster.watchCount > 0 { await Task.yield() }
    }

    @Test func `waits grow to their limit and vary`() {
        var backoff = ObjectWatcher.Backoff(first: .seconds(1), longest: .seconds(4))
        let delays = (0..<5).map { _ in backoff.delay() }
        for (delay, middle) in zip(delays, [1.0, 2, 4, 4, 4]) {
            #expect(delay >= .seconds(middle * 0.8) && delay <= .seconds(middle * 1.2))
        }
        backoff.reset()
        #expect(backoff.delay() <= .seconds(1.2))
    }
}
