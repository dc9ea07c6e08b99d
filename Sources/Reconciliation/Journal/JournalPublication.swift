package import KubernetesModel
import YAML

/// Shows the newest part of a server's journal in the cluster, so that `homelab history` needs no login to the servers: ConfigMap
/// `homelab-system/homelab-journal-<server>`.
package struct JournalPublication: Sendable {
    private static let label = "homelab.dev/journal"
    private static let kind = GroupVersionKind(group: "", version: "v1", kind: "ConfigMap")

    let journal: NodeJournal
    let api: any ClusterAPI
    let clock: any AgentClock

    package init(journal: NodeJournal, api: any ClusterAPI, clock: any AgentClock) {
        self.journal = journal
        self.api = api
        self.clock = clock
    }

    /// Publishes at the start and after changes, at most once in two seconds; a server that is away gets it when it is back.
    package func run() async {
        let bell = Bell()
        journal.changes.attach(bell)
        defer { journal.changes.detach(bell) }
        var backoff = Backoff(first: .seconds(2), limit: .seconds(60))
        var published: [JournalEntry]?
        while !Task.isCancelled {
            let entries = journal.recent
            if entries.isEmpty || entries == published {
                await bell.wait()
                continue
            }
            do {
                try await publish(entries)
                published = entries
                backoff.reset()
                try? await clock.sleep(for: .seconds(2))
            } catch {
                try? await clock.sleep(for: backoff.failed())
            }
        }
    }

    private func publish(_ entries: [JournalEntry]) async throws {
        let manifest = Manifest([
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": [
                "namespace": .string(HomelabNamespace.name), "name": .string("homelab-journal-\(journal.server)"),
                "labels": .object(Object([.init(key: Self.label, value: .string(journal.server))])),
            ],
            "data": ["entries": .string(Self.text(entries))],
        ])
        let options = ApplyOptions(fieldManager: "homelab-journal-\(journal.server)")
        do {
            _ = try await api.apply(manifest, options: options)
        } catch let error as ClusterError where error.kind == .notFound {
            try await HomelabNamespace.ensure(api)
            _ = try await api.apply(manifest, options: options)
        }
    }

    /// An object of Kubernetes holds 1 MiB; the newest lines that fit in a fraction of it.
    private static func text(_ entries: [JournalEntry]) -> String {
        var lines: [String] = []
        var size = 0
        for line in entries.reversed().map(\.line) {
            size += line.utf8.count
            if size > 200_000 { break }
            lines.append(line)
        }
        return lines.reversed().joined()
    }

    /// What all servers have published, in the order of time.
    package static func entries(in api: any ClusterAPI) async throws -> [JournalEntry] {
        let found = try await api.list(kind, namespace: HomelabNamespace.name, labelSelector: label).items
        return together(found.map { $0.value[path: "data", "entries"]?.string ?? "" })
    }

    /// The journals of several servers as one, in the order of time; an operator's run is in all of them.
    package static func together(_ journals: [String]) -> [JournalEntry] {
        var seen: Set<JournalEntry> = []
        return journals.flatMap { JournalEntry.entries(in: $0) }.filter { seen.insert($0).inserted }.sorted { $0.time < $1.time }
    }
}
